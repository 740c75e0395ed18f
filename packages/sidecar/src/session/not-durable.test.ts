import {
	chmodSync,
	lstatSync,
	lutimesSync,
	mkdirSync,
	readdirSync,
	renameSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import {
	openclawProfile,
	plainProfile,
	type Workbench,
	workbench,
} from "../../../testkit/workbench.ts";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { readLog } from "../commit/read-log.ts";
import { type DiskState, inspectDisk } from "./not-durable.ts";
import { status } from "./status.ts";

async function inspect(
	bench: Workbench,
	machine: string,
	profile = plainProfile,
): Promise<DiskState> {
	const options = {
		store: bench.store,
		root: bench.workspace(machine),
		profile,
		privateDir: bench.privateDir(machine),
	};
	return await inspectDisk(options, (await readLog(bench.store)).head);
}

/** Kinds by path. */
async function kinds(
	bench: Workbench,
	machine: string,
	profile = plainProfile,
): Promise<Record<string, string>> {
	const { notDurable } = await inspect(bench, machine, profile);
	return Object.fromEntries(notDurable.map(({ path, kind }) => [path, kind]));
}

async function flush(bench: Workbench, machine: string, profile = plainProfile): Promise<void> {
	const session = await bench.open(machine, { profile });
	await session.flush({ sweep: true, closed: true });
}

function fill(bench: Workbench, machine: string): void {
	const root = bench.workspace(machine);
	mkdirSync(join(root, "dir"), { recursive: true });
	for (const name of ["same", "theirs", "ours", "both", "gone", "touched", "dir/moded"])
		writeFileSync(join(root, name), name);
	symlinkSync("same", join(root, "link"));
}

test("local changes are named by kind, and newer content in the log is behind, not lost", async () => {
	await using bench = await workbench();
	fill(bench, "a");
	await flush(bench, "a");
	await bench.open("b");
	expect(await kinds(bench, "b")).toEqual({});

	// The other machine continues.
	const a = bench.workspace("a");
	for (const name of ["theirs", "both"]) writeFileSync(join(a, name), `newer ${name}`);
	writeFileSync(join(a, "added"), "");
	await flush(bench, "a");

	const b = bench.workspace("b");
	writeFileSync(join(b, "ours"), "changed here");
	writeFileSync(join(b, "both"), "changed here too");
	writeFileSync(join(b, "new"), "");
	rmSync(join(b, "gone"));
	rmSync(join(b, "link"));
	symlinkSync("elsewhere", join(b, "link"));
	utimesSync(join(b, "touched"), 1, 1);
	chmodSync(join(b, "dir/moded"), 0o600);
	chmodSync(join(b, "dir"), 0o700);
	const state = await inspect(bench, "b");
	expect(Object.fromEntries(state.notDurable.map(({ path, kind }) => [path, kind]))).toEqual({
		ours: "changed",
		both: "conflict",
		new: "new",
		gone: "deleted",
		link: "changed",
		touched: "time",
		"dir/moded": "changed",
		dir: "changed",
	});
	expect(state).toMatchObject({ hasBase: true, behind: 2, marker: { complete: true } });
});

test("inspecting changes neither the log, the disk nor the marker", async () => {
	await using bench = await workbench();
	fill(bench, "a");
	await flush(bench, "a");
	const root = bench.workspace("a");
	const before = {
		names: readdirSync(root),
		mtimeMs: statSync(root).mtimeMs,
		...bench.store.requests,
		marker: (await inspect(bench, "a")).marker,
	};
	await inspect(bench, "a");
	expect({
		names: readdirSync(root),
		mtimeMs: statSync(root).mtimeMs,
		...bench.store.requests,
		marker: (await inspect(bench, "a")).marker,
	}).toEqual({
		...before,
		list: expect.any(Number),
		get: expect.any(Number),
	});
});

test("a directory other than the restored one has deleted nothing, and one that was never restored conflicts", async () => {
	await using bench = await workbench();
	fill(bench, "a");
	await flush(bench, "a");
	const root = bench.workspace("a");
	renameSync(root, `${root}-moved`);
	mkdirSync(root);
	expect(await kinds(bench, "a")).toEqual({});
	mkdirSync(bench.workspace("c"), { recursive: true });
	writeFileSync(join(bench.workspace("c"), "same"), "not the same");
	writeFileSync(join(bench.workspace("c"), "mine"), "");
	expect(await inspect(bench, "c")).toMatchObject({ hasBase: false, marker: undefined });
	expect(await kinds(bench, "c")).toEqual({ same: "conflict", mine: "new" });
});

test("a missing workspace holds nothing that could be lost", async () => {
	await using bench = await workbench();
	expect(await inspect(bench, "a")).toEqual({
		marker: undefined,
		hasBase: false,
		notDurable: [],
		excluded: [],
		behind: 0,
		deferredDeletions: 0,
		elsewhere: [],
	});
});

test("unreadable paths are not durable, and nothing below them counts as deleted", async () => {
	await using bench = await workbench();
	fill(bench, "a");
	await flush(bench, "a");
	chmodSync(join(bench.workspace("a"), "dir"), 0o000);
	chmodSync(bench.dir, 0o755);
	// The owner of the process can read the log and the marker anyway; only the workspace's modes
	// matter here.
	const { head } = await readLog(bench.store);
	const options = {
		store: bench.store,
		root: bench.workspace("a"),
		profile: plainProfile,
		privateDir: bench.privateDir("a"),
	};
	chmodSync(join(bench.dir, "state"), 0o755);
	chmodSync(options.privateDir, 0o755);
	chmodSync(join(options.privateDir, "base.json"), 0o644);
	const { notDurable } = await asOrdinaryUser(() => inspectDisk(options, head));
	expect(notDurable).toContainEqual({
		path: "dir",
		kind: "unreadable",
		reason: "cannot be read (EACCES)",
	});
	expect(notDurable.map(({ path }) => path)).not.toContain("dir/moded");
	chmodSync(join(bench.workspace("a"), "dir"), 0o755);
});

test("a database is compared as a flush would take it: with its WAL, and without this machine's leases", async () => {
	await using bench = await workbench();
	const root = bench.workspace("a");
	mkdirSync(join(root, "state"), { recursive: true });
	const database = new DatabaseSync(join(root, "state/openclaw.sqlite"));
	database.exec(
		"PRAGMA journal_mode = WAL; CREATE TABLE t (x); CREATE TABLE state_leases (x); INSERT INTO t VALUES (1)",
	);
	database.exec("INSERT INTO state_leases VALUES ('this machine')");
	await flush(bench, "a", openclawProfile);
	expect(await kinds(bench, "a", openclawProfile)).toEqual({});
	database.exec("INSERT INTO state_leases VALUES ('renewed')");
	expect(await kinds(bench, "a", openclawProfile)).toEqual({});
	database.exec("UPDATE t SET x = 2");
	expect(await kinds(bench, "a", openclawProfile)).toEqual({ "state/openclaw.sqlite": "changed" });
	database.close();
	expect(readdirSync(join(bench.privateDir("a"), "tmp"))).toEqual([]);
});

test("status summarises the log and what superseded writers quarantined", async () => {
	await using bench = await workbench();
	fill(bench, "a");
	const first = await bench.open("a");
	await first.flush({ sweep: true });
	const second = await bench.open("b");
	writeFileSync(join(bench.workspace("a"), "ours"), "too late");
	await first.flush({ sweep: true });
	const options = {
		store: bench.store,
		root: bench.workspace("b"),
		profile: plainProfile,
		privateDir: bench.privateDir("b"),
	};
	const found = await status(options);
	expect(found).toMatchObject({
		log: { writer: first.writerId, isClosed: false, entries: expect.any(Number) },
		quarantined: [{ writer: first.writerId, files: 1, bytes: 8 }],
		notDurable: [],
	});
	expect(found.storeTimeMs).toBeGreaterThanOrEqual(found.log?.timeMs ?? Number.POSITIVE_INFINITY);
	expect(second.isSuperseded).toBe(false);
});

test("a newer time in the log is behind, comes with a restore, and is not committed as a change of this disk", async () => {
	await using bench = await workbench();
	fill(bench, "a");
	await flush(bench, "a");
	await flush(bench, "b");
	const [a, b] = [bench.workspace("a"), bench.workspace("b")];
	await flush(bench, "a");
	for (const name of ["touched", "both", "dir"]) utimesSync(join(a, name), 1_000, 1_000);
	lutimesSync(join(a, "link"), 1_000, 1_000);
	chmodSync(join(a, "dir/moded"), 0o600);
	rmSync(join(a, "gone"));
	await flush(bench, "a");

	for (const name of ["ours", "both"]) utimesSync(join(b, name), 2_000, 2_000);
	const before = await inspect(bench, "b");
	expect(before.behind).toBe(4);
	expect(before.notDurable.map(({ path, kind }) => [path, kind])).toEqual([
		["both", "time"],
		["ours", "time"],
	]);
	const session = await bench.open("b");
	expect(session.restored).toMatchObject({ written: 1, timed: 2, keptLocal: 0 });
	const timesOf = (root: string, names: readonly string[]) =>
		names.map((name) => lstatSync(join(root, name)).mtimeMs / 1_000);
	const theirs = ["touched", "link", "dir", "same", "."];
	expect(timesOf(b, theirs)).toEqual(timesOf(a, theirs));
	expect(timesOf(b, ["ours", "both"])).toEqual([2_000, 2_000]);
	expect(await kinds(bench, "b")).toEqual({ both: "time", ours: "time" });
	expect(await session.flush({ sweep: true, closed: true })).toMatchObject({ changed: 2 });
	const { tree } = (await readLog(bench.store)).head;
	expect(tree.get("touched")?.mtimeNs).toBe(1_000_000_000_000n);
	expect(tree.get("ours")?.mtimeNs).toBe(2_000_000_000_000n);
});
