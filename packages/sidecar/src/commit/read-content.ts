import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { checkChunk, freeBlock, openBlock, openBlockWith } from "../log/block.ts";
import { sha256OfPackKey } from "../log/keys.ts";
import { checkPackHeader } from "../log/pack-codec.ts";
import { MAX_GAP_BYTES, MAX_RANGE_BYTES, planReads, type RangedRead } from "../log/plan.ts";
import type { BlockRef, ChunkRef, ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";

/**
 * Ranged GETs of up to 4 MiB in parallel: at S3's 63 ms to the first byte and 85 MB/s a connection
 * they carry 220 MB/s in 24 MiB of memory.
 */
const PARALLEL_READS = 6;
/** A range, and the header that may be before its first block. */
const RANGE_BUFFER_BYTES = MAX_RANGE_BYTES + MAX_GAP_BYTES;
/**
 * Blocks of this size or more are decompressed on another thread while this one writes: saves 8 %
 * of a restore of 10,000 files. Passing a block on costs this thread as much as decompressing 64
 * KiB (0.1 ms). For 1 MiB that is a fifth.
 */
const LEAST_ASIDE_BYTES = 64 * 1024;

/** Beside another thread: one block is decompressed while the one before it is written. */
const MOST_OPENING = 2;

const decompress = promisify(zstdDecompress);

/**
 * Another thread that takes blocks as they are stored. Both threads then take what comes next, and
 * this one opens few blocks at a time.
 */
export interface Elsewhere<More extends readonly unknown[] = []> {
	/** No block is opened before it resolves. */
	readonly ready: Promise<unknown>;
	/**
	 * @param stored in shared memory if a ranged GET brought it; unchanged until the promise settles
	 * @returns undefined if the thread has enough to do, or must not have this block
	 */
	take(block: BlockRef, stored: Buffer, ...more: More): Promise<unknown> | undefined;
}

/**
 * Reads blocks with few ranged GETs and passes each one on, decompressed and checked. Blocks that
 * are in `starts` cost no request.
 * @param take called for up to seven blocks at once; the bytes are valid only until it resolves,
 * because their buffer is reused
 * @param idle unused buffers, for callers that read repeatedly
 * @throws SidecarError STORE_*, OBJECT_NOT_FOUND, OBJECT_CORRUPT, and what `take` or `elsewhere`
 * throws; the first error ends all
 */
export async function readBlocks(
	store: ObjectStore,
	blocks: Iterable<BlockRef>,
	starts: ReadonlyMap<ObjectKey, Buffer>,
	take: (block: BlockRef, raw: Buffer) => Promise<void>,
	signal?: AbortSignal,
	idle: Buffer[] = [],
	elsewhere?: Elsewhere,
): Promise<void> {
	const near: BlockRef[] = [];
	const far: BlockRef[] = [];
	for (const block of blocks) {
		const start = starts.get(block.key);
		(start !== undefined && block.offset + block.storedBytes <= start.length ? near : far).push(
			block,
		);
	}
	const stop = new AbortController();
	const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
	const storedIn = (bytes: Buffer, { offset, storedBytes }: BlockRef, start = 0) =>
		bytes.subarray(offset - start, offset - start + storedBytes);
	const open = async (block: BlockRef, stored: Buffer) => {
		const raw =
			block.rawBytes < LEAST_ASIDE_BYTES
				? openBlock(block, stored)
				: await openBlockWith(block, stored, decompress);
		await take(block, raw);
		if (raw !== stored) freeBlock(raw);
	};
	let opening = 0;
	let hasRoom = Promise.withResolvers<void>();
	const makeRoom = () => {
		hasRoom.resolve();
		hasRoom = Promise.withResolvers();
	};
	const openAll = async (blocks: Iterable<BlockRef>, storedOf: (block: BlockRef) => Buffer) => {
		const passed: Promise<unknown>[] = [];
		await elsewhere?.ready;
		for (const block of blocks) {
			either.throwIfAborted();
			const stored = storedOf(block);
			let taken = elsewhere?.take(block, stored);
			// Few at a time, so that this thread often looks whether the other one needs more.
			while (elsewhere !== undefined && taken === undefined && opening >= MOST_OPENING) {
				await hasRoom.promise;
				either.throwIfAborted();
				taken = elsewhere.take(block, stored);
			}
			if (taken !== undefined) {
				const done = taken.finally(makeRoom);
				// Its error must not wait for the blocks that this thread opens.
				done.catch((error) => stop.abort(error));
				passed.push(done);
				continue;
			}
			opening++;
			try {
				await open(block, stored);
			} finally {
				opening--;
				makeRoom();
			}
		}
		await Promise.all(passed);
	};
	const queue = new PQueue({ concurrency: PARALLEL_READS });
	const reads = planReads(far).map((read) =>
		queue.add(async () => {
			either.throwIfAborted();
			// Taken blocks are written, so the buffer is free for the next range.
			const buffer = idle.pop() ?? Buffer.from(new SharedArrayBuffer(RANGE_BUFFER_BYTES));
			const bytes = await readRange(store, read, buffer, either);
			await openAll(read.blocks, (block) => storedIn(bytes, block, read.offset));
			idle.push(buffer);
		}),
	);
	reads.push(openAll(near, (block) => storedIn(starts.get(block.key) as Buffer, block)));
	try {
		await Promise.all(reads);
	} catch (error) {
		const first = stop.signal.aborted ? stop.signal.reason : error;
		stop.abort();
		await Promise.allSettled(reads);
		throw first;
	}
}

export interface FoundChunk {
	readonly chunk: ChunkRef;
	readonly bytes: Buffer;
}

/**
 * Reads chunks and passes them on, checked against their SHA-256, with all others of their block.
 * @param take as for `readBlocks`; each chunk object comes once
 * @throws SidecarError as `readBlocks`
 */
export async function readChunks(
	store: ObjectStore,
	chunks: Iterable<ChunkRef>,
	starts: ReadonlyMap<ObjectKey, Buffer>,
	take: (found: readonly FoundChunk[]) => Promise<void>,
	signal?: AbortSignal,
	idle?: Buffer[],
	elsewhere?: Elsewhere<readonly [chunks: ReadonlySet<ChunkRef>]>,
): Promise<void> {
	// Refs of different commits to one block are different objects.
	const firsts = new Map<string, BlockRef>();
	const wanted = new Map<BlockRef, Set<ChunkRef>>();
	for (const chunk of chunks) {
		const { block } = chunk;
		let same = wanted.get(block);
		if (same === undefined) {
			const place = `${block.key}:${block.offset}`;
			const first = firsts.get(place) ?? block;
			firsts.set(place, first);
			same = wanted.get(first) ?? new Set();
			wanted.set(first, same).set(block, same);
		}
		same.add(chunk);
	}
	const open = async (block: BlockRef, raw: Buffer) => {
		const found = [...(wanted.get(block) ?? [])];
		await take(found.map((chunk) => ({ chunk, bytes: checkChunk(chunk, raw) })));
	};
	const others = elsewhere && {
		ready: elsewhere.ready,
		take: (block: BlockRef, stored: Buffer) =>
			elsewhere.take(block, stored, wanted.get(block) as Set<ChunkRef>),
	};
	await readBlocks(store, firsts.values(), starts, open, signal, idle, others);
}

async function readRange(
	store: ObjectStore,
	read: RangedRead,
	into: Buffer,
	signal: AbortSignal,
): Promise<Buffer> {
	const { body } = await store.get(read.key, {
		range: { offset: read.offset, length: read.length },
		into,
		signal,
	});
	if (body.length !== read.length) {
		throw new SidecarError("OBJECT_CORRUPT", {
			value: read.key,
			reason: `it ends at byte ${read.offset + body.length}, the log refers to byte ${read.offset + read.length}`,
		});
	}
	if (read.offset === 0 && sha256OfPackKey(read.key) !== undefined) checkPackHeader(read.key, body);
	return body;
}
