import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { environmentWithClock, openclawProfile, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";

describe("the deletion brake", () => {
	// @id vanished-half
	it("holds the deletion of half a tree until a second sweep agrees", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(root, { recursive: true });
		for (let index = 0; index < 20; index++) writeFileSync(join(root, `f${index}`), `${index}`);
		const clock = environmentWithClock();
		const session = await bench.open("a", { environment: clock.environment });
		await session.flush({ sweep: true });
		for (let index = 0; index < 15; index++) rmSync(join(root, `f${index}`));
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferredDeletions: 15,
		});
		expect((await readLog(bench.store)).head.tree.size).toBe(21);
		// A quick second look proves nothing: a volume may be missing for longer.
		clock.pass(30_000);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferredDeletions: 15,
		});
		clock.pass(31_000);
		expect(await session.flush()).toMatchObject({ kind: "nothing", deferredDeletions: 15 });
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 15,
			deferredDeletions: 0,
		});
	});

	// @id other-volume-as-workspace
	it("ignores another volume in the workspace's place, both what it lacks and what it holds", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "of months");
		await session.flush({ sweep: true });
		const { id } = session.head;
		renameSync(bench.workspace("a"), join(bench.dir, "unmounted"));
		mkdirSync(bench.workspace("a"));
		writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "from a template");
		session.hint("MEMORY.md");
		await expect(session.flush()).rejects.toMatchObject({ code: "WORKSPACE_NOT_DIRECTORY" });
		expect((await readLog(bench.store)).head.id).toBe(id);
		rmSync(bench.workspace("a"), { recursive: true });
		renameSync(join(bench.dir, "unmounted"), bench.workspace("a"));
		writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "mounted again");
		expect(await session.flush()).toMatchObject({ kind: "committed" });
	});

	it("trusts no deletion if the workspace is a different directory", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "f"), "1");
		await session.flush({ sweep: true });
		rmSync(bench.workspace("a"), { recursive: true });
		await expect(session.flush({ sweep: true })).rejects.toMatchObject({
			code: "WORKSPACE_NOT_DIRECTORY",
		});
		mkdirSync(bench.workspace("a"));
		await expect(session.flush({ sweep: true })).rejects.toMatchObject({
			code: "WORKSPACE_NOT_DIRECTORY",
		});
		expect((await readLog(bench.store)).head.tree.has("f")).toBe(true);
	});

	it("defers deletions of critical paths, even of one that is only missing while it is rewritten", async () => {
		await using bench = await workbench();
		const clock = environmentWithClock();
		const session = await bench.open("a", {
			profile: openclawProfile,
			environment: clock.environment,
		});
		const config = join(bench.workspace("a"), "openclaw.json");
		for (let index = 0; index < 20; index++)
			writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
		writeFileSync(config, "{}");
		await session.flush({ sweep: true });
		rmSync(config);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferredDeletions: 1,
		});
		expect(bench.logger.events.filter(({ event }) => event === "deletion.deferred")).toMatchObject([
			{ fields: { critical: ["openclaw.json"] } },
		]);
		writeFileSync(config, "{ }");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 0,
			deferredDeletions: 0,
		});
		rmSync(config);
		await session.flush({ sweep: true });
		clock.pass(61_000);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", removed: 1 });
	});

	it("releases no deferred deletion if the sweep finds more missing than before", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		for (let index = 0; index < 40; index++)
			writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
		await session.flush({ sweep: true });
		// Like `rm -r` over a slow file system.
		for (const [from, to] of [
			[0, 22],
			[22, 30],
			[30, 40],
		] as const) {
			for (let index = from; index < to; index++) rmSync(join(bench.workspace("a"), `f${index}`));
			expect(await session.flush({ sweep: true })).toMatchObject({
				kind: "nothing",
				deferredDeletions: to,
			});
		}
		expect((await readLog(bench.store)).head.tree.size).toBe(41);
	});

	// @id vanished-directory
	it("defers the deletion of a whole directory, and accepts every other deletion at once", async () => {
		await using bench = await workbench();
		const clock = environmentWithClock();
		const root = bench.workspace("a");
		const session = await bench.open("a", { environment: clock.environment });
		mkdirSync(join(root, "project/src"), { recursive: true });
		mkdirSync(join(root, "small"));
		for (let index = 0; index < 10; index++)
			writeFileSync(join(root, `project/src/f${index}`), `${index}`);
		for (let index = 0; index < 9; index++)
			writeFileSync(join(root, `small/f${index}`), `${index}`);
		for (let index = 0; index < 30; index++) writeFileSync(join(root, `f${index}`), `${index}`);
		await session.flush({ sweep: true });
		for (const path of ["project", "small", "f0"]) rmSync(join(root, path), { recursive: true });
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 11,
			deferredDeletions: 12,
		});
		// What disappears meanwhile has its own delay, and does not hold up the rest.
		clock.pass(61_000);
		rmSync(join(root, "f1"));
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 13,
			deferredDeletions: 0,
		});
	});

	it("does not defer what the ignore file excludes, nor deletions that a restore trusted", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		const session = await bench.open("a");
		for (const directory of ["out", "old"]) {
			mkdirSync(join(root, directory));
			for (let index = 0; index < 10; index++)
				writeFileSync(join(root, `${directory}/f${index}`), `${index}`);
		}
		for (let index = 0; index < 30; index++) writeFileSync(join(root, `f${index}`), `${index}`);
		await session.flush({ sweep: true });
		rmSync(join(root, "old"), { recursive: true });
		const again = await bench.open("a");
		expect(await again.flush({ sweep: true })).toMatchObject({ removed: 11, deferredDeletions: 0 });
		writeFileSync(join(root, ".openclaw-sidecar-ignore"), "/out/");
		for (const path of [".openclaw-sidecar-ignore", ""])
			utimesSync(join(root, path), 1_700_000_000, 1_700_000_000);
		expect(await again.flush({ sweep: true })).toMatchObject({ removed: 11, deferredDeletions: 0 });
	});

	// @id brake-at-drain
	it("defers in a drain, however often it sweeps, and reports that nothing is lost", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		const session = await bench.open("a");
		for (let index = 0; index < 20; index++) writeFileSync(join(root, `f${index}`), `${index}`);
		await session.flush({ sweep: true });
		for (let index = 0; index < 20; index++) rmSync(join(root, `f${index}`));
		writeFileSync(join(root, "last"), "moment");
		for (let round = 0; round < 3; round++) await session.flush({ sweep: true, inHurry: true });
		expect(await session.flush({ sweep: true, inHurry: true, closed: true })).toMatchObject({
			kind: "committed",
			removed: 0,
			deferredDeletions: 20,
		});
		expect(session.waiting).toBe(0);
		const { head } = await readLog(bench.store);
		expect(head.isClosed).toBe(true);
		expect([...head.tree.keys()]).toHaveLength(22);
	});
});
