/**
 * How many bytes a FULL manifest may need for an entry, without encoding it: a writer learns before
 * it reads a file whether the tree would still fit in a manifest.
 */
import { SQLITE_CHUNK_BITS } from "./limits.ts";
import type { Entry, Path } from "./types.ts";

/** Two lengths of the path, kind, mode, time, size and chunk size; a link has a length instead. */
const ENTRY_BYTES = 27;
/** A number in the entry, a row in the table of chunks, and a block and a pack of its own. */
const FILE_CHUNK_BYTES = 99;
/** Blocks hold up to 64 of these. With at least four in each, 60 bytes suffice. */
const SQLITE_CHUNK_BYTES = 60;

export function maxEntryBytes(path: Path, entry: Entry): number {
	const own = maxPathBytes(path);
	if (entry.type === "dir") return own;
	return entry.type === "link"
		? own + Buffer.byteLength(entry.target)
		: own + entry.chunks.length * maxChunkBytes(entry.chunkBits);
}

/**
 * Without chunks or a link's target. A path shares at least its parent with the path before it:
 * only paths below the parent come between the two.
 */
export function maxPathBytes(path: Path): number {
	return ENTRY_BYTES + Buffer.byteLength(path.slice(Math.max(0, path.lastIndexOf("/"))));
}

export function maxChunkBytes(chunkBits: number): number {
	return chunkBits === SQLITE_CHUNK_BITS ? SQLITE_CHUNK_BYTES : FILE_CHUNK_BYTES;
}
