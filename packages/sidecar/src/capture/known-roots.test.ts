/** Additional roots that go away, come back or are made anew while a session looks after them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { machineWithClock, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";

const SECRET = `aws_access_key_id = AKIA${"Q7".repeat(8)}\n`;

/** A workspace of 20 files and an additional root `notes` of 12, committed. */
async function filled(bench: Workbench) {
	const notes = join(bench.dir, "notes");
	mkdirSync(bench.workspace("a"));
	mkdirSync(notes, { recursive: true });
	for (let index = 0; index < 20; index++)
		writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
	for (let index = 0; index < 12; index++) writeFileSync(join(notes, `n${index}`), `${index}`);
	const clock = machineWithClock();
	const session = await bench.open("a", { roots: { notes }, machine: clock.machine });
	await session.flush({ sweep: true });
	const inLog = async () =>
		[...(await readLog(bench.store)).head.tree.keys()]
			.filter((path) => path.startsWith(".roots/notes/"))
			.map((path) => path.slice(13));
	return { notes, session, inLog, clock };
}

const ASTRAY = [
	{ path: ".roots/notes", reason: "its directory is not there, or not the one that was restored" },
];

/** Skipped where nobody may mount. */
function mount(context: TestContext, ...args: readonly string[]): () => void {
	try {
		execFileSync("mount", args, { stdio: "pipe" });
	} catch (error) {
		context.skip(`needs the right to mount: ${(error as Error).message.split("\n")[1]}`);
	}
	return () => execFileSync("umount", [args.at(-1) as string]);
}

describe("an additional root", () => {
	// @id missing-root
	it("that is gone is no deletion, and all else is committed; back again, what changed meanwhile is found", async () => {
		await using bench = await workbench();
		const { notes, session, inLog } = await filled(bench);
		renameSync(notes, join(bench.dir, "unmounted"));
		writeFileSync(join(bench.workspace("a"), "f0"), "changed");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 0,
			held: 0,
			deferred: ASTRAY,
		});
		expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
			removed: 0,
			held: 0,
			deferred: ASTRAY,
		});
		expect(await inLog()).toHaveLength(12);
		writeFileSync(join(bench.dir, "unmounted/n0"), "changed");
		renameSync(join(bench.dir, "unmounted"), notes);
		expect(await session.flush()).toMatchObject({
			kind: "committed",
			changed: 1,
			removed: 0,
			deferred: [],
		});
	});

	it("in whose place a link stands is not followed", async () => {
		await using bench = await workbench();
		const { notes, session, inLog } = await filled(bench);
		renameSync(notes, join(bench.dir, "elsewhere"));
		symlinkSync("elsewhere", notes);
		writeFileSync(join(notes, "n0"), SECRET);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			held: 0,
			deferred: ASTRAY,
		});
		expect(await inLog()).toHaveLength(12);
		expect(bench.log.events.filter(({ event }) => event === "security.secret-found")).toEqual([]);
	});

	// @id volume-over-root
	it("over which another volume is mounted: nothing in it is read, nothing beneath it is deleted", async (context) => {
		await using bench = await workbench();
		const { notes, session, inLog } = await filled(bench);
		const unmount = mount(context, "-t", "tmpfs", "-o", "size=1m", "tmpfs", notes);
		try {
			for (const name of ["n0", "other"]) writeFileSync(join(notes, name), SECRET);
			writeFileSync(join(bench.workspace("a"), "f0"), "changed");
			session.hint(".roots/notes/other");
			expect(await session.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				changed: 1,
				removed: 0,
				deferred: ASTRAY,
			});
			expect(bench.log.events.filter(({ event }) => event === "security.secret-found")).toEqual([]);
		} finally {
			unmount();
		}
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "nothing", deferred: [] });
		expect(await inLog()).toHaveLength(12);
	});

	it("that is a volume of the same device, and is unmounted, is not taken for one made anew", async (context) => {
		await using bench = await workbench();
		const [volume, notes] = [join(bench.dir, "volume"), join(bench.dir, "notes")];
		for (const directory of [volume, notes]) mkdirSync(directory);
		const unmount = mount(context, "--bind", volume, notes);
		let session: Awaited<ReturnType<typeof filled>>;
		try {
			session = await filled(bench);
		} finally {
			unmount();
		}
		expect(await session.session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			held: 0,
			deferred: ASTRAY,
		});
		expect(await session.inLog()).toHaveLength(12);
	});

	it("that is removed and made anew, as by an agent that clones its project again, is taken like any directory", async () => {
		await using bench = await workbench();
		const { notes, session, inLog, clock } = await filled(bench);
		rmSync(notes, { recursive: true });
		mkdirSync(notes);
		writeFileSync(join(notes, "cloned"), "1");
		expect(await session.flush()).toMatchObject({
			kind: "committed",
			removed: 0,
			held: 12,
			deferred: [],
		});
		clock.pass(61_000);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", removed: 12 });
		expect(await inLog()).toEqual(["cloned"]);
		// It is the directory of this disk from now on: what is changed in it while nobody watches
		// stays.
		writeFileSync(join(notes, "cloned"), "changed");
		const again = await bench.open("a", { roots: { notes } });
		expect(again.restored.moved).toEqual([]);
		expect(readFileSync(join(notes, "cloned"), "utf8")).toBe("changed");
	});

	// @id root-parent-becomes-link
	it("to whose parent a link leads now is not taken for one made anew", async () => {
		await using bench = await workbench();
		const parent = join(bench.dir, "parent");
		for (const directory of [parent, join(bench.dir, "other/notes")])
			mkdirSync(directory, { recursive: true });
		mkdirSync(bench.workspace("a"));
		const session = await bench.open("a", { roots: { notes: join(parent, "notes") } });
		writeFileSync(join(parent, "notes/mine"), "1");
		await session.flush({ sweep: true });
		renameSync(parent, join(bench.dir, "away"));
		symlinkSync("other", parent);
		writeFileSync(join(parent, "notes/theirs"), SECRET);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferred: ASTRAY,
		});
		expect(bench.log.events.filter(({ event }) => event === "security.secret-found")).toEqual([]);
	});

	it("that came back is watched again", async () => {
		await using bench = await workbench();
		const { notes, session, inLog } = await filled(bench);
		let wake = () => {};
		renameSync(notes, join(bench.dir, "away"));
		const watcher = await session.watch(() => wake());
		try {
			await session.flush();
			renameSync(join(bench.dir, "away"), notes);
			await session.flush();
			const hinted = new Promise<void>((resolve) => {
				wake = resolve;
			});
			writeFileSync(join(notes, "new"), "1");
			await hinted;
			await session.flush();
		} finally {
			await watcher.close();
		}
		expect(await inLog()).toContain("new");
	});
});
