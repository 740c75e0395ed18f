/**
 * Incidents in which an upgrade moved the agent's memory to another file. Numbers:
 * docs/reliability.md.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { openclawProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { commit, put, textOf } from "./files.ts";
import { restoreAt } from "./restore-at.ts";

const profile = openclawProfile;
const OLD = "memory/main.sqlite";
const NEW = "agents/main/agent/openclaw-agent.sqlite";
/** More than a commit carries inline, in rows that do not compress. */
const ROWS = 1500;

const fileOf = (bench: Workbench, machine: string, path: string) =>
	join(bench.workspace(machine), path);

function remember(file: string, table: string, from?: string): void {
	mkdirSync(dirname(file), { recursive: true });
	using database = new DatabaseSync(file);
	database.exec(`PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS ${table} (v)`);
	if (from === undefined) {
		const insert = database.prepare(`INSERT INTO ${table} SELECT randomblob(4000) || ?`);
		database.exec("BEGIN");
		for (let row = 0; row < ROWS; row++) insert.run(`note ${row}`);
		database.exec("COMMIT");
	} else database.exec(`ATTACH '${from}' AS old; INSERT INTO ${table} SELECT v FROM old.chunks`);
}

function notesIn(file: string, table: string): unknown {
	using database = new DatabaseSync(file, { readOnly: true });
	return database.prepare(`SELECT count(*) AS notes FROM ${table}`).get();
}

/** Commits of the log in which the memory is in neither place. */
async function commitsWithoutMemory(bench: Workbench, from: number): Promise<number[]> {
	const without: number[] = [];
	for (let seq = from; seq <= (await readLog(bench.store)).head.seq; seq++) {
		const { tree } = (await readLog(bench.store, { at: seq })).head;
		if (!tree.has(OLD) && !tree.has(NEW)) without.push(seq);
	}
	return without;
}

// @id openclaw-95495-one-commit
it("openclaw #95495: both layouts are stored, the move is in one commit, and history has the old one", async () => {
	await using bench = await workbench();
	put(bench, "a", { "openclaw.json": "{}" });
	remember(fileOf(bench, "a", OLD), "chunks");
	const a = await bench.open("a", { profile });
	const before = await commit(a);
	remember(fileOf(bench, "a", NEW), "memory_index_chunks", fileOf(bench, "a", OLD));
	rmSync(join(bench.workspace("a"), "memory"), { recursive: true });
	await commit(a, { closed: true });
	expect(await commitsWithoutMemory(bench, before)).toEqual([]);
	await bench.open("b", { profile });
	expect(notesIn(fileOf(bench, "b", NEW), "memory_index_chunks")).toEqual({ notes: ROWS });
	await restoreAt(bench, "past", before);
	expect(notesIn(fileOf(bench, "past", OLD), "chunks")).toEqual({ notes: ROWS });
});

// @id openclaw-95495-empty-store
it("openclaw #95495: an upgrade that starts an empty store and leaves the old one loses nothing of the old one", async () => {
	await using bench = await workbench();
	put(bench, "a", { "openclaw.json": "{}" });
	remember(fileOf(bench, "a", OLD), "chunks");
	const a = await bench.open("a", { profile });
	await commit(a);
	mkdirSync(dirname(fileOf(bench, "a", NEW)), { recursive: true });
	{
		using database = new DatabaseSync(fileOf(bench, "a", NEW));
		database.exec("PRAGMA journal_mode = WAL; CREATE TABLE memory_index_chunks (v)");
	}
	await commit(a, { closed: true });
	await bench.open("b", { profile });
	expect(notesIn(fileOf(bench, "b", OLD), "chunks")).toEqual({ notes: ROWS });
	expect(notesIn(fileOf(bench, "b", NEW), "memory_index_chunks")).toEqual({ notes: 0 });
});

// @id openclaw-95495-no-packs
it("openclaw #95495: the old store is not deleted before the new one is committed: with a store that refuses packs", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	put(bench, "a", { "openclaw.json": "{}", "workspace/SOUL.md": "soul" });
	remember(fileOf(bench, "a", OLD), "chunks");
	const a = await bench.open("a", { profile, store });
	const before = await commit(a);
	remember(fileOf(bench, "a", NEW), "memory_index_chunks", fileOf(bench, "a", OLD));
	rmSync(fileOf(bench, "a", OLD));
	put(bench, "a", { "workspace/SOUL.md": "soul, edited" });
	// The new store changes once more, so that its bytes are in no pack yet.
	{
		using database = new DatabaseSync(fileOf(bench, "a", NEW));
		database.exec(`UPDATE memory_index_chunks SET v = randomblob(4000)`);
	}
	store.queue("refused");
	await expect(a.flush({ sweep: true })).rejects.toMatchObject({ code: "STORE_ACCESS_DENIED" });
	expect((await readLog(bench.store)).head.seq).toBe(before);
	await commit(a, { closed: true });
	expect(await commitsWithoutMemory(bench, before)).toEqual([]);
});

// @id openclaw-95495-drain
it("openclaw #95495: the old store is not deleted before the new one is committed: in a drain that commits small files first", async () => {
	await using bench = await workbench();
	put(bench, "a", { "openclaw.json": "{}", "workspace/SOUL.md": "soul" });
	remember(fileOf(bench, "a", OLD), "chunks");
	const a = await bench.open("a", { profile });
	const before = await commit(a);
	remember(fileOf(bench, "a", NEW), "memory_index_chunks", fileOf(bench, "a", OLD));
	rmSync(fileOf(bench, "a", OLD));
	put(bench, "a", { "workspace/SOUL.md": "soul, edited" });
	const small = await a.flush({ sweep: true, maxFileBytes: 1024 * 1024, inHurry: true });
	expect(small).toMatchObject({ kind: "committed", removed: 0 });
	expect((await readLog(bench.store)).head.tree.has(OLD)).toBe(true);
	await commit(a, { closed: true });
	expect((await readLog(bench.store)).head.tree.has(OLD)).toBe(false);
	expect(await commitsWithoutMemory(bench, before)).toEqual([]);
});

// @id openclaw-95495-unwatched
it("openclaw #95495: an upgrade made while no sidecar ran is committed by the next start, and history has the old store", async () => {
	await using bench = await workbench();
	put(bench, "a", { "openclaw.json": "{}", "workspace/SOUL.md": "soul" });
	remember(fileOf(bench, "a", OLD), "chunks");
	const before = await commit(await bench.open("a", { profile }), { closed: true });
	remember(fileOf(bench, "a", NEW), "memory_index_chunks", fileOf(bench, "a", OLD));
	rmSync(fileOf(bench, "a", OLD));
	const again = await bench.open("a", { profile });
	await commit(again, { closed: true });
	expect(await commitsWithoutMemory(bench, before)).toEqual([]);
	await bench.open("b", { profile });
	expect(notesIn(fileOf(bench, "b", NEW), "memory_index_chunks")).toEqual({ notes: ROWS });
	expect(textOf(bench, "b", "workspace/SOUL.md")).toBe("soul");
	await restoreAt(bench, "past", before);
	expect(notesIn(fileOf(bench, "past", OLD), "chunks")).toEqual({ notes: ROWS });
});
