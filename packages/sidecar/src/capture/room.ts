/**
 * The room that a tree still has within the format's limits. Files that do not fit are named and
 * left out before they are read or sent, and the rest is committed.
 */
import { FILE_CHUNK_BITS, MAX_CHUNKS, MAX_ENTRIES, MAX_MANIFEST_BYTES } from "../log/limits.ts";
import { maxChunkBytes, maxPathBytes } from "../log/manifest-size.ts";
import type { Chunk, Entry, Path } from "../log/types.ts";
import { parentOf } from "../path.ts";

/**
 * What is left out, and the path that is reported: thousands of files of one directory are one
 * line.
 */
export interface LeftOut {
	readonly path: Path;
	readonly reason: string;
}

/** What a tree may have, or has: see `log/limits.ts`. */
export interface TreeSize {
	readonly entries: number;
	readonly chunks: number;
	/** At most, see `manifest-size.ts`. */
	readonly manifestBytes: number;
}

export const MAX_TREE: TreeSize = {
	entries: MAX_ENTRIES,
	chunks: MAX_CHUNKS,
	manifestBytes: MAX_MANIFEST_BYTES,
};

export class Room {
	readonly #limits: TreeSize;
	#entries: number;
	#chunks: number;
	#manifestBytes: number;
	readonly #admitted = new Set<Path>();
	readonly #reserved = new Map<Path, number>();

	/** @param used by the newest tree */
	constructor(used: TreeSize, limits: TreeSize = MAX_TREE) {
		this.#limits = limits;
		this.#entries = limits.entries - used.entries;
		this.#chunks = limits.chunks - used.chunks;
		this.#manifestBytes = limits.manifestBytes - used.manifestBytes;
	}

	/**
	 * Admits a path that the tree does not have. Undefined: there is room.
	 * @param targetBytes of a link
	 */
	admit(path: Path, targetBytes = 0): LeftOut | undefined {
		if (this.#admitted.has(path)) return undefined;
		const left = (reason: string) => ({ path: parentOf(path), reason });
		if (this.#entries < 1)
			return left(
				`too many files: a workspace may have ${this.#limits.entries} files and directories, and new ones here are left out`,
			);
		const bytes = maxPathBytes(path) + targetBytes;
		if (bytes > this.#manifestBytes)
			return left(
				`too many files: the names and places of all files may need ${this.#limits.manifestBytes} bytes, and new ones here are left out`,
			);
		this.#entries--;
		this.#manifestBytes -= bytes;
		this.#admitted.add(path);
		return undefined;
	}

	/**
	 * Reserves room for a file of this many bytes.
	 * @param known chunks that the tree has of it
	 */
	reserve(
		path: Path,
		size: number,
		known: number,
		chunkBits: number = FILE_CHUNK_BITS,
	): LeftOut | undefined {
		const before = this.#reserved.get(path) ?? 0;
		const wanted = Math.max(0, Math.ceil(size / 2 ** chunkBits) - known);
		const bytesOf = maxChunkBytes(chunkBits);
		if (wanted > this.#chunks + before)
			return {
				path,
				reason: `too large: it has ${size} bytes, and all files of a workspace together may have ${this.#limits.chunks} chunks of ${2 ** chunkBits} bytes`,
			};
		if (wanted > before && (wanted - before) * bytesOf > this.#manifestBytes)
			return {
				path,
				reason: `too large: it has ${size} bytes, and the names and places of all files may need ${this.#limits.manifestBytes} bytes`,
			};
		this.#chunks += before - wanted;
		this.#manifestBytes += (before - wanted) * bytesOf;
		this.#reserved.set(path, wanted);
		return undefined;
	}

	/** For entries below `.recovered/`: the paths that the tree lacks, and the content. */
	readonly holds = (missing: readonly Path[], entry: Entry<Chunk>): boolean => {
		const [path = ""] = missing;
		const content =
			entry.type === "file" ? this.reserve(path, entry.size, 0, entry.chunkBits) : undefined;
		const targetBytes = entry.type === "link" ? Buffer.byteLength(entry.target) : 0;
		return (
			content === undefined && missing.every((at) => this.admit(at, targetBytes) === undefined)
		);
	};
}
