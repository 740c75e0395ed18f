import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import type { PathChange } from "../history/path-history.ts";
import { countRows } from "./count-rows.ts";
import { changes, diffContents, find, pathHistory } from "./look.ts";

let bench: Workbench;
/** The commits with content. */
let first: number;
let second: number;

const options = () => ({ store: pathToFileURL(join(bench.dir, "store")).href, namespace: "alice" });
const at = (path: string) => join(bench.workspace("a"), path);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
	const found: T[] = [];
	for await (const item of items) found.push(item);
	return found;
}

beforeAll(async () => {
	bench = await workbench();
	mkdirSync(at("notes"), { recursive: true });
	const session = await bench.open("a");
	writeFileSync(at("notes/today.md"), "one\ntwo\nthree\n");
	writeFileSync(at("gone.md"), "gone\n");
	writeFileSync(at("old.md"), "the same bytes");
	writeFileSync(at("mode"), "x", { mode: 0o644 });
	writeFileSync(at("picture"), Buffer.from([0, 1, 2]));
	writeFileSync(at("large"), Buffer.alloc(5_000_000, "a"));
	using database = new DatabaseSync(at("db.sqlite"));
	database.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (x); CREATE TABLE "b""c" (x)');
	database.exec("CREATE VIRTUAL TABLE words USING fts5(x); CREATE VIEW v AS SELECT 1");
	database.exec("INSERT INTO a VALUES (1)");
	await session.flush({ sweep: true });
	first = session.head.seq;
	writeFileSync(at("notes/today.md"), "one\n2\nthree\n");
	rmSync(at("gone.md"));
	renameSync(at("old.md"), at("notes/new.md"));
	chmodSync(at("mode"), 0o600);
	writeFileSync(at("picture"), Buffer.from([0, 1, 2, 3]));
	writeFileSync(at("large"), Buffer.alloc(5_000_001, "b"));
	database.exec("INSERT INTO a VALUES (2), (3); CREATE TABLE d (x); UPDATE a SET x = 5");
	await session.flush({ sweep: true });
	second = session.head.seq;
});
afterAll(() => bench[Symbol.asyncDispose]());

test("diffContents gives text as a unified diff, databases as rows, and the rest as what it is", async () => {
	const temporary = join(bench.dir, "tmp");
	mkdirSync(temporary);
	vi.stubEnv("TMPDIR", temporary);
	const found = await all(diffContents({ ...options(), from: first, to: second }));
	const byPath = new Map(found.map(({ difference, content }) => [difference.path, content]));
	expect(byPath.get("notes/today.md")).toEqual({
		type: "text",
		unified:
			"--- a/notes/today.md\n+++ b/notes/today.md\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
		addedLines: 1,
		removedLines: 1,
	});
	expect(byPath.get("gone.md")).toMatchObject({ type: "text", addedLines: 0, removedLines: 1 });
	expect(byPath.get("picture")).toEqual({ type: "binary" });
	expect(byPath.get("large")).toEqual({ type: "large", limitBytes: 4 * 1024 * 1024 });
	expect(byPath.get("db.sqlite")).toEqual({
		type: "database",
		tables: [
			{ table: "a", rowsBefore: 1, rowsAfter: 3 },
			{ table: "d", rowsBefore: undefined, rowsAfter: 0 },
		],
	});
	expect(byPath.has("mode") && byPath.get("mode")).toBe(undefined);
	expect(readdirSync(temporary)).toEqual([]);
	vi.unstubAllEnvs();
});

test("diffContents takes paths and globs, and refuses paths that neither commit has", async () => {
	const paths = async (...names: string[]) =>
		(await all(diffContents({ ...options(), from: first, to: second, paths: names }))).map(
			({ difference }) => difference.path,
		);
	expect(await paths("notes", "gone.*")).toEqual([
		...["gone.md", "notes", "notes/new.md", "notes/today.md"],
	]);
	await expect(paths("nope")).rejects.toMatchObject({ code: "PATH_NOT_FOUND", value: "nope" });
	await expect(
		all(diffContents({ ...options(), from: 99, paths: ["mode"] })),
	).rejects.toMatchObject({ code: "COMMIT_NOT_FOUND" });
});

test("pathHistory follows a file that a real writer committed to its former name", async () => {
	const found = (await all(pathHistory({ ...options(), paths: ["notes/new.md"] }))) as PathChange[];
	expect(found.map(({ seq, kind, path, from }) => [seq, kind, path, from])).toEqual([
		[second, "renamed", "notes/new.md", "old.md"],
		[first, "created", "old.md", undefined],
	]);
	expect(await all(pathHistory({ ...options(), paths: ["nope"] }))).toEqual([]);
});

test("find names what the newest commit has, what is gone, and what changed since", async () => {
	const paths = async (more: Partial<Parameters<typeof find>[0]>) =>
		(await all(find({ ...options(), globs: ["*.md"], ...more }))).map((each) =>
			"type" in each ? each.type : [each.path, each.seq, each.renamedTo],
		);
	expect(await paths({})).toEqual([
		["notes/new.md", second, undefined],
		["notes/today.md", second, undefined],
	]);
	expect(await paths({ globs: ["*.MD"] })).toEqual([]);
	expect(await paths({ globs: ["*.MD"], ignoreCase: true })).toHaveLength(2);
	expect(await paths({ deleted: true })).toEqual([
		["gone.md", first, undefined],
		["old.md", first, "notes/new.md"],
	]);
	expect(await paths({ deleted: true, since: second })).toEqual([]);
	expect(await paths({ globs: ["m*", "p*"], since: first })).toEqual([
		["mode", second, undefined],
		["picture", second, undefined],
	]);
});

test("changes reports each commit with what it changed, and ends at the one it was asked for", async () => {
	const found = await all(changes({ ...options(), since: first }));
	expect(found).toMatchObject([{ type: "commit", info: { seq: second }, previousSeq: first }]);
});

test("rows are counted only of what SQLite can read, without running what a schema names", async () => {
	expect(await countRows(Buffer.from("SQLite format 3\0 and no more"))).toBe(undefined);
	using database = new DatabaseSync(":memory:");
	database.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)");
	expect(await countRows(Buffer.from(database.serialize()))).toEqual(new Map([["t", 2]]));
});
