/** Databases whose newest rows are in a WAL, through capture and restore. */
import {
	closeSync,
	linkSync,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { readLog } from "../commit/read-log.ts";
import { RAW_ID } from "../log/restore-id.ts";
import type { FileEntry } from "../log/types.ts";
import { restore } from "../restore/restore.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import type { Deferred } from "./capture.ts";

const fileOf = (bench: Workbench, machine: string) => join(bench.workspace(machine), "x.db");

/** Leaves its WAL or journal empty. */
function makeDatabase(file: string, journalMode = "WAL"): void {
	using database = new DatabaseSync(file);
	database.exec(
		`PRAGMA journal_mode = ${journalMode}; CREATE TABLE t (v); INSERT INTO t VALUES ('base')`,
	);
}

function insert(file: string, row: string): void {
	using database = new DatabaseSync(file);
	database.prepare("INSERT INTO t VALUES (?)").run(row);
}

/**
 * Inserts from a process that is then killed: the row stays in the WAL, because no close folds it
 * into the file.
 */
async function insertIntoWal(file: string, row: string): Promise<void> {
	const child = startNode(
		`const database = new DatabaseSync(args[0]); database.prepare("INSERT INTO t VALUES (?)").run(args[1]); say("ok"); await line();`,
		file,
		row,
	);
	expect(await child.line()).toBe("ok");
	await child.kill("SIGKILL");
	expect(lstatSync(`${file}-wal`).size).toBeGreaterThan(0);
}

function rowsOf(file: string): unknown[] {
	using database = new DatabaseSync(file);
	return database
		.prepare("SELECT v FROM t ORDER BY rowid")
		.all()
		.map(({ v }) => v);
}

describe("a database in WAL mode", () => {
	it("goes to the trash with its WAL and the newest row if it changed here and in the log", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		await a.flush({ sweep: true, closed: true });
		const b = await bench.open("b");
		insert(fileOf(bench, "b"), "from b");
		await b.flush({ sweep: true, closed: true });
		await insertIntoWal(fileOf(bench, "a"), "only in a's WAL");

		const { moved } = (await bench.open("a")).restored;
		expect(moved.map(({ path }) => path).sort()).toEqual(["x.db", "x.db-wal"]);
		expect(rowsOf(moved.find(({ path }) => path === "x.db")?.to as string)).toEqual([
			"base",
			"only in a's WAL",
		]);
		expect(rowsOf(fileOf(bench, "a"))).toEqual(["base", "from b"]);
	});

	// @id wal-only-change
	it("is found by the next sweep if it changed only in its WAL after a restore", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		await a.flush({ sweep: true, closed: true });

		const b = await bench.open("b");
		const before = lstatSync(fileOf(bench, "b"), { bigint: true });
		await insertIntoWal(fileOf(bench, "b"), "in the WAL");
		const after = lstatSync(fileOf(bench, "b"), { bigint: true });
		expect([after.ctimeNs, after.size, after.ino]).toEqual([
			before.ctimeNs,
			before.size,
			before.ino,
		]);
		expect(await b.flush({ sweep: true })).toMatchObject({ kind: "committed" });

		await insertIntoWal(fileOf(bench, "b"), "in the WAL, once more");
		expect(await b.flush({ sweep: true, closed: true })).toMatchObject({ kind: "committed" });
		await bench.open("c");
		expect(rowsOf(fileOf(bench, "c"))).toEqual(["base", "in the WAL", "in the WAL, once more"]);
	});

	it("is not copied by every sweep if it did not change since it was restored", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		await a.flush({ sweep: true, closed: true });

		let copies = 0;
		const profile = { ...plainProfile, cleanSqlite: () => void copies++ };
		const b = await bench.open("b", { profile });
		// A younger file may hide another write within the same clock tick.
		await delay(60);
		await b.flush({ sweep: true });
		const first = copies;
		expect(first).toBeLessThanOrEqual(1);
		for (let count = 0; count < 3; count++) await b.flush({ sweep: true });
		expect(copies).toBe(first);
	});

	it.each(["WAL", "DELETE", "PERSIST"])(
		"is taken as a kill of its writer would leave it if the writer never releases it (journal_mode %s)",
		async (mode) => {
			await using bench = await workbench();
			const session = await bench.open("a");
			makeDatabase(fileOf(bench, "a"), mode);
			await session.flush({ sweep: true });
			const child = startNode(
				`const database = new DatabaseSync(args[0]);
			database.exec("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES ('checkpointed'); PRAGMA wal_checkpoint; INSERT INTO t VALUES ('newest')");
			say("committed"); await line();
			database.exec("PRAGMA cache_size = 1; BEGIN; UPDATE t SET v = 'torn' || v");
			for (let i = 0; i < 200; i++) database.exec("INSERT INTO t VALUES (zeroblob(4000))");
			say("in the middle"); await line();`,
				fileOf(bench, "a"),
			);
			expect(await child.line()).toBe("committed");
			expect(await session.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				deferred: [],
			});
			const rows = ["base", "checkpointed", "newest"];
			await bench.open("b");
			expect(rowsOf(fileOf(bench, "b"))).toEqual(rows);

			child.tell("go on");
			expect(await child.line()).toBe("in the middle");
			await bench.open("c");
			const c = await bench.open("a");
			await c.flush({ sweep: true, closed: true });
			expect(c.waiting).toBe(0);
			await bench.open("d");
			expect(rowsOf(fileOf(bench, "d"))).toEqual(rows);
		},
	);

	// @id locked-database
	it("keeps its last copy in the log while it is locked and never stable, with its raw bytes quarantined until the next copy", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = fileOf(bench, "a");
		makeDatabase(file, "DELETE");
		await session.flush({ sweep: true });
		const child = startNode(
			`const database = new DatabaseSync(args[0]);
			database.exec("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES ('new')");
			say("locked"); await line(); database.close(); say("closed"); await line();`,
			file,
		);
		expect(await child.line()).toBe("locked");
		// From now on it looks as if it were being written.
		const future = Date.now() / 1000 + 3600;
		utimesSync(file, future, future);
		const locked = [{ path: "x.db", reason: expect.stringMatching(/^database locked/) }];
		// Most locks are released soon: the first try uploads nothing.
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferred: locked,
		});
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			deferred: locked,
		});
		expect(session.waiting).toBeGreaterThan(0);
		const aside = `.recovered/${RAW_ID}/x.db`;
		const { tree } = (await readLog(bench.store)).head;
		expect([...tree.keys()]).toContain(aside);
		expect((tree.get(aside) as FileEntry).size).toBeGreaterThan(0);
		const sizeInLog = (tree.get("x.db") as FileEntry).size;

		child.tell("close");
		expect(await child.line()).toBe("closed");
		expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
			kind: "committed",
			deferred: [],
		});
		expect(session.waiting).toBe(0);
		const end = (await readLog(bench.store)).head.tree;
		expect([...end.keys()]).not.toContain(aside);
		expect((end.get("x.db") as FileEntry).size).toBeGreaterThanOrEqual(sizeInLog);
		await bench.open("b");
		expect(rowsOf(fileOf(bench, "b"))).toEqual(rowsOf(file));
	});
});

