/**
 * Reads files that other processes write at the same time.
 *
 * A read is `stable` if nothing changed: fstat before and after are equal, the path still names
 * the inode that was read, and the number of bytes matches the size. In any other case the caller
 * tries again, or accepts a fixed length (`maxBytes`, with `lastLineEnd` for files that grow by
 * lines) if two passes over that length agree.
 *
 * Not guaranteed: detecting a rewrite of the same size within one clock tick of the read (up to 10
 * ms). Callers that remember a file as clean must ensure that its times are older than the read.
 */

import { fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Root } from "../path.ts";
import { closeGuarded, type OpenFile, openGuarded } from "./guarded-open.ts";
import { loadNextData, type NextData, tellsHoles, ZEROS } from "./holes.ts";
import { readFully } from "./read-fully.ts";
import { Slice } from "./slice.ts";
import { lstatPath, type Stat, sameStat, toStat } from "./stat.ts";

export type ReadResult =
	/** The delivered bytes are the file: `size` bytes, all of it or its first `maxBytes`. */
	| { readonly kind: "stable"; readonly stat: Stat; readonly size: number }
	/**
	 * It changed while it was read. `size` is 0 if `onChunk` ended the read, or if the file was
	 * replaced at each attempt to open it. `stat` is from before.
	 */
	| { readonly kind: "unstable"; readonly stat: Stat; readonly size: number }
	| { readonly kind: "gone" }
	/**
	 * No longer a regular file, a missing permission, an IO error, or a database that a snapshot has
	 * open at the moment.
	 */
	| { readonly kind: "unreadable"; readonly reason: string };

/**
 * Receives chunk `index`, which begins at byte `offset`; returns false to end the read. The bytes
 * are valid only during the call, or until the returned promise settles. All chunks except the last
 * are `chunkBytes` long.
 */
export type OnChunk = (
	index: number,
	bytes: Buffer,
	offset: number,
) => undefined | boolean | Promise<undefined | boolean>;

export interface ReadOptions {
	/** Read at most this many bytes from the start, whatever the size. */
	readonly maxBytes?: number;
	/** Wait for the disk on another thread: a slow file then does not block the event loop. */
	readonly isAside?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** One read call fills up to this many bytes, 1 MiB; chunks are slices of it. */
export const READ_BYTES = 1 << 20;
/**
 * Holes are searched from this size on; reading the zeros of a smaller file takes less than 20 ms.
 */
const SPARSE_BYTES = 64 << 20;

/**
 * Unused buffers. A fresh MiB costs 2-5 ms of page faults on a virtual machine, a reused one
 * nothing.
 */
const idleBuffers: Buffer[] = [];
const MAX_IDLE_BUFFERS = 2;

/**
 * Reads the regular file at `path` from the start, in chunks.
 *
 * @param chunkBytes a power of two up to 1 MiB
 * @throws what `onChunk` throws; the signal's reason
 */
export async function readStable(
	root: Root,
	path: string,
	chunkBytes: number,
	onChunk: OnChunk,
	options: ReadOptions = {},
): Promise<ReadResult> {
	if (READ_BYTES % chunkBytes !== 0)
		throw new RangeError(
			`chunkBytes must be a power of two up to ${READ_BYTES}, not ${chunkBytes}`,
		);
	const opened = openRegular(root, path);
	if (opened.kind !== "open") return opened;
	const { fd, stat } = opened;
	const buffer = idleBuffers.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES);
	try {
		const wanted = Math.min(stat.size, options.maxBytes ?? Number.POSITIVE_INFINITY);
		const nextData = wanted >= SPARSE_BYTES && tellsHoles(fd) ? await loadNextData() : undefined;
		const size = await deliver(fd, buffer, wanted, chunkBytes, onChunk, nextData, options);
		return size === STOPPED
			? { kind: "unstable", stat, size: 0 }
			: judge(root, path, fd, stat, size, wanted);
	} catch (error) {
		if (error instanceof ReadFailure) return { kind: "unreadable", reason: error.message };
		throw error;
	} finally {
		closeGuarded(fd);
		if (idleBuffers.length < MAX_IDLE_BUFFERS) idleBuffers.push(buffer);
	}
}

/**
 * The offset after the last line feed among the first `upTo` bytes, so that everything before it is
 * complete lines. 0 if there is no line feed or the file cannot be read.
 */
