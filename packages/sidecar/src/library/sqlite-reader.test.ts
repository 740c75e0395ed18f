import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bottomlessDatabase } from "../../../testkit/workspace/bottomless-database.ts";
import { countRows } from "./count-rows.ts";
import { SqliteReader } from "./sqlite-reader.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "sidecar-sqlite-"));
});
afterAll(() => {
	rmSync(directory, { recursive: true, force: true });
});

const copyOf = (bytes: Uint8Array) => (path: string) => writeFileSync(path, bytes);

function databaseWith(sql: string): Buffer {
	using database = new DatabaseSync(":memory:");
	database.enableDefensive(false);
	database.exec(sql);
	return Buffer.from(database.serialize());
}

// @id sqlite-limit
test("a database that SQLite would read for ever ends with the limit, for rows and for counts", async () => {
	const bomb = bottomlessDatabase();
	// Without the limit only the signal would end it.
	const signal = AbortSignal.timeout(10_000);
	await expect(countRows(bomb, { limitMs: 300, signal })).resolves.toBe(undefined);
	using reader = await SqliteReader.open(copyOf(bomb), { limitMs: 300 });
	expect(await reader.rows("bomb", 0, 1)).toMatchObject({ columns: ["x"], rows: [["1"]] });
	await expect(reader.rows("bomb", 10 ** 15, 1)).rejects.toMatchObject({
		code: "PATH_NOT_FOUND",
		message: expect.stringContaining("longer than 0.3 s"),
	});
	expect(reader.isOpen).toBe(false);
	await expect(reader.tables(false)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test("a signal ends the reading of such a database", async () => {
	const stop = new AbortController();
	const counting = countRows(bottomlessDatabase(), { signal: stop.signal });
	setTimeout(() => stop.abort(), 200);
	await expect(counting).rejects.toMatchObject({ name: "AbortError" });
});

test("a table is what SQLite takes for one, whatever the schema's text says", async () => {
	const forged = databaseWith(
		`CREATE TABLE plain (x); INSERT INTO plain VALUES (1);
		 CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
		 CREATE VIRTUAL TABLE words USING fts5(text);
		 PRAGMA writable_schema = ON;
		 UPDATE sqlite_schema SET sql = replace(sql, 'CREATE VIRTUAL', 'CREATE  VIRTUAL')`,
	);
	expect(await countRows(forged)).toEqual(new Map([["plain", 1]]));
});

test("no more than 500 tables are read", async () => {
	const many = Array.from({ length: 510 }, (_, i) => `CREATE TABLE t${i} (x)`).join(";");
	using reader = await SqliteReader.open(copyOf(databaseWith(many)));
	expect(await reader.tables(true)).toHaveLength(500);
});

// @id sqlite-copies
test("no copy has a name while it is open, after a failure, or an hour after a kill", async () => {
	const stale = join(directory, "openclaw-sidecar-sqlite-killed");
	mkdirSync(stale);
	utimesSync(stale, 0, 0);
	const recent = join(directory, "openclaw-sidecar-sqlite-beside");
	mkdirSync(recent);
	using reader = await SqliteReader.open(copyOf(databaseWith("CREATE TABLE t (x)")), { directory });
	expect(readdirSync(directory)).toEqual(["openclaw-sidecar-sqlite-beside"]);
	expect(await reader.tables(true)).toEqual([{ name: "t", rows: 0 }]);
	rmSync(recent, { recursive: true });
	const broken = SqliteReader.open(
		() => {
			throw new Error("disk full");
		},
		{ directory },
	);
	await expect(broken).rejects.toThrow("disk full");
	expect(await countRows(Buffer.from("SQLite format 3\0 and no more"), { directory })).toBe(
		undefined,
	);
	expect(readdirSync(directory)).toEqual([]);
});
