/** Databases without SQLite's header, recognised by the files next to them. */
import { randomFillSync } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { readLog } from "../commit/read-log.ts";
import { copySet } from "../workspace/file-set.ts";

/**
 * Fills both files with one number, again and again: they are from the same moment if both have the
 * same number.
 */
const REWRITER = `
	const both = [args[0], args[0] + "-wal"].map((file) => fs.openSync(file, "r+"));
	const bytes = Buffer.alloc(300_000);
	say("on");
	for (let count = 1; ; count++) {
		bytes.fill(count % 251 + 1);
		fs.writeSync(both[0], bytes, 0, bytes.length, 0);
		fs.writeSync(both[1], bytes, 0, bytes.length, 0);
		await new Promise((resolve) => setTimeout(resolve, Number(args[1])));
	}`;

function makeSet(file: string): void {
	for (const path of [file, `${file}-wal`]) writeFileSync(path, Buffer.alloc(300_000, 1));
	const index = Buffer.alloc(32_768);
	index.writeUInt32LE(3_007_000);
	writeFileSync(`${file}-shm`, index);
}

describe("an encrypted database in WAL mode", () => {
	// @id encrypted-database-one-moment
	it("is stored with its log, both from the same moment, and without the log's index", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = join(bench.workspace("a"), "vault.db");
		makeSet(file);
		const child = startNode(REWRITER, file, "120");
		await child.line();
		for (let round = 0; round < 4; round++) await session.flush({ sweep: true });
		await child.kill("SIGKILL");
		for (let seq = 2; seq <= session.head.seq; seq++) {
			const { tree } = (await readLog(bench.store, { at: seq })).head;
			expect([...tree.keys()].sort()).toEqual(["", "vault.db", "vault.db-wal"]);
			const machine = `at-${seq}`;
			mkdirSync(bench.workspace(machine));
			const hashes = ["vault.db", "vault.db-wal"].map((path) => {
				const entry = tree.get(path);
				return entry?.type === "file" ? entry.chunks.map(({ sha256 }) => sha256) : undefined;
			});
			expect(hashes[0], `commit ${seq}`).toEqual(hashes[1]);
		}
		await session.flush({ sweep: true, closed: true });
		await bench.open("b");
		const restored = join(bench.workspace("b"), "vault.db");
		expect(readFileSync(restored).equals(readFileSync(file))).toBe(true);
		expect(readFileSync(`${restored}-wal`).equals(readFileSync(`${file}-wal`))).toBe(true);
	});

	// @id encrypted-database-never-still
	it("is not taken if it is never stable, and is named with its log", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = join(bench.workspace("a"), "vault.db");
		makeSet(file);
		// From now on its log looks as if it were being written.
		const future = Date.now() / 1000 + 3600;
		utimesSync(`${file}-wal`, future, future);
		const result = await session.flush({ sweep: true });
		const reason = expect.stringContaining("vault.db and vault.db-wal kept changing");
		expect(result.kind === "unknown" ? [] : result.deferred).toEqual([
			{ path: "vault.db", reason },
			{ path: "vault.db-wal", reason },
		]);
		expect((await readLog(bench.store)).head.tree.get("vault.db")).toBeUndefined();
	});

	// @id encrypted-database-drops-wal
	it("drops its -wal in the commit that has the database without it", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = join(bench.workspace("a"), "vault.db");
		makeSet(file);
		await session.flush({ sweep: true });
		writeFileSync(file, randomFillSync(Buffer.alloc(300_000)));
		rmSync(`${file}-wal`);
		rmSync(`${file}-shm`);
		// The hint names only the database.
		session.hint("vault.db");
		expect(await session.flush()).toMatchObject({ kind: "committed", removed: 1 });
		expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual(["", "vault.db"]);
	});

	// @id encrypted-database-stale-wal
	it("does not get an older database's log if it is restored over that database", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "vault.db"), Buffer.alloc(1000, 1));
		await a.flush({ sweep: true, closed: true });
		const b = await bench.open("b");
		writeFileSync(join(bench.workspace("b"), "vault.db"), Buffer.alloc(1000, 2));
		await b.flush({ sweep: true, closed: true });
		// Unwatched: a log for the older database.
		writeFileSync(join(bench.workspace("a"), "vault.db-wal"), Buffer.alloc(1000, 9));
		const { restored } = await bench.open("a");
		expect(restored.moved.map(({ path }) => path)).toEqual(["vault.db-wal"]);
		expect(readFileSync(join(bench.workspace("a"), "vault.db"))).toEqual(Buffer.alloc(1000, 2));
	});
});

describe("a file that only looks like a part of a set", () => {
	it("is stored whatever its name suggests: a false index, a log without a database", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const names = ["notes", "notes-shm", "diary-wal", "list", "list-journal"];
		for (const name of names) writeFileSync(join(bench.workspace("a"), name), name);
		await session.flush({ sweep: true, closed: true });
		await bench.open("b");
		expect(readdirSync(bench.workspace("b")).sort()).toEqual([...names].sort());
	});
});

describe("copySet", () => {
	it("copies a log that only grows, next to a stable database", async () => {
		const root = testDirectory();
		const header = Buffer.alloc(32);
		header.writeUInt32BE(0x377f0683);
		writeFileSync(join(root, "x"), Buffer.alloc(50_000, 7));
		writeFileSync(join(root, "x-wal"), header);
		const child = startNode(
			`say("on"); for (;;) { fs.appendFileSync(args[0], "frame"); await new Promise((resolve) => setTimeout(resolve, 2)); }`,
			join(root, "x-wal"),
		);
		await child.line();
		const temp = testDirectory();
		const copied = await copySet(root, ["x", "x-wal"], temp);
		expect(copied.kind).toBe("copied");
		if (copied.kind === "copied") {
			expect(copied.files.map(({ path }) => path)).toEqual(["x", "x-wal"]);
			copied.dispose();
		}
		expect(readdirSync(temp)).toEqual([]);
	});
});
