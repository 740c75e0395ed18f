/**
 * Reads a write-ahead log as SQLite's recovery does: frame after frame, while salts and the chained
 * checksum match, up to the last commit. https://sqlite.org/fileformat2.html#walformat
 *
 * Guaranteed: `committed` describes a state between two transactions, and contains every
 * transaction that had ended when the read began. Not guaranteed: that it stays valid; the log
 * starts over once all of it is in the database. To read frames later, hold a read transaction and
 * check `isSame` afterwards.
 */

import { readFully } from "./read-fully.ts";
import { Slice } from "./slice.ts";
import { WAL_HEADER_BYTES } from "./sqlite-file.ts";

const FRAME_HEADER_BYTES = 24;
/**
 * Checksums over little-endian words, as x86 and arm64 write them. A log of the other kind is not
 * read here.
 */
const MAGIC = 0x377f0682;
const READ_BYTES = 1 << 20;

/** A position in a write-ahead log: directly after a commit. */
export interface WalPosition {
	/** The log's own header: its salts change each time it starts over. */
	readonly header: Buffer;
	/** Number of frames before this position; 0 = none. */
	readonly frames: number;
	/** Number of commits among them. */
	readonly commits: number;
	/** The header of the newest of them. */
	readonly lastFrame: Buffer;
	/** Of the database, in pages, as of that commit; 0 if there is none. */
	readonly pageCount: number;
	/** For each page, the newest frame that contains it, counted from 0. */
	readonly pages: ReadonlyMap<number, number>;
}

/** The position for a database without a log. */
export const NO_WAL: WalPosition = {
	header: Buffer.alloc(0),
	frames: 0,
	commits: 0,
	lastFrame: Buffer.alloc(0),
	pageCount: 0,
	pages: new Map(),
};

/**
 * @param fd open for reading
 * @param from an earlier position in the same log: frames before it are not read again, if it is
 * still valid
 * @returns undefined if the log cannot be interpreted, or belongs to a database of another page
 * size
 */
export async function readWal(
	fd: number,
	pageSize: number,
	from?: WalPosition,
): Promise<WalPosition | undefined> {
	const header = readAt(fd, WAL_HEADER_BYTES, 0);
	const start: WalPosition = { ...NO_WAL, header };
	if (header.length < WAL_HEADER_BYTES) return start;
	const sum = new Checksum();
	sum.add(header.subarray(0, 24));
	const isUnderstood =
		header.readUInt32BE(0) === MAGIC && header.readUInt32BE(8) === pageSize && sum.isAt(header, 24);
	if (!isUnderstood) return undefined;
	if (from === undefined || from.frames === 0 || !isSame(fd, from, pageSize))
		return await readFrames(fd, pageSize, start, sum);
	sum.resume(from.lastFrame);
	return await readFrames(fd, pageSize, from, sum);
}

/**
 * Reads on from a position in a log that has started over since. Its frames stay in the file until
 * new ones overwrite them.
 */
export async function readOn(
	fd: number,
	pageSize: number,
	from: WalPosition,
): Promise<WalPosition> {
	const sum = new Checksum();
	if (from.frames > 0) sum.resume(from.lastFrame);
	else if (from.header.length === WAL_HEADER_BYTES) sum.add(from.header.subarray(0, 24));
	else return from;
	return await readFrames(fd, pageSize, from, sum);
}

/** The parts of a log's header and last frame that its index repeats. */
export function bytesOfLog({ header, lastFrame }: WalPosition): {
	readonly logSalts: Buffer;
	readonly lastChecksum: Buffer;
} {
	return { logSalts: header.subarray(16, 24), lastChecksum: lastFrame.subarray(16, 24) };
}

/**
 * Is the frame before this position still the same, in a log that did not start over? Without such
 * a frame nothing can change.
 */
export function isSame(
	fd: number,
	{ header, frames, lastFrame }: WalPosition,
	pageSize: number,
): boolean {
	if (frames === 0) return true;
	const now = readAt(fd, WAL_HEADER_BYTES, 0);
	return (
		now.equals(header) &&
		readAt(fd, FRAME_HEADER_BYTES, frameOffset(frames - 1, pageSize)).equals(lastFrame)
	);
}

/** Offset in the log at which a frame's page begins. */
export function pageOffset(frame: number, pageSize: number): number {
	return frameOffset(frame, pageSize) + FRAME_HEADER_BYTES;
}

function frameOffset(frame: number, pageSize: number): number {
	return WAL_HEADER_BYTES + frame * (FRAME_HEADER_BYTES + pageSize);
}

async function readFrames(
	fd: number,
	pageSize: number,
	from: WalPosition,
	sum: Checksum,
): Promise<WalPosition> {
	const { header } = from;
	const frameBytes = FRAME_HEADER_BYTES + pageSize;
	const perRead = Math.max(1, Math.floor(READ_BYTES / frameBytes));
	const buffer = Buffer.allocUnsafeSlow(perRead * frameBytes);
	const pages = new Map(from.pages);
	const open = new Map<number, number>();
	let { frames, commits, lastFrame, pageCount } = from;
	const slice = new Slice();
	for (let at = frames; ; ) {
		const count = Math.floor(readFully(fd, buffer, frameOffset(at, pageSize)) / frameBytes);
		for (let i = 0; i < count; i++, at++) {
			const frame = buffer.subarray(i * frameBytes, (i + 1) * frameBytes);
			const page = frame.readUInt32BE(0);
			if (page === 0 || frame.compare(header, 16, 24, 8, 16) !== 0)
				return { header, frames, commits, lastFrame, pageCount, pages };
			sum.add(frame.subarray(0, 8));
			sum.add(frame.subarray(FRAME_HEADER_BYTES));
			if (!sum.isAt(frame, 16)) return { header, frames, commits, lastFrame, pageCount, pages };
			open.set(page, at);
			const committed = frame.readUInt32BE(4);
			if (committed === 0) continue;
			for (const [each, newest] of open) pages.set(each, newest);
			open.clear();
			frames = at + 1;
			commits++;
			pageCount = committed;
			lastFrame = Buffer.from(frame.subarray(0, FRAME_HEADER_BYTES));
		}
		if (count < perRead) return { header, frames, commits, lastFrame, pageCount, pages };
		if (slice.isOver) await slice.next();
	}
}

/** SQLite's own: two sums over pairs of 32-bit words, each fed with the other. */
class Checksum {
	#first = 0;
	#second = 0;

	/** @param bytes a multiple of 8, at an address that is a multiple of 4 */
	add(bytes: Buffer): void {
		const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
		let first = this.#first;
		let second = this.#second;
		for (let i = 0; i < words.length; i += 2) {
			first = (first + (words[i] as number) + second) | 0;
			second = (second + (words[i + 1] as number) + first) | 0;
		}
		this.#first = first;
		this.#second = second;
	}

	isAt(bytes: Buffer, offset: number): boolean {
		return (
			bytes.readInt32BE(offset) === this.#first && bytes.readInt32BE(offset + 4) === this.#second
		);
	}

	/** Restores the state after the frame with this header. */
	resume(frameHeader: Buffer): void {
		this.#first = frameHeader.readInt32BE(16);
		this.#second = frameHeader.readInt32BE(20);
	}
}

function readAt(fd: number, length: number, position: number): Buffer {
	const bytes = Buffer.allocUnsafeSlow(length);
	return bytes.subarray(0, readFully(fd, bytes, position));
}