describe("a large database", () => {
	// 68 MB, restored twice. Each restore ends with a syncfs, which waits for all other writes to
	// this disk.
	it("is copied once and then read in place: its WAL, or all of it after a checkpoint", {
		timeout: 120_000,
	}, async () => {
		await using bench = await workbench();
		let copies = 0;
		const profile = {
			...plainProfile,
			cleanSqlite: () => void copies++,
			isCleaned: () => false,
			annotateSqlite: (_path: string, database: DatabaseSync) => ({
				rows: String(database.prepare("SELECT count(*) AS n FROM t").get()?.n),
			}),
		};
		const session = await bench.open("a", { profile });
		const file = fileOf(bench, "a");
		makeDatabase(file);
		{
			using database = new DatabaseSync(file);
			database.exec(
				"PRAGMA synchronous = OFF; CREATE TABLE blobs (b); INSERT INTO blobs VALUES (zeroblob(68000000))",
			);
		}
		await session.flush({ sweep: true });
		const first = copies;
		expect(first).toBeGreaterThan(0);
		const rows = ["base"];
		for (const row of ["one", "two", "three"]) {
			await insertIntoWal(file, row);
			rows.push(row);
			expect(await session.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				deferred: [],
			});
			const { annotations } = session.head;
			expect(annotations.filter(({ path }) => path !== "")).toMatchObject([
				{ name: "rows", value: `${rows.length}` },
			]);
			if (row !== "two") continue;
			using database = new DatabaseSync(file);
			database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
			expect(await session.flush({ sweep: true })).toMatchObject({ kind: "nothing", deferred: [] });
		}
		await session.flush({ sweep: true, closed: true });
		expect(session.waiting).toBe(0);
		expect(copies).toBe(first);
		const restored = await bench.open("b", { profile });
		expect(rowsOf(fileOf(bench, "b"))).toEqual(rows);
		// Right after a restore too: its pages are compared with what the restore wrote.
		await insertIntoWal(fileOf(bench, "b"), "four");
		expect(await restored.flush({ sweep: true, closed: true })).toMatchObject({
			kind: "committed",
			deferred: [],
		});
		expect(copies).toBe(first);
		await bench.open("c", { profile });
		using database = new DatabaseSync(fileOf(bench, "c"));
		expect(database.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
		expect(rowsOf(fileOf(bench, "c"))).toEqual([...rows, "four"]);
	});
});