export function lastLineEnd(root: Root, path: string, upTo: number): number {
	const opened = openRegular(root, path);
	if (opened.kind !== "open") return 0;
	const block = Buffer.allocUnsafe(64 << 10);
	try {
		let end = Math.min(upTo, opened.stat.size);
		while (end > 0) {
			const start = Math.max(0, end - block.length);
			const length = reading(() => readFully(opened.fd, block.subarray(0, end - start), start));
			const feed = block.subarray(0, length).lastIndexOf(0x0a);
			if (feed >= 0) return start + feed + 1;
			end = start;
		}
		return 0;
	} catch {
		return 0;
	} finally {
		closeGuarded(opened.fd);
	}
}

/** `onChunk` ended the read. */
const STOPPED = -1;

async function deliver(
	fd: number,
	buffer: Buffer,
	wanted: number,
	chunkBytes: number,
	onChunk: OnChunk,
	nextData: NextData | undefined,
	{ signal, isAside = false }: ReadOptions,
): Promise<number> {
	let size = 0;
	let dataAt = 0;
	const slice = new Slice();
	signal?.throwIfAborted();
	while (size < wanted) {
		if (nextData !== undefined && dataAt <= size) dataAt = nextData(fd, size);
		const most = Math.min(buffer.length, wanted - size);
		const isHole = dataAt >= size + most;
		const length = isHole
			? most
			: isAside
				? await fillAside(fd, buffer, most, size)
				: reading(() => readFully(fd, buffer.subarray(0, most), size));
		const bytes = isHole ? ZEROS : buffer;
		for (let at = 0; at < length; at += chunkBytes) {
			const offset = size + at;
			const answer = onChunk(
				offset / chunkBytes,
				bytes.subarray(at, Math.min(at + chunkBytes, length)),
				offset,
			);
			// Await only a real promise: a small file is then read without a turn of the event loop.
			if ((typeof answer === "object" ? await answer : answer) === false) return STOPPED;
		}
		size += length;
		// Shorter than fstat said: it was truncated meanwhile.
		if (length < buffer.length) return size;
		if (slice.isOver) await slice.next(signal);
	}
	return size;
}

function judge(
	root: Root,
	path: string,
	fd: number,
	before: Stat,
	size: number,
	wanted: number,
): ReadResult {
	const [after, named] = reading(
		() => [toStat(fstatSync(fd, { bigint: true })), lstatPath(root, path)] as const,
	);
	if (named === undefined) return { kind: "gone" };
	const isStable =
		size === wanted &&
		sameStat(before, after) &&
		named.ino === before.ino &&
		named.dev === before.dev;
	return { kind: isStable ? "stable" : "unstable", stat: before, size };
}

const readAside = promisify(read);

/** The same on another thread. */
async function fillAside(
	fd: number,
	buffer: Buffer,
	length: number,
	position: number,
): Promise<number> {
	let filled = 0;
	while (filled < length) {
		const { bytesRead } = await readAside(
			fd,
			buffer,
			filled,
			length - filled,
			position + filled,
		).catch((error: unknown) => {
			throw failureOf(error);
		});
		if (bytesRead === 0) break;
		filled += bytesRead;
	}
	return filled;
}

type Refused = Exclude<ReadResult, { kind: "stable" }>;

function openRegular(root: Root, path: string): OpenFile | Refused {
	const opened = openGuarded(root, path);
	switch (opened.kind) {
		case "open":
		case "gone":
			return opened;
		case "outside":
			// The workspace has nothing under this name: the kernel found a file elsewhere.
			return { kind: "gone" };
		case "replaced":
			return { kind: "unstable", stat: opened.stat, size: 0 };
		case "held":
			return { kind: "unreadable", reason: "a snapshot of this database is being taken" };
		default:
			return { kind: "unreadable", reason: opened.reason };
	}
}

/** Distinguishes errors of reading from errors of `onChunk`. */
class ReadFailure extends Error {}

function reading<T>(step: () => T): T {
	try {
		return step();
	} catch (error) {
		throw failureOf(error);
	}
}

function failureOf(cause: unknown): ReadFailure {
	return new ReadFailure(cause instanceof Error ? cause.message : String(cause), { cause });
}
