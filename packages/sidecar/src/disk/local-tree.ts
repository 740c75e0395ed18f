import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Chunk, Entry, Path } from "../log/types.ts";
import { parentOf } from "../path.ts";
import type { SeenPages } from "../workspace/sqlite-pages.ts";
import type { Stat } from "../workspace/stat.ts";
import { StatTable } from "./stat-table.ts";

/**
 * The last known state of one path on THIS disk, from a capture or a restore. The only basis for
 * what is dirty or deleted.
 */
export interface LocalEntry {
	readonly entry: Entry<Chunk>;
	/** The stat under which the content was read; undefined = not clean, whatever the disk shows. */
	readonly stat: Stat | undefined;
	/**
	 * xxh64 of each chunk: a chunk with the same xxh64 needs no SHA-256. Undefined for a file of one
	 * chunk, where it would save nothing: any change of the file changes that chunk.
	 */
	readonly quick: BigUint64Array | undefined;
	/** For a database: its state and that of its WAL at the snapshot, as one comparable string. */
	readonly database: string | undefined;
	/** For a database that was read in place: the basis of the next read. */
	readonly pages?: SeenPages | undefined;
	/** For a database: what its content says about the agent, by name. */
	readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export function isDatabase({ entry }: Pick<LocalEntry, "entry">): boolean {
	return entry.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS;
}

/**
 * The local state of one workspace, with an index of each directory's children. Stats are kept in
 * columns: as objects they would need 220 bytes an entry, four times as much.
 */
export class LocalTree {
	/** The row of each path in `#entries` and `#stats`. */
	readonly #rows = new Map<Path, number>();
	readonly #entries: (Entry<Chunk> | undefined)[] = [];
	readonly #stats = new StatTable();
	/** By row: what few entries have. */
	readonly #rest = new Map<number, Omit<LocalEntry, "entry" | "stat">>();
	readonly #freeRows: number[] = [];
	readonly #children = new Map<Path, Set<Path>>();

	get size(): number {
		return this.#rows.size;
	}

	get(path: Path): LocalEntry | undefined {
		const row = this.#rows.get(path);
		return row === undefined ? undefined : this.#at(row);
	}

	/** The same as `get(path)?.entry`, at less cost. */
	entry(path: Path): Entry<Chunk> | undefined {
		const row = this.#rows.get(path);
		return row === undefined ? undefined : this.#entries[row];
	}

	/** Whether the content was read under this very stat. */
	isClean(path: Path, stat: Stat): boolean {
		const row = this.#rows.get(path);
		return row !== undefined && this.#stats.isSame(row, stat);
	}

	set(path: Path, { entry, stat, ...rest }: LocalEntry): void {
		const known = this.#rows.get(path);
		const row = known ?? this.#freeRows.pop() ?? this.#entries.length;
		this.#entries[row] = entry;
		this.#stats.set(row, stat);
		if (rest.quick === undefined && rest.database === undefined) this.#rest.delete(row);
		else this.#rest.set(row, rest);
		if (known !== undefined) return;
		this.#rows.set(path, row);
		if (path === "") return;
		const parent = parentOf(path);
		const siblings = this.#children.get(parent);
		if (siblings === undefined) this.#children.set(parent, new Set([path]));
		else siblings.add(path);
	}

	delete(path: Path): void {
		const row = this.#rows.get(path);
		if (row === undefined) return;
		this.#rows.delete(path);
		this.#entries[row] = undefined;
		this.#stats.set(row, undefined);
		this.#rest.delete(row);
		this.#freeRows.push(row);
		if (path === "") return;
		const siblings = this.#children.get(parentOf(path));
		siblings?.delete(path);
		if (siblings?.size === 0) this.#children.delete(parentOf(path));
	}

	*entries(): Generator<[Path, LocalEntry]> {
		for (const [path, row] of this.#rows) yield [path, this.#at(row)];
	}

	paths(): IterableIterator<Path> {
		return this.#rows.keys();
	}

	children(path: Path): ReadonlySet<Path> {
		return this.#children.get(path) ?? NONE;
	}

	/** Whether the path is a file, a link, or a directory that is not empty. */
	holds(path: Path): boolean {
		return this.#children.has(path) || (this.entry(path)?.type ?? "dir") !== "dir";
	}

	/** The path itself, if it exists, and everything below it. */
	*subtree(path: Path): Generator<Path> {
		if (this.#rows.has(path)) yield path;
		for (const child of this.children(path)) yield* this.subtree(child);
	}

	#at(row: number): LocalEntry {
		const entry = this.#entries[row] as Entry<Chunk>;
		const stat = this.#stats.get(row);
		return { entry, stat, ...(this.#rest.get(row) ?? PLAIN) };
	}
}

const NONE: ReadonlySet<Path> = new Set();
const PLAIN = { quick: undefined, database: undefined };
