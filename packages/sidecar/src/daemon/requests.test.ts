import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { AGENT_DATABASE, TurnDatabase } from "../../../testkit/openclaw/turn-database.ts";
import { openclawProfile, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { FlushLoop } from "./flush-loop.ts";
import { dropNow, flushNow, putBackNow, undoTurnNow } from "./requests.ts";

/** A daemon's loop over a workspace with a note and 40 files, whose flushes are asked for. */
async function served(first = "one") {
	const bench = await workbench();
	const path = (name: string) => join(bench.workspace("a"), name);
	const before = await bench.open("a");
	const cadence = { quietMs: 3_600_000, maxDelayMs: 3_600_000 };
	const write = (name: string, text: string) => writeFileSync(path(name), text);
	for (let index = 0; index < 40; index++) write(`f${index}`, `${index}`);
	write("note", first);
	await before.flush({ sweep: true });
	write("note", "two");
	await before.flush({ sweep: true, closed: true });
	const session = await bench.open("a", { onSecret: "fail" });
	const flushes = new FlushLoop(session, { ...cadence, logger: bench.logger }, () => undefined);
	return {
		...{ bench, path, write, flushes, session },
		text: (name: string) => readFileSync(path(name), "utf8"),
		wipe: () => {
			for (let index = 0; index < 40; index++) rmSync(path(`f${index}`));
		},
		tree: async () => (await readLog(bench.store)).head.tree,
		putBack: async (what: object) =>
			await putBackNow(flushes, bench.workspace("a"), { store: bench.store.url, ...what }),
		[Symbol.asyncDispose]: async () => {
			flushes.close();
			await bench[Symbol.asyncDispose]();
		},
	};
}

describe("a request to put paths back", () => {
	// @id put-back-confirms-no-wipe
	test("commits no deletion that it did not make itself", async () => {
		await using daemon = await served();
		daemon.wipe();
		expect(await daemon.putBack({ paths: ["note"] })).toMatchObject({
			flushed: { kind: "committed", removed: 0, deferredDeletions: 40 },
		});
		expect(daemon.text("note")).toBe("one");
		expect((await daemon.tree()).size).toBe(42);
	});

	test("to a time before many files commits their deletion at once", async () => {
		await using daemon = await served();
		const { seq } = daemon.session.head;
		for (let index = 0; index < 50; index++) daemon.write(`new${index}`, "x");
		await daemon.flushes.flush(true);
		expect(await daemon.putBack({ paths: [""], at: seq })).toMatchObject({
			flushed: { kind: "committed", removed: 50, deferredDeletions: 0 },
		});
	});

	// @id request-of-another-log
	test("of another store, namespace or log is refused, and so is its flush and its drop", async () => {
		await using daemon = await served();
		const { bench, flushes, session } = daemon;
		const [workspace, { seq }] = [bench.workspace("a"), session.head];
		const refused = { code: "WORKSPACE_BUSY", message: expect.stringContaining(bench.store.url) };
		const other = { store: `${bench.store.url}-b`, paths: ["note"], at: seq - 2 };
		for (const request of [putBackNow, flushNow, dropNow])
			await expect(request(flushes, workspace, other)).rejects.toMatchObject(refused);
		const commit = { seq: seq - 2, id: "0".repeat(64) };
		await expect(daemon.putBack({ paths: ["note"], at: seq - 2, commit })).rejects.toMatchObject(
			refused,
		);
		expect([daemon.text("note"), session.head.seq]).toEqual(["two", seq]);
		const { id } = (await readLog(bench.store, { at: seq - 2 })).head;
		await daemon.putBack({ paths: ["note"], at: seq - 2, commit: { seq: seq - 2, id } });
		expect(daemon.text("note")).toBe("one");
	});

	test("names the commit that it made, also while the timer's flush is due", async () => {
		await using daemon = await served();
		const answer = daemon.putBack({ paths: ["note"] });
		void daemon.flushes.flush(true);
		expect(await answer).toMatchObject({ flushed: { kind: "committed" } });
	});

	// @id put-back-secret
	test("with a secret that may not be committed leaves the disk as it was, and flushes go on", async () => {
		await using daemon = await served("AKIA" + "QWERTYUIOPASDFGH");
		await expect(daemon.putBack({ paths: ["note"] })).rejects.toMatchObject({
			...{ code: "SECRET_FOUND", value: "note" },
			message: expect.stringContaining("the disk is unchanged"),
		});
		expect(daemon.text("note")).toBe("two");
		daemon.write("f1", "later");
		expect(await daemon.flushes.flush(true)).toMatchObject({ kind: "committed" });
	});

	test("undoes a wipe that is not committed yet, and nothing older", async () => {
		await using daemon = await served();
		daemon.wipe();
		expect(await daemon.putBack({ paths: [] })).toMatchObject({ undone: 0 });
		expect([daemon.text("note"), existsSync(daemon.path("f7"))]).toEqual(["two", true]);
		expect((await daemon.tree()).size).toBe(42);
	});
});

/** A daemon beside OpenClaw, as far as its files and its database show it. */
async function beside() {
	const bench = await workbench();
	const workspace = bench.workspace("a");
	const path = (name: string) => join(workspace, name);
	const turns = new TurnDatabase(path(AGENT_DATABASE));
	mkdirSync(path("workspace"));
	const write = (name: string, text: string) => writeFileSync(path(name), text);
	for (const name of ["AGENTS.md", "notes.md", "other.md"]) write(`workspace/${name}`, "one");
	const session = await bench.open("a", { profile: openclawProfile });
	const cadence = { quietMs: 3_600_000, maxDelayMs: 3_600_000 };
	const flushes = new FlushLoop(session, { ...cadence, logger: bench.logger }, () => undefined);
	await flushes.flush(true);
	return {
		...{ path, write, turns, flushes, session },
		text: (name: string) => readFileSync(path(name), "utf8"),
		undo: async (key: string) => await undoTurnNow(flushes, workspace, key),
		[Symbol.asyncDispose]: async () => {
			flushes.close();
			turns[Symbol.dispose]();
			await bench[Symbol.asyncDispose]();
		},
	};
}

describe("a request to undo a turn", () => {
	// @id undo-turn-beside-the-agent
	test("takes back the files of the conversation's last turn as a new commit, and nothing else", async () => {
		await using daemon = await beside();
		const { flushes, session, path } = daemon;
		daemon.turns.begin("anna", "tidy my notes");
		daemon.write("workspace/notes.md", "two");
		rmSync(path("workspace/other.md"));
		mkdirSync(path("workspace/new"));
		daemon.write("workspace/new/file.md", "x");
		mkdirSync(path("media"));
		daemon.write("media/seen.jpg", "x");
		const own = new DatabaseSync(path("workspace/own.sqlite"));
		own.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
		own.close();
		await flushes.flush(true);
		daemon.turns.end("anna");
		await flushes.flush(true);
		daemon.turns.begin("main", "heartbeat");
		daemon.write("workspace/heartbeat.md", "x");
		await flushes.flush(true);
		daemon.turns.end("main");

		const { seq } = session.head;
		const done = await daemon.undo("anna");
		expect(done).toMatchObject({
			turn: { session: "anna", text: "tidy my notes" },
			left: [
				{ path: "workspace/own.sqlite", reason: expect.stringContaining("database") },
				{ path: "media/seen.jpg", reason: expect.stringContaining("own state") },
			],
			flushed: { kind: "committed", superseded: false },
		});
		expect(done?.changes.map(({ path, kind }) => `${kind} ${path}`).sort()).toEqual([
			...["added workspace/other.md", "changed workspace/notes.md"],
			...["removed workspace/new", "removed workspace/new/file.md"],
		]);
		expect([daemon.text("workspace/notes.md"), daemon.text("workspace/other.md")]).toEqual([
			...["one", "one"],
		]);
		expect(existsSync(path("workspace/new"))).toBe(false);
		for (const kept of ["workspace/heartbeat.md", "workspace/own.sqlite", "media/seen.jpg"])
			expect(existsSync(path(kept))).toBe(true);
		expect(session.head.seq).toBeGreaterThan(seq);

		// It arrives twice, and the second time finds nothing.
		const again = await daemon.undo("anna");
		expect(again).toMatchObject({ changes: [], flushed: { kind: "nothing" } });
		expect(daemon.text("workspace/notes.md")).toBe("one");
		expect(await daemon.undo("nobody")).toBeUndefined();
	});

	test("commits what changed since on the disk first, and leaves it", async () => {
		await using daemon = await beside();
		daemon.turns.begin("anna", "write");
		daemon.write("workspace/notes.md", "two");
		daemon.write("workspace/other.md", "two");
		await daemon.flushes.flush(true);
		daemon.turns.end("anna");
		await daemon.flushes.flush(true);
		daemon.write("workspace/notes.md", "by hand");
		expect(await daemon.undo("anna")).toMatchObject({
			left: [{ path: "workspace/notes.md", reason: "it changed again since" }],
		});
		expect([daemon.text("workspace/notes.md"), daemon.text("workspace/other.md")]).toEqual([
			...["by hand", "one"],
		]);
	});

	test("brings back what a wipe removed, which is not committed yet", async () => {
		await using daemon = await beside();
		for (let index = 0; index < 40; index++) daemon.write(`workspace/f${index}`, `${index}`);
		await daemon.flushes.flush(true);
		daemon.turns.begin("anna", "delete everything");
		for (let index = 0; index < 40; index++) rmSync(daemon.path(`workspace/f${index}`));
		await daemon.flushes.flush(true);
		daemon.turns.end("anna");
		const done = await daemon.undo("anna");
		expect(done?.changes.filter(({ kind }) => kind === "added")).toHaveLength(40);
		expect(daemon.text("workspace/f7")).toBe("7");
	});

	test("is refused while its turn runs", async () => {
		await using daemon = await beside();
		daemon.turns.begin("anna", "write");
		daemon.write("workspace/notes.md", "two");
		await expect(daemon.undo("anna")).rejects.toMatchObject({ code: "WORKSPACE_BUSY" });
		expect(daemon.text("workspace/notes.md")).toBe("two");
	});
});
