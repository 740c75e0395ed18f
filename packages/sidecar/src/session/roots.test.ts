/** One writer's session over several directories. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
	environmentWithClock,
	openclawProfile,
	plainProfile,
	type Workbench,
	workbench,
} from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { logKey } from "../log/keys.ts";
import { Roots } from "../path.ts";
import { restore } from "../restore/restore.ts";
import { noProgress } from "../telemetry/progress.ts";
import type { Progress } from "../telemetry/types.ts";
import { loadFileTimes } from "../workspace/file-times.ts";

const treeOf = async (bench: Workbench) => (await readLog(bench.store)).head.tree;

/** Commits a workspace of 20 files and an additional root `notes` of 12. */
async function filled(bench: Workbench) {
	const notes = join(bench.dir, "notes");
	mkdirSync(bench.workspace("a"));
	mkdirSync(join(notes, "sub"), { recursive: true });
	for (let index = 0; index < 20; index++)
		writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
	for (let index = 0; index < 12; index++) writeFileSync(join(notes, `n${index}`), `${index}`);
	const clock = environmentWithClock();
	const session = await bench.open("a", { roots: { notes }, environment: clock.environment });
	await session.flush({ sweep: true });
	return { notes, session, clock };
}

describe("an additional root", () => {
	it("is watched: hints name its files and directories by their paths in the tree, and a name .roots of the workspace gets none", async () => {
		await using bench = await workbench();
		const { notes, session } = await filled(bench);
		let isHinted = false;
		let wake = () => {};
		const watcher = await session.watch(() => {
			isHinted = true;
			wake();
		});
		await session.flush();
		const changed = async (change: () => void, path: string) => {
			change();
			for (;;) {
				await new Promise<void>((resolve) => {
					wake = resolve;
					if (isHinted) resolve();
				});
				isHinted = false;
				await session.flush();
				if ((await treeOf(bench)).has(path)) return;
			}
		};
		try {
			await changed(() => writeFileSync(join(notes, "sub/new"), "1"), ".roots/notes/sub/new");
			await changed(() => {
				mkdirSync(join(notes, "later/deep"), { recursive: true });
				writeFileSync(join(notes, "later/deep/x"), "1");
			}, ".roots/notes/later/deep/x");
			mkdirSync(join(bench.workspace("a"), ".roots/notes"), { recursive: true });
			await changed(() => {
				writeFileSync(join(bench.workspace("a"), ".roots/notes/not-taken"), "1");
				writeFileSync(join(bench.workspace("a"), "last"), "1");
			}, "last");
		} finally {
			await watcher.close();
		}
		expect((await treeOf(bench)).has(".roots/notes/not-taken")).toBe(false);
		expect(session.deferred).toEqual([
			{ path: ".roots", reason: expect.stringContaining("reserved") },
		]);
	});

	it("is deferred when emptied until a second sweep confirms it, however large the rest is", async () => {
		await using bench = await workbench();
		const { notes, session, clock } = await filled(bench);
		for (let index = 0; index < 11; index++) rmSync(join(notes, `n${index}`));
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferredDeletions: 11,
		});
		clock.pass(61_000);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", removed: 11 });
	});

	// @id root-emptied-beside-large-root
	it("does not hide that the workspace's own directory was emptied, however large the root is: that is deferred too", async () => {
		await using bench = await workbench();
		const { notes, session } = await filled(bench);
		for (let index = 0; index < 30; index++) writeFileSync(join(notes, `more${index}`), "");
		await session.flush({ sweep: true });
		for (let index = 0; index < 20; index++) rmSync(join(bench.workspace("a"), `f${index}`));
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferredDeletions: 20,
		});
	});

	it("is authored content: no pattern for file names applies in it, and secrets in it are reported", async () => {
		await using bench = await workbench();
		const notes = join(bench.dir, "notes");
		mkdirSync(join(notes, "logs"), { recursive: true });
		for (const name of ["yarn.lock", "notes.tmp", "server.pid", "logs/today"])
			writeFileSync(join(notes, name), "mine");
		writeFileSync(join(notes, "key.txt"), `aws_access_key_id = AKIA${"Q7".repeat(8)}\n`);
		const session = await bench.open("a", { profile: openclawProfile, roots: { notes } });
		await session.flush({ sweep: true });
		const tree = await treeOf(bench);
		for (const name of ["yarn.lock", "notes.tmp", "server.pid", "logs/today"])
			expect(tree.has(`.roots/notes/${name}`), name).toBe(true);
		expect(
			bench.logger.events.filter(({ event }) => event === "security.secret-found"),
		).toMatchObject([{ fields: { path: ".roots/notes/key.txt" } }]);
	});

	it("obeys the workspace's ignore file by its path in the tree, and keeps its staging to itself", async () => {
		await using bench = await workbench();
		const notes = join(bench.dir, "notes");
		mkdirSync(join(notes, ".openclaw-sidecar"), { recursive: true });
		mkdirSync(bench.workspace("a"));
		writeFileSync(join(bench.workspace("a"), ".openclaw-sidecar-ignore"), "/.roots/notes/big\n");
		const session = await bench.open("a", { roots: { notes } });
		for (const name of ["big", "small", ".openclaw-sidecar-ignore"])
			writeFileSync(join(notes, name), "big\nsmall\n");
		mkdirSync(join(notes, ".openclaw-sidecar"));
		await session.flush({ sweep: true });
		const paths = [...(await treeOf(bench)).keys()].filter((path) =>
			path.startsWith(".roots/notes/"),
		);
		expect(paths.sort()).toEqual([".roots/notes/.openclaw-sidecar-ignore", ".roots/notes/small"]);
	});

	it("is kept by an ignore file that lists what to keep and predates the root", async () => {
		await using bench = await workbench();
		const notes = join(bench.dir, "notes");
		for (const directory of [
			join(notes, "sub"),
			join(bench.workspace("a"), "kept"),
			join(bench.workspace("a"), "other"),
		])
			mkdirSync(directory, { recursive: true });
		writeFileSync(join(bench.workspace("a"), ".openclaw-sidecar-ignore"), "/*\n!/kept/\n*.log\n");
		const session = await bench.open("a", { roots: { notes } });
		for (const name of ["sub/plan", "sub/x.log"]) writeFileSync(join(notes, name), "1");
		await session.flush({ sweep: true });
		expect([...(await treeOf(bench)).keys()].sort()).toEqual([
			"",
			".roots",
			".roots/notes",
			".roots/notes/sub",
			".roots/notes/sub/plan",
			"kept",
		]);
	});

	it("can hold a live database like any other place", async () => {
		await using bench = await workbench();
		const notes = join(bench.dir, "notes");
		mkdirSync(notes);
		const database = new DatabaseSync(join(notes, "db"));
		database.exec(
			"PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES ('in the log')",
		);
		const session = await bench.open("a", { roots: { notes } });
		await session.flush({ sweep: true, closed: true });
		database.exec("INSERT INTO t VALUES ('in the WAL')");
		await session.flush({ sweep: true, closed: true });
		database.close();
		await bench.open("b", { roots: { notes: join(bench.dir, "b") } });
		const copy = new DatabaseSync(join(bench.dir, "b/db"), { readOnly: true });
		expect(copy.prepare("SELECT x FROM t").all()).toEqual([
			{ x: "in the log" },
			{ x: "in the WAL" },
		]);
		copy.close();
	});

	it("goes below .recovered/ with the rest if its writer is superseded", async () => {
		await using bench = await workbench();
		const { notes, session } = await filled(bench);
		await bench.open("b");
		writeFileSync(join(notes, "n0"), "late");
		await session.flush({ sweep: true });
		expect((await treeOf(bench)).has(`.recovered/${session.writerId}/.roots/notes/n0`)).toBe(true);
		expect((await treeOf(bench)).get(".roots/notes/n0")).toMatchObject({ size: 1 });
	});

	// @id root-elsewhere-log-cut
	it("stays in the log if only other machines have it, an operator cut the log and everything is rescanned", async () => {
		await using bench = await workbench();
		await filled(bench);
		const session = await bench.open("b");
		const { seq } = session.head;
		for (const text of ["1", "2"]) {
			writeFileSync(join(bench.workspace("b"), "f0"), text);
			await session.flush({ sweep: true });
		}
		const slot = (number: number) => join(bench.dir, "store/users/alice", logKey(number));
		for (const cut of [seq + 2, seq + 1]) rmSync(slot(cut));
		await bench.store.putIfAbsent(logKey(seq + 3), Buffer.from("garbage"));
		writeFileSync(join(bench.workspace("b"), "f0"), "3");
		await expect(session.flush({ sweep: true })).rejects.toThrow();
		rmSync(slot(seq + 3));
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 0,
			deferredDeletions: 0,
		});
		const tree = await treeOf(bench);
		expect([tree.get("f0"), tree.has(".roots/notes/n0"), session.isSuperseded]).toMatchObject([
			{ size: 1 },
			true,
			false,
		]);
	});

	// @id root-restore-cut-off
	it("keeps no stale bytes as changes if its first restore was cut off", async () => {
		await using bench = await workbench();
		const { session } = await filled(bench);
		await session.flush({ sweep: true, closed: true });
		const notes = join(bench.dir, "stale");
		mkdirSync(notes);
		writeFileSync(join(notes, "n3"), "stale");
		const times = await loadFileTimes();
		const restoreTo = async (others: ReadonlyMap<string, string>, progress: Progress) => {
			const root = new Roots(bench.workspace("b"), others);
			const privateDir = bench.privateDir("b");
			const common = {
				store: bench.store,
				profile: plainProfile,
				times,
				quickHash: () => 0n,
				label: "test",
				logger: bench.logger,
			};
			await (await restore({ ...common, root, privateDir, progress })).finish(true);
		};
		const cut = () => {
			throw new Error("cut off");
		};
		await restoreTo(new Map(), noProgress);
		await expect(
			restoreTo(new Map([["notes", notes]]), { ...noProgress, start: cut }),
		).rejects.toThrow("cut off");
		await restoreTo(new Map([["notes", notes]]), noProgress);
		expect(readFileSync(join(notes, "n3"), "utf8")).toBe("3");
	});
});
