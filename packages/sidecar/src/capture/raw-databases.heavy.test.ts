import { chmodSync, lstatSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { readLog } from "../commit/read-log.ts";
import { RAW_ID } from "../log/restore-id.ts";

/** Locked, and with a fresh modification time: no copy of it is consistent. */
async function hold(file: string): Promise<{ write: () => Promise<void> }> {
	const child = startNode(
		`const database = new DatabaseSync(args[0]);
		database.exec("PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE IF NOT EXISTS t (v); INSERT INTO t VALUES (1)");
		say("held");
		for (;;) { await line(); database.exec("INSERT INTO t VALUES (2)"); say("written"); }`,
		file,
	);
	expect(await child.line()).toBe("held");
	const future = Date.now() / 1000 + 3600;
	utimesSync(file, future, future);
	return {
		write: async () => {
			child.tell("write");
			await child.line();
			utimesSync(file, future, future);
		},
	};
}

describe("a database that can never be taken", () => {
	// @id one-raw-copy
	it("has one raw copy in the tree, however often the sidecar starts and however it changes", async () => {
		await using bench = await workbench();
		const file = join(bench.workspace("a"), "x.db");
		let held: Awaited<ReturnType<typeof hold>> | undefined;
		const seqs: number[] = [];
		for (const changes of [false, false, true]) {
			const session = await bench.open("a");
			held ??= await hold(file);
			if (changes) await held.write();
			await session.flush({ sweep: true, closed: true });
			const { tree, seq } = (await readLog(bench.store)).head;
			seqs.push(seq);
			expect([...tree.keys()].filter((path) => path.endsWith("x.db"))).toEqual([
				`.recovered/${RAW_ID}/x.db`,
			]);
		}
		const sizes = await Promise.all(
			seqs.map(async (at) =>
				(await readLog(bench.store, { at })).head.tree.get(`.recovered/${RAW_ID}/x.db`),
			),
		);
		// The second start stored nothing new; the third stored what had changed.
		expect(sizes[1]).toEqual(sizes[0]);
		expect(sizes[2]).not.toEqual(sizes[0]);
	});

	it("is not stored again if an earlier release quarantined the same bytes", async () => {
		await using bench = await workbench();
		const file = join(bench.workspace("a"), "x.db");
		const session = await bench.open("a");
		await hold(file);
		await session.flush({ sweep: true, closed: true });
		const { tree } = (await readLog(bench.store)).head;
		const { newRaw } = await import("./raw-databases.ts");
		const entry = tree.get(`.recovered/${RAW_ID}/x.db`);
		if (entry === undefined) throw new Error("nothing was quarantined");
		const raw = new Map([
			["x.db", { entry, stat: undefined, quick: undefined, database: undefined }],
		]);
		const earlier = new Map([[`.recovered/${"ab".repeat(16)}/x.db`, entry]]);
		expect(newRaw({ raw } as never, earlier).size).toBe(0);
		expect(newRaw({ raw } as never, new Map()).size).toBe(1);
	});

	// @id raw-copy-keeps-root-entry
	it("leaves the workspace's top directory unchanged in an otherwise empty log", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const directory = bench.workspace("a");
		await hold(join(directory, "x.db"));
		chmodSync(directory, 0o775);
		utimesSync(directory, 1_700_000_000, 1_700_000_000);
		await session.flush({ sweep: true, closed: true });
		expect((await readLog(bench.store)).head.tree.get("")).toMatchObject({
			mode: 0o775,
			mtimeNs: 1_700_000_000_000_000_000n,
		});
		await bench.open("a");
		expect(lstatSync(directory).mode & 0o7777).toBe(0o775);
	});
});

describe("a database in a directory where no file can be created", () => {
	// @id read-only-database
	it.skipIf(process.geteuid?.() !== 0)(
		"is taken with the rows of its log, and nothing is left next to it",
		async () => {
			await using bench = await workbench();
			const session = await bench.open("a");
			const file = join(bench.workspace("a"), "x.db");
			const child = startNode(
				`const database = new DatabaseSync(args[0]);
			database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES ('in the log')");
			say("ok"); await line();`,
				file,
			);
			await child.line();
			await child.kill("SIGKILL");
			// A read-only index that SQLite cannot use.
			writeFileSync(`${file}-shm`, "");
			chmodSync(`${file}-shm`, 0o000);
			chmodSync(file, 0o444);
			chmodSync(bench.workspace("a"), 0o555);
			process.seteuid?.(0);
			expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
				kind: "committed",
				deferred: [],
			});
			await bench.open("b");
			using restored = new DatabaseSync(join(bench.workspace("b"), "x.db"));
			expect(restored.prepare("SELECT v FROM t").all()).toEqual([{ v: "in the log" }]);
		},
	);
});