/** Bytes that this process has read, from the disk or from memory. */
const readBytes = () => Number(/^rchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

describe("a large database with an open writer", () => {
	// @id large-database-after-checkpoint
	it("is read only where it changed, also after a checkpoint, and completely once something else wrote to it", {
		timeout: 120_000,
	}, async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = fileOf(bench, "a");
		const child = startNode(
			`const database = new DatabaseSync(args[0], { timeout: 10_000 });
			database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE blobs (b); INSERT INTO blobs VALUES (zeroblob(68000000)); PRAGMA wal_checkpoint(TRUNCATE)");
			database.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, hex(randomblob(1700)) FROM n; PRAGMA wal_checkpoint(RESTART)");
			for (;;) {
				say("ready");
				const sql = await line();
				database.exec("UPDATE t SET v = hex(randomblob(1700)) WHERE id % 500 IN (SELECT abs(random()) % 500 FROM t LIMIT 77); " + sql);
			}`,
			file,
		);
		await child.line();
		const turn = async (sql = "") => {
			child.tell(sql);
			await child.line();
			// Until another write would show in the times of the file.
			await delay(30);
			const before = readBytes();
			expect(await session.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				deferred: [],
			});
			return readBytes() - before;
		};
		// A copy, then a read of everything.
		for (let i = 0; i < 2; i++) await turn();
		const reads: number[] = [];
		for (let i = 0; i < 10; i++)
			reads.push(await turn(i % 3 === 2 ? "PRAGMA wal_checkpoint(PASSIVE)" : ""));
		expect(Math.max(...reads)).toBeLessThan(24_000_000);

		const AT = 34_000_000;
		const fd = openSync(file, "r+");
		writeSync(fd, "not by SQLite", AT);
		closeSync(fd);
		const afterwards: number[] = [];
		// All is compared in five turns.
		for (let i = 0; i < 5; i++) afterwards.push(await turn("PRAGMA wal_checkpoint(PASSIVE)"));
		expect(Math.max(...afterwards)).toBeGreaterThan(68_000_000);
		await child.kill("SIGKILL");
		await session.flush({ sweep: true, closed: true });
		await bench.open("b");
		expect(readFileSync(fileOf(bench, "b")).toString("latin1", AT, AT + 13)).toBe("not by SQLite");
		using database = new DatabaseSync(fileOf(bench, "b"));
		expect(database.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
	});
});

