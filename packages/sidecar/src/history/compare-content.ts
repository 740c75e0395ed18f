import type { PathDifference } from "../log/diff-trees.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Entry, FileEntry, ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { diffText, isText, type TextDifference } from "./diff-text.ts";
import { contentOf } from "./inspect.ts";

/** Larger files are not compared line by line: that takes too much memory. */
export const TEXT_DIFF_LIMIT_BYTES = 4 * 1024 * 1024;
/** Larger databases are not opened: each is read whole. */
export const DATABASE_DIFF_LIMIT_BYTES = 64 * 1024 * 1024;

/** How the content of a path differs. */
export type ContentDifference =
	| ({ readonly type: "text" } & TextDifference)
	/** At least one side is not text. */
	| { readonly type: "binary" }
	/** At least one side is larger than `limitBytes`. */
	| { readonly type: "large"; readonly limitBytes: number }
	/** SQLite databases whose rows could be counted. */
	| { readonly type: "database"; readonly tables: readonly TableDifference[] };

/** A table whose number of rows differs. Rows that were only changed do not show. */
export interface TableDifference {
	readonly table: string;
	/** Undefined if there is no such table. */
	readonly rowsBefore: number | undefined;
	readonly rowsAfter: number | undefined;
}

/** What of a commit is needed to read its files. */
export type Starts = ReadonlyMap<ObjectKey, Buffer>;

export interface ContentReader {
	readonly store: ObjectStore;
	/** By commit; see `LogRead`. */
	readonly startsBefore: Starts;
	readonly startsAfter: Starts;
	/** Counts rows; undefined if they cannot be counted. */
	readonly countRows: (
		database: Buffer,
		limits: { readonly signal?: AbortSignal | undefined },
	) => Promise<ReadonlyMap<string, number> | undefined>;
	/** Called with each side of a text, whole, before both are compared. */
	readonly onText?: (bytes: Buffer) => void;
	readonly signal: AbortSignal | undefined;
}

/**
 * Compares the bytes of a path that differs. Undefined if no file's bytes differ: a directory, a
 * link, or only a mode or a time.
 * @throws SidecarError STORE_*, OBJECT_CORRUPT, OBJECT_NOT_FOUND
 */
export async function compareContent(
	reader: ContentReader,
	difference: PathDifference,
): Promise<ContentDifference | undefined> {
	const old = difference.kind === "added" ? undefined : fileOf(difference.before);
	const now = difference.kind === "removed" ? undefined : fileOf(difference.after);
	if (old === undefined && now === undefined) return undefined;
	if (difference.kind === "changed" && !hasOtherContent(difference.aspects)) return undefined;
	const largest = Math.max(old?.size ?? 0, now?.size ?? 0);
	const isDatabase = [old, now].every((file) => file === undefined || isStoredAsDatabase(file));
	const limitBytes = isDatabase ? DATABASE_DIFF_LIMIT_BYTES : TEXT_DIFF_LIMIT_BYTES;
	if (largest > limitBytes) return { type: "large", limitBytes };
	const { store, startsBefore, startsAfter, countRows, signal } = reader;
	const read = async (file: FileEntry, starts: Starts) =>
		await wholeFile(store, starts, file, signal);
	if (isDatabase) {
		// One after the other: both together may not fit into memory.
		const count = async (file: FileEntry | undefined, starts: Starts) =>
			file === undefined ? NO_ROWS : await countRows(await read(file, starts), { signal });
		const rowsBefore = await count(old, startsBefore);
		const rowsAfter = await count(now, startsAfter);
		if (rowsBefore === undefined || rowsAfter === undefined) return { type: "binary" };
		return { type: "database", tables: tablesThatDiffer(rowsBefore, rowsAfter) };
	}
	const before = old && (await read(old, startsBefore));
	const after = now && (await read(now, startsAfter));
	if (![before, after].every((bytes) => bytes === undefined || isText(bytes)))
		return { type: "binary" };
	for (const bytes of [before, after]) if (bytes !== undefined) reader.onText?.(bytes);
	return { type: "text", ...diffText(difference.path, before?.toString(), after?.toString()) };
}

function hasOtherContent(aspects: readonly string[]): boolean {
	return aspects.includes("content") || aspects.includes("type");
}

function fileOf(entry: Entry): FileEntry | undefined {
	return entry.type === "file" ? entry : undefined;
}

/** A writer gives databases, and nothing else, chunks of this size. */
function isStoredAsDatabase({ chunkBits, size }: FileEntry): boolean {
	return size > 0 && chunkBits === SQLITE_CHUNK_BITS;
}

async function wholeFile(
	store: ObjectStore,
	starts: Starts,
	file: FileEntry,
	signal: AbortSignal | undefined,
): Promise<Buffer> {
	// One window, so one part.
	for await (const bytes of contentOf(store, { starts }, file, file.size, signal)) return bytes;
	return Buffer.alloc(0);
}

const NO_ROWS: ReadonlyMap<string, number> = new Map();

/** Ordered by name. */
function tablesThatDiffer(
	before: ReadonlyMap<string, number>,
	after: ReadonlyMap<string, number>,
): TableDifference[] {
	return [...new Set([...before.keys(), ...after.keys()])]
		.sort()
		.map((table) => ({ table, rowsBefore: before.get(table), rowsAfter: after.get(table) }))
		.filter(({ rowsBefore, rowsAfter }) => rowsBefore !== rowsAfter);
}
