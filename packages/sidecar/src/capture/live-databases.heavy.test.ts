/**
 * Databases that another process writes during captures. The writer reports each row it has
 * committed. A flush that begins later must make that row durable, in a sound database.
 */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { finished } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { type Child, startNode } from "../../../testkit/workspace/start-node.ts";
import { readLog } from "../commit/read-log.ts";
import { cat } from "../history/inspect.ts";

/** Writes the database from the log without using restore: one file, with nothing next to it. */
async function newestInLog(bench: Workbench, path: string): Promise<string> {
	const read = await readLog(bench.store);
	const file = join(bench.dir, `copy-${read.head.seq}.db`);
	const to = createWriteStream(file);
	await cat(bench.store, read, path, to);
	to.end();
	await finished(to);
	return file;
}

/** Tracks the rows that the writer reports as committed. */
class Committed {
	newest = 0;
	readonly #child: Child;

	constructor(child: Child) {
		this.#child = child;
		void this.#listen();
	}

	async reaches(id: number): Promise<void> {
		while (this.newest < id) await new Promise((resolve) => setImmediate(resolve));
	}

	async #listen(): Promise<void> {
		try {
			for (;;) this.newest = Number(await this.#child.line());
		} catch {
			// It has ended.
		}
	}
}

/**
 * The body runs forever. `commit(n)` inserts n rows into two tables, in one transaction. `run(sql)`
 * runs statements that may find the database busy; the next iteration then retries them.
 */
const WRITER = `
	const open = (file) => {
		const database = new DatabaseSync(file, { timeout: 10_000 });
		database.exec("PRAGMA synchronous = OFF");
		return database;
	};
	let db = open(args[0]);
	db.exec(args[1]);
	db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text); CREATE TABLE u (id INTEGER PRIMARY KEY, text)");
	let id = 0;
	const commit = (rows, sql = "") => {
		db.exec("BEGIN IMMEDIATE");
		for (let row = 0; row < rows; row++) {
			id++;
			for (const table of ["t", "u"]) db.prepare("INSERT INTO " + table + " VALUES (?, ?)").run(id, "x".repeat((id * 37) % 900));
		}
		db.exec(sql);
		db.exec("COMMIT");
		say(String(id));
	};
	const run = (sql) => { try { db.exec(sql); } catch (error) { if (!/locked|busy/.test(error.message)) throw error; } };
	const pause = () => new Promise((resolve) => setImmediate(resolve));
`;