describe("a path next to a database", () => {
	it("leaves the log with the first row if it is a journal stored while the database was empty", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = fileOf(bench, "a");
		const child = startNode(
			`const database = new DatabaseSync(args[0]);
			database.exec("PRAGMA journal_mode = PERSIST; BEGIN IMMEDIATE; CREATE TABLE t (v); INSERT INTO t VALUES ('base')");
			say("begun"); await line(); database.exec("COMMIT"); say("committed"); await line();`,
			file,
		);
		await child.line();
		await session.flush({ sweep: true });
		expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual([
			"",
			"x.db",
			"x.db-journal",
		]);
		child.tell("commit");
		await child.line();
		session.hint("x.db");
		await session.flush();
		expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual(["", "x.db"]);
	});

	it("returns if it is a directory or a link named like a companion, and so does the database", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = fileOf(bench, "a");
		makeDatabase(file, "DELETE");
		await session.flush({ sweep: true });
		mkdirSync(`${file}-journal`);
		writeFileSync(`${file}-journal/mine`, "text");
		symlinkSync("elsewhere", `${file}-wal`);
		mkdirSync(join(bench.workspace("a"), "dir.sqlite"));
		// SQLite itself can no longer use it.
		const { deferred } = (await session.flush({ sweep: true, closed: true })) as {
			deferred: readonly Deferred[];
		};
		expect(deferred).toEqual([
			{ path: "x.db", reason: expect.stringContaining("its raw bytes were quarantined") },
		]);
		for (const machine of ["b", "b"]) {
			await bench.open(machine);
			const restored = fileOf(bench, machine);
			expect(readFileSync(`${restored}-journal/mine`, "utf8")).toBe("text");
			expect(readlinkSync(`${restored}-wal`)).toBe("elsewhere");
			expect(readFileSync(restored).equals(readFileSync(file))).toBe(true);
			expect(readdirSync(join(bench.workspace(machine), "dir.sqlite"))).toEqual([]);
		}
	});

	// @id stale-wal-removed
	it("is gone after a restore, to the newest or to an older commit, if another version of the database left it", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		await a.flush({ sweep: true });
		insert(fileOf(bench, "a"), "second");
		await a.flush({ sweep: true, closed: true });
		mkdirSync(bench.workspace("b"), { recursive: true });
		for (const suffix of ["-wal", "-shm", "-journal"])
			writeFileSync(`${fileOf(bench, "b")}${suffix}`, "of another life");
		await bench.open("b");
		expect(rowsOf(fileOf(bench, "b"))).toEqual(["base", "second"]);
		await insertIntoWal(fileOf(bench, "b"), "in a WAL that does not belong to the older one");
		await (
			await restore({
				store: bench.store,
				root: bench.workspace("b"),
				profile: plainProfile,
				privateDir: bench.privateDir("b"),
				times: await loadFileTimes(),
				quickHash: () => 0n,
				label: "at",
				logger: bench.logger,
				progress: noProgress,
				at: 2,
			})
		).finish(true);
		expect(readdirSync(bench.workspace("b"))).toEqual(["x.db"]);
		expect(rowsOf(fileOf(bench, "b"))).toEqual(["base"]);
	});

	// @id damaged-database-wal
	it("is quarantined with its rows if it is the WAL of a damaged database", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = fileOf(bench, "a");
		makeDatabase(file);
		await insertIntoWal(file, "only in the WAL");
		const damaged = readFileSync(file).fill(0xff, 100, 500);
		writeFileSync(file, damaged);
		expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
			kind: "committed",
			deferred: [],
		});
		expect(
			bench.logger.events
				.filter(({ event }) => event === "capture.noted")
				.map(({ fields }) => fields),
		).toContainEqual({
			path: "x.db",
			reason: expect.stringContaining("its raw bytes were stored"),
		});
		const { tree } = (await readLog(bench.store)).head;
		const wal = tree.get(`.recovered/${RAW_ID}/x.db-wal`);
		expect(wal).toMatchObject({ type: "file", size: lstatSync(`${file}-wal`).size });
		await bench.open("b");
		expect(readFileSync(fileOf(bench, "b")).equals(damaged)).toBe(true);
	});

	// @id hard-linked-database
	it("returns if it is another name of the database, and the live database is unharmed", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = fileOf(bench, "a");
		makeDatabase(file, "DELETE");
		linkSync(file, join(bench.workspace("a"), "hard.db"));
		symlinkSync("x.db", join(bench.workspace("a"), "soft.db"));
		const child = startNode(
			`const database = new DatabaseSync(args[0], { timeout: 10_000 });
			for (const row of ["one", "two"]) { database.prepare("INSERT INTO t VALUES (?)").run(row); say(row); await line(); }`,
			file,
		);
		await child.line();
		await session.flush({ sweep: true });
		child.tell("go on");
		await child.line();
		await session.flush({ sweep: true, closed: true });
		expect(session.waiting).toBe(0);
		await bench.open("b");
		for (const name of ["x.db", "hard.db", "soft.db"])
			expect(rowsOf(join(bench.workspace("b"), name))).toEqual(["base", "one", "two"]);
		expect(readlinkSync(join(bench.workspace("b"), "soft.db"))).toBe("x.db");
		expect(rowsOf(file)).toEqual(["base", "one", "two"]);
	});
});
