/**
 * Reads the header of a write-ahead log's index ("-shm").
 * https://sqlite.org/walformat.html#the_wal_index_file_format
 *
 * Why its `change` proves that nothing was missed: SQLite adds 1 with each commit, keeps the count
 * when the log starts over, and begins at 0 again whenever it rebuilds the index: after a crash, and
 * for the first connection.
 */
import { readFully } from "./read-fully.ts";
import { bytesOfLog, type WalPosition } from "./wal.ts";

export interface WalIndex {
	/** Commits since the index was built. */
	readonly change: number;
	/** Of the current round of the log. Each round has the first salt of the one before, plus 1. */
	readonly salts: Buffer;
	/** Frames of this round that a checkpoint has copied into the database. */
	readonly backfilled: number;
}

/** The header is there twice; SQLite writes the second one first. */
const HEADER_BYTES = 48;
const BACKFILLED_AT = 2 * HEADER_BYTES;

/**
 * @param fd SQLite's own. Closing another descriptor of the index would drop the locks of this
 * process.
 * @returns undefined if the newest commit is not exactly at `position`, or if that is unknown
 */
export function readWalIndex(fd: number, position: WalPosition): WalIndex | undefined {
	const bytes = Buffer.alloc(BACKFILLED_AT + 4);
	if (readFully(fd, bytes, 0) < bytes.length) return undefined;
	const header = bytes.subarray(0, HEADER_BYTES);
	if (!header.equals(bytes.subarray(HEADER_BYTES, BACKFILLED_AT))) return undefined;
	const isInitialized = header[12] === 1;
	const frames = header.readUInt32LE(16);
	const salts = header.subarray(32, 40);
	if (!isInitialized || frames !== position.frames) return undefined;
	if (frames > 0) {
		const { logSalts, lastChecksum } = bytesOfLog(position);
		const isSameFrame =
			header.readUInt32LE(24) === lastChecksum.readUInt32BE(0) &&
			header.readUInt32LE(28) === lastChecksum.readUInt32BE(4);
		if (!isSameFrame || !salts.equals(logSalts)) return undefined;
	}
	return {
		change: header.readUInt32LE(8),
		salts: Buffer.from(salts),
		backfilled: bytes.readUInt32LE(BACKFILLED_AT),
	};
}

/** Is `next` the round that follows directly on `salts`? */
export function isNextRound(salts: Buffer, next: Buffer): boolean {
	return next.readUInt32BE(0) === (salts.readUInt32BE(0) + 1) % 2 ** 32;
}
