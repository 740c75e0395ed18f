/** Additional roots that disappear, return or are recreated during a session. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { environmentWithClock, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";

const SECRET = `aws_access_key_id = AKIA${"Q7".repeat(8)}\n`;

/** Commits a workspace of 20 files and an additional root `notes` of 12. */
async function filled(bench: Workbench) {
	const notes = join(bench.dir, "notes");
	mkdirSync(bench.workspace("a"));
	mkdirSync(notes, { recursive: true });
	for (let index = 0; index < 20; index++)
		writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
	for (let index = 0; index < 12; index++) writeFileSync(join(notes, `n${index}`), `${index}`);
	const clock = environmentWithClock();
	const session = await bench.open("a", { roots: { notes }, environment: clock.environment });
	await session.flush({ sweep: true });
	const inLog = async () =>
		[...(await readLog(bench.store)).head.tree.keys()]
			.filter((path) => path.startsWith(".roots/notes/"))
			.map((path) => path.slice(13));
	return { notes, session, inLog, clock };
}

const ASTRAY = [
	{ path: ".roots/notes", reason: "its directory is missing, or is not the one that was restored" },
];

/** Skipped if mounting is not permitted. */
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
	it("is kept in the log while it is missing, and everything else is committed; after its return, changes made meanwhile are found", async () => {
		await using bench = await workbench();
		const { notes, session, inLog } = await filled(bench);
		renameSync(notes, join(bench.dir, "unmounted"));
		writeFileSync(join(bench.workspace("a"), "f0"), "changed");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 0,
			deferredDeletions: 0,
			deferred: ASTRAY,
		});
		expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
			removed: 0,
			deferredDeletions: 0,
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

	it("is not followed if a link replaced it", async () => {
		await using bench = await workbench();
		const { notes, session, inLog } = await filled(bench);
		renameSync(notes, join(bench.dir, "elsewhere"));
		symlinkSync("elsewhere", notes);
		writeFileSync(join(notes, "n0"), SECRET);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferredDeletions: 0,
			deferred: ASTRAY,
		});
		expect(await inLog()).toHaveLength(12);
		expect(bench.logger.events.filter(({ event }) => event === "security.secret-found")).toEqual(
			[],
		);
	});

	// @id volume-over-root
	it("is neither read nor deleted if another volume is mounted over it", async (context) => {
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
			expect(bench.logger.events.filter(({ event }) => event === "security.secret-found")).toEqual(
				[],
			);
		} finally {
			unmount();
		}
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "nothing", deferred: [] });
		expect(await inLog()).toHaveLength(12);
	});

	it("is not mistaken for a recreated one if it is an unmounted volume of the same device", async (context) => {
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
			deferredDeletions: 0,
			deferred: ASTRAY,
		});
		expect(await session.inLog()).toHaveLength(12);
	});

	it("is taken like any directory if it is removed and recreated, as by an agent that clones its project again", async () => {
		await using bench = await workbench();
		const { notes, session, inLog, clock } = await filled(bench);
		rmSync(notes, { recursive: true });
		mkdirSync(notes);
		writeFileSync(join(notes, "cloned"), "1");
		expect(await session.flush()).toMatchObject({
			kind: "committed",
			removed: 0,
			deferredDeletions: 12,
			deferred: [],
		});
		clock.pass(61_000);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", removed: 12 });
		expect(await inLog()).toEqual(["cloned"]);
		// From now on it is this disk's directory: changes made in it while no watcher runs stay.
		writeFileSync(join(notes, "cloned"), "changed");
		const again = await bench.open("a", { roots: { notes } });
		expect(again.restored.moved).toEqual([]);
		expect(readFileSync(join(notes, "cloned"), "utf8")).toBe("changed");
	});

	// @id root-parent-becomes-link
	it("is not mistaken for a recreated one if a link now leads to its parent", async () => {
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
		expect(bench.logger.events.filter(({ event }) => event === "security.secret-found")).toEqual(
			[],
		);
	});

	it("is watched again after it returns", async () => {
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
