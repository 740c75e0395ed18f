/**
 * The room that a tree still has within the format's limits. Files that do not fit are named and
 * left out before they are read or sent, and the rest is committed.
 */
import { FILE_CHUNK_BITS, MAX_CHUNKS, MAX_ENTRIES } from "../log/limits.ts";
import type { Path } from "../log/types.ts";
import { parentOf } from "../path.ts";

/**
 * What is left out, and the path that is reported: thousands of files of one directory are one
 * line.
 */
export interface LeftOut {
	readonly path: Path;
	readonly reason: string;
}

export class Room {
	readonly #entries: number;
	#chunks: number;
	readonly #admitted = new Set<Path>();
	readonly #reserved = new Map<Path, number>();

	/** @param used counts of the newest tree */
	constructor(
		used: { readonly entries: number; readonly chunks: number },
		limits = { entries: MAX_ENTRIES, chunks: MAX_CHUNKS },
	) {
		this.#entries = limits.entries - used.entries;
		this.#chunks = limits.chunks - used.chunks;
	}

	/** Admits a path that the tree does not have. Undefined: there is room. */
	admit(path: Path): LeftOut | undefined {
		if (this.#admitted.has(path)) return undefined;
		if (this.#admitted.size >= this.#entries)
			return {
				path: parentOf(path),
				reason: `too many files: a workspace may have ${MAX_ENTRIES} files and directories, and new ones here are left out`,
			};
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
		if (wanted > this.#chunks + before)
			return {
				path,
				reason: `too large: it has ${size} bytes, and all files of a workspace together may have ${MAX_CHUNKS} chunks of ${2 ** chunkBits} bytes`,
			};
		this.#chunks += before - wanted;
		this.#reserved.set(path, wanted);
		return undefined;
	}
}
