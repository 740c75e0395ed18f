import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { openBlock } from "../log/block.ts";
import { sha256OfPackKey } from "../log/keys.ts";
import { checkPackHeader } from "../log/pack-codec.ts";
import { planReads, type RangedRead } from "../log/plan.ts";
import type { BlockRef, ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";

/** Ranged GETs of up to 4 MiB at once: at S3's 63 ms to the first byte and 85 MB/s a connection they carry 220 MB/s in 24 MiB of memory. */
const PARALLEL_READS = 6;

/**
 * Reads blocks with few ranged GETs and hands each one over, opened and checked. Blocks that lie in `starts` cost no request.
 * @param take is called for one block at a time; a range's bytes are let go when its blocks are taken
 * @throws SidecarError STORE_*, OBJECT_NOT_FOUND, OBJECT_CORRUPT, and what `take` throws; the first one ends all
 */
export async function readBlocks(
	store: ObjectStore,
	blocks: Iterable<BlockRef>,
	starts: ReadonlyMap<ObjectKey, Buffer>,
	take: (block: BlockRef, raw: Buffer) => Promise<void>,
	signal?: AbortSignal,
): Promise<void> {
	const far: BlockRef[] = [];
	for (const block of blocks) {
		const start = starts.get(block.key);
		if (start !== undefined && block.offset + block.storedBytes <= start.length)
			await take(block, openBlock(block, slice(start, block, 0)));
		else far.push(block);
	}
	const stop = new AbortController();
	const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
	const queue = new PQueue({ concurrency: PARALLEL_READS });
	const reads = planReads(far).map((read) =>
		queue.add(async () => {
			either.throwIfAborted();
			const bytes = await readRange(store, read, either);
			for (const block of read.blocks) {
				either.throwIfAborted();
				await take(block, openBlock(block, slice(bytes, block, read.offset)));
			}
		}),
	);
	try {
		await Promise.all(reads);
	} catch (error) {
		stop.abort();
		await Promise.allSettled(reads);
		throw error;
	}
}

async function readRange(store: ObjectStore, read: RangedRead, signal: AbortSignal): Promise<Buffer> {
	const { body } = await store.get(read.key, { range: { offset: read.offset, length: read.length }, signal });
	if (body.length !== read.length) {
		throw new SidecarError("OBJECT_CORRUPT", {
			value: read.key,
			reason: `it ends at byte ${read.offset + body.length}, the log refers to byte ${read.offset + read.length}`,
		});
	}
	if (read.offset === 0 && sha256OfPackKey(read.key) !== undefined) checkPackHeader(read.key, body);
	return body;
}

function slice(bytes: Buffer, block: BlockRef, offset: number): Buffer {
	return bytes.subarray(block.offset - offset, block.offset - offset + block.storedBytes);
}
