import { writeFileSync } from "node:fs";
import { SidecarError } from "../errors.ts";
import { type SqliteOptions, SqliteReader } from "./sqlite-reader.ts";

/**
 * Rows of each table. Counts no virtual tables, and no tables of SQLite itself.
 * @returns undefined if the bytes are not a database that SQLite can read, or not in time
 */
export async function countRows(
	database: Buffer,
	options: SqliteOptions = {},
): Promise<ReadonlyMap<string, number> | undefined> {
	const write = (path: string) => writeFileSync(path, database, { mode: 0o600 });
	try {
		using reader = await SqliteReader.open(write, options);
		const tables = await reader.tables(true);
		return new Map(tables.map(({ name, rows = 0 }) => [name, rows]));
	} catch (error) {
		options.signal?.throwIfAborted();
		if (error instanceof SidecarError && error.code === "PATH_NOT_FOUND") return undefined;
		throw error;
	}
}