const BEHAVIOURS: readonly {
	readonly name: string;
	readonly setup: string;
	readonly body: string;
}[] = [
	{
		name: "WAL, checkpoints of every kind in between",
		setup: "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0",
		body: `for (let n = 0; ; n++) { commit(3); run("PRAGMA wal_checkpoint(" + ["TRUNCATE", "RESTART", "PASSIVE", "FULL"][n % 4] + ")"); }`,
	},
	{
		name: "WAL, never checkpointed, larger than the database",
		setup: "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0",
		body: `for (;;) commit(1, "UPDATE t SET text = text || 'y' WHERE id <= 30");`,
	},
	{
		name: "WAL, pages of 512 bytes",
		setup: "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 50",
		body: "for (;;) { commit(3); await pause(); }",
	},
	{
		name: "WAL, pages of 64 KiB",
		setup: "PRAGMA page_size = 65536; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 5",
		body: "for (;;) commit(3);",
	},
	{
		name: "WAL, transactions that spill",
		setup: "PRAGMA journal_mode = WAL; PRAGMA cache_size = 5; PRAGMA wal_autocheckpoint = 100",
		body: `for (;;) { commit(200); run("BEGIN; UPDATE t SET text = 'never seen'; ROLLBACK"); }`,
	},
	{
		name: "a rollback journal that is deleted, transactions that spill",
		setup: "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 5",
		body: `for (;;) { commit(50); run("BEGIN; UPDATE t SET text = 'never seen'; ROLLBACK"); await pause(); }`,
	},
	{
		name: "a rollback journal that stays",
		setup: "PRAGMA journal_mode = PERSIST",
		body: "for (;;) { commit(3); await pause(); }",
	},
	{
		name: "a rollback journal that is truncated",
		setup: "PRAGMA journal_mode = TRUNCATE",
		body: "for (;;) { commit(3); await pause(); }",
	},
	{
		name: "VACUUM again and again",
		setup: "PRAGMA journal_mode = WAL",
		body: `for (;;) { commit(20, "DELETE FROM t WHERE id % 3 = 0 AND id < " + (id - 50) + "; DELETE FROM u WHERE id % 3 = 0 AND id < " + (id - 50)); run("VACUUM"); }`,
	},
	{
		name: "the journal mode switched again and again",
		setup: "PRAGMA journal_mode = WAL",
		body: `for (let n = 0; ; n++) { commit(5); run("PRAGMA journal_mode = " + ["DELETE", "WAL", "TRUNCATE", "WAL"][n % 4]); }`,
	},
	{
		// WAL mode does not allow this during another connection: the log's index would be the old
		// database's.
		name: "replaced by rename again and again",
		setup: "PRAGMA journal_mode = DELETE",
		body: `for (;;) {
			commit(20);
			db.exec("VACUUM INTO '" + args[0] + ".new'");
			db.close();
			fs.renameSync(args[0] + ".new", args[0]);
			db = open(args[0]);
			await pause();
		}`,
	},
];

const ROUNDS = 4;

describe("a database under a writer", () => {
	// @id live-database
	it.each(BEHAVIOURS)(
		"$name: is captured sound, with whole transactions and every row committed before",
		{ timeout: 120_000 },
		async ({ setup, body }) => {
			await using bench = await workbench();
			const session = await bench.open("a");
			const file = join(bench.workspace("a"), "live");
			const writer = startNode(`${WRITER}${body}`, file, setup);
			const committed = new Committed(writer);
			let flushed = 0;
			for (let round = 0; round < ROUNDS; round++) {
				await committed.reaches(committed.newest + 1);
				const before = committed.newest;
				const { kind, deferred } = {
					deferred: [],
					...(await session.flush({ sweep: round % 2 === 0 })),
				};
				session.hint("live");
				// A writer may hold it for longer than we wait. Then it is named, and the log's content
				// stays.
				if (kind !== "committed" || deferred.some(({ path }) => path === "live")) continue;
				flushed++;
				using copy = new DatabaseSync(await newestInLog(bench, "live"));
				expect(copy.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
				const ids = (table: string) =>
					copy
						.prepare(`SELECT id FROM ${table} ORDER BY id`)
						.all()
						.map(({ id }) => Number(id));
				const t = ids("t");
				expect(ids("u")).toEqual(t);
				expect(t.at(-1)).toBeGreaterThanOrEqual(before);
				if (!body.includes("DELETE FROM"))
					expect(t).toEqual(Array.from(t, (_, index) => index + 1));
				expect(copy.prepare("SELECT count(*) AS n FROM t WHERE text = 'never seen'").get()).toEqual(
					{ n: 0 },
				);
			}
			expect(flushed).toBeGreaterThan(0);
			await writer.kill("SIGKILL");
			await session.flush({ sweep: true, closed: true });
			expect(session.deferred).toEqual([]);
			expect(session.waiting).toBe(0);
			expect(
				[...(await readLog(bench.store)).head.tree.keys()].filter((path) =>
					path.startsWith("live-"),
				),
			).toEqual([]);
			using end = new DatabaseSync(await newestInLog(bench, "live"));
			expect(end.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
			expect(Number(end.prepare("SELECT max(id) AS id FROM t").get()?.id)).toBeGreaterThanOrEqual(
				committed.newest,
			);
		},
	);
});
