/** Databases whose newest rows stand in a WAL, through capture and restore. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../test/workbench.ts";
import { startNode } from "../workspace/testing.ts";
import { readLog } from "./read-log.ts";

const fileOf = (bench: Workbench, machine: string) => join(bench.workspace(machine), "x.db");

/** In WAL mode, and nothing in the WAL. */
function makeDatabase(file: string): void {
	using database = new DatabaseSync(file);
	database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES ('base')");
}

function insert(file: string, row: string): void {
	using database = new DatabaseSync(file);
	database.prepare("INSERT INTO t VALUES (?)").run(row);
}

/** By a process that is killed then: the row stays in the WAL, which no close folds into the file. */
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
	it("that changed here and in the log goes to the trash with its WAL: the newest row is there", async () => {
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
		expect(rowsOf(moved.find(({ path }) => path === "x.db")?.to as string)).toEqual(["base", "only in a's WAL"]);
		expect(rowsOf(fileOf(bench, "a"))).toEqual(["base", "from b"]);
	});

	it("that changed after a restore in its WAL only is found by the next sweep", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		await a.flush({ sweep: true, closed: true });

		const b = await bench.open("b");
		const before = lstatSync(fileOf(bench, "b"), { bigint: true });
		await insertIntoWal(fileOf(bench, "b"), "in the WAL");
		const after = lstatSync(fileOf(bench, "b"), { bigint: true });
		expect([after.ctimeNs, after.size, after.ino]).toEqual([before.ctimeNs, before.size, before.ino]);
		expect(await b.flush({ sweep: true })).toMatchObject({ kind: "committed" });

		await insertIntoWal(fileOf(bench, "b"), "in the WAL, once more");
		expect(await b.flush({ sweep: true, closed: true })).toMatchObject({ kind: "committed" });
		await bench.open("c");
		expect(rowsOf(fileOf(bench, "c"))).toEqual(["base", "in the WAL", "in the WAL, once more"]);
	});

	it("that did not change since it was restored is not copied by every sweep", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		await a.flush({ sweep: true, closed: true });

		let copies = 0;
		const profile = { ...plainProfile, cleanSqlite: () => void copies++ };
		const b = await bench.open("b", { profile });
		// Younger, it may hide another write of the same clock tick.
		await delay(60);
		await b.flush({ sweep: true });
		const first = copies;
		expect(first).toBeLessThanOrEqual(1);
		for (let count = 0; count < 3; count++) await b.flush({ sweep: true });
		expect(copies).toBe(first);
	});

	it("that another process holds exclusively is deferred and named, never taken without its WAL", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		makeDatabase(fileOf(bench, "a"));
		// Younger, the directory would be looked at once more, and so would the database: each look waits for the lock.
		await delay(60);
		await session.flush({ sweep: true });
		const before = session.head.id;
		const child = startNode(
			`const database = new DatabaseSync(args[0]);
			database.exec("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES ('checkpointed'); PRAGMA wal_checkpoint; INSERT INTO t VALUES ('newest')");
			say("ok"); await line();`,
			fileOf(bench, "a"),
		);
		expect(await child.line()).toBe("ok");
		const flushed = await session.flush({ sweep: true });
		expect(flushed).toMatchObject({ kind: "nothing", deferred: [{ path: "x.db", reason: expect.stringContaining("locked") }] });
		expect(session.waiting).toBeGreaterThan(0);
		expect((await readLog(bench.store)).head.id).toBe(before);

		await child.kill("SIGKILL");
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", deferred: [] });
		expect(session.waiting).toBe(0);
		await bench.open("b");
		expect(rowsOf(fileOf(bench, "b"))).toEqual(["base", "checkpointed", "newest"]);
	});
});
