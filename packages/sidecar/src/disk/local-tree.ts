import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Chunk, Entry, Path } from "../log/types.ts";
import { parentOf } from "../path.ts";
import type { SeenPages } from "../workspace/sqlite-pages.ts";
import type { Stat } from "../workspace/stat.ts";

/**
 * The last known state of one path on THIS disk, from a capture or a restore. The only basis for
 * what is dirty or deleted.
 */
export interface LocalEntry {
	readonly entry: Entry<Chunk>;
	/** The stat under which the content was read; undefined = not clean, whatever the disk shows. */
	readonly stat: Stat | undefined;
	/** xxh64 of each chunk: a chunk with the same xxh64 needs no SHA-256. */
	readonly quick: BigUint64Array | undefined;
	/** For a database: its state and that of its WAL at the snapshot, as one comparable string. */
	readonly database: string | undefined;
	/** For a database that was read in place: the basis of the next read. */
	readonly pages?: SeenPages | undefined;
	/** For a database: what its content says about the agent, by name. */
	readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export function isDatabase({ entry }: LocalEntry): boolean {
	return entry.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS;
}

/** The local state of one workspace, with an index of each directory's children. */
export class LocalTree {
	readonly #entries = new Map<Path, LocalEntry>();
	readonly #children = new Map<Path, Set<Path>>();

	get size(): number {
		return this.#entries.size;
	}

	get(path: Path): LocalEntry | undefined {
		return this.#entries.get(path);
	}

	set(path: Path, local: LocalEntry): void {
		this.#entries.set(path, local);
		if (path === "") return;
		const parent = parentOf(path);
		const siblings = this.#children.get(parent);
		if (siblings === undefined) this.#children.set(parent, new Set([path]));
		else siblings.add(path);
	}

	delete(path: Path): void {
		if (!this.#entries.delete(path) || path === "") return;
		const siblings = this.#children.get(parentOf(path));
		siblings?.delete(path);
		if (siblings?.size === 0) this.#children.delete(parentOf(path));
	}

	entries(): IterableIterator<[Path, LocalEntry]> {
		return this.#entries.entries();
	}

	paths(): IterableIterator<Path> {
		return this.#entries.keys();
	}

	children(path: Path): Iterable<Path> {
		return this.#children.get(path) ?? [];
	}

	/** Whether the path is a file, a link, or a directory that is not empty. */
	holds(path: Path): boolean {
		return this.#children.has(path) || (this.#entries.get(path)?.entry.type ?? "dir") !== "dir";
	}

	/** The path itself, if it exists, and everything below it. */
	*subtree(path: Path): Generator<Path> {
		if (this.#entries.has(path)) yield path;
		for (const child of this.children(path)) yield* this.subtree(child);
	}
}
