/**
 * Volumes mounted inside a workspace or a root: missing, replaced, mounted over content, or nested.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { Roots } from "../path.ts";
import { restore } from "../restore/restore.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import { inspectDisk } from "./not-durable.ts";

const MISSING = "its volume is not mounted";
const ANOTHER = "another volume is mounted there";
const COVERED = "a volume covers what the log has there";

/** Mounts that are removed when the test ends. Tests are skipped if mounting is not permitted. */
class Mounts implements Disposable {
	readonly #context: TestContext;
	readonly #places: string[] = [];

	constructor(context: TestContext) {
		this.#context = context;
	}

	bind(volume: string, place: string): void {
		this.#mount("--bind", volume, place);
	}

	memory(place: string): void {
		this.#mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", place);
	}

	umount(place: string): void {
		execFileSync("umount", [place]);
		this.#places.splice(this.#places.lastIndexOf(place), 1);
	}

	#mount(...args: readonly string[]): void {
		try {
			execFileSync("mount", args, { stdio: "pipe" });
		} catch (error) {
			if (process.env.CI === "true") throw error;
			this.#context.skip(`needs the right to mount: ${(error as Error).message.split("\n")[1]}`);
		}
		this.#places.push(args.at(-1) as string);
	}

	[Symbol.dispose](): void {
		for (const place of this.#places.reverse()) execFileSync("umount", [place]);
	}
}

/**
 * Commits a workspace of 40 files and a directory `inner`, on which a volume with two files is
 * mounted.
 */
async function filled(context: TestContext, bench: Workbench) {
	const mounts = new Mounts(context);
	const [root, volume] = [bench.workspace("a"), join(bench.dir, "volume")];
	const inner = join(root, "inner");
	for (const directory of [inner, volume]) mkdirSync(directory, { recursive: true });
	mounts.bind(volume, inner);
	for (let index = 0; index < 40; index++) writeFileSync(join(root, `f${index}`), `${index}`);
	for (const name of ["SOUL.md", "MEMORY.md"]) writeFileSync(join(inner, name), name);
	const session = await bench.open("a");
	await session.flush({ sweep: true, closed: true });
	return { mounts, root, volume, inner, session };
}

const innerIn = async (bench: Workbench) =>
	[...(await readLog(bench.store)).head.tree.keys()].filter((path) => path.startsWith("inner/"));

const away = (reason: string, path = "inner") => [{ path, reason }];

async function stateOf(bench: Workbench) {
	const options = {
		store: bench.store,
		root: bench.workspace("a"),
		profile: plainProfile,
		privateDir: bench.privateDir("a"),
	};
	return (await inspectDisk(options, (await readLog(bench.store)).head)).notDurable;
}

/** Restores as the command does. */
async function restoreAsAsked(bench: Workbench) {
	const restored = await restore({
		...{
			store: bench.store,
			root: bench.workspace("a"),
			profile: plainProfile,
			privateDir: bench.privateDir("a"),
			logger: bench.logger,
		},
		...{
			times: await loadFileTimes(),
			quickHash: () => 0n,
			label: "asked",
			progress: noProgress,
			acceptsMounts: true,
		},
	});
	await restored.finish(true);
}

describe("a volume mounted inside the workspace", () => {
	// @id inner-volume-missing
	it("is kept in the log while it is missing, and everything else is committed", async (context) => {
		await using bench = await workbench();
		const { mounts, root, inner, session } = await filled(context, bench);
		using _ = mounts;
		mounts.umount(inner);
		writeFileSync(join(root, "f0"), "changed");
		writeFileSync(join(inner, "below"), "beneath the mount");
		session.hint("inner/below");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			changed: 1,
			removed: 0,
			deferred: away(MISSING),
		});
		expect(await innerIn(bench)).toEqual(["inner/MEMORY.md", "inner/SOUL.md"]);
		expect(await stateOf(bench)).toMatchObject([{ path: "inner", kind: "away", reason: MISSING }]);
	});

	// @id inner-volume-returns
	it("can be missing at a start, and returns with the changes made in it meanwhile", async (context) => {
		await using bench = await workbench();
		const { mounts, root, volume, inner } = await filled(context, bench);
		using _ = mounts;
		mounts.umount(inner);
		const started = await bench.open("a");
		writeFileSync(join(root, "f1"), "changed");
		expect(await started.flush({ sweep: true })).toMatchObject({
			removed: 0,
			deferred: away(MISSING),
		});
		writeFileSync(join(volume, "SOUL.md"), "changed on the volume");
		mounts.bind(volume, inner);
		expect(await started.flush()).toMatchObject({ kind: "committed", removed: 0, deferred: [] });
		const again = await bench.open("a");
		expect(again.restored.moved).toEqual([]);
		expect(readFileSync(join(inner, "SOUL.md"), "utf8")).toBe("changed on the volume");
		expect(await stateOf(bench)).toEqual([]);
	});

	it("is watched again after it returns, even after an absence between two flushes", async (context) => {
		await using bench = await workbench();
		const { mounts, volume, inner, session } = await filled(context, bench);
		using _ = mounts;
		let wake = () => {};
		const watcher = await session.watch(() => wake());
		try {
			await session.flush();
			mounts.umount(inner);
			mounts.bind(volume, inner);
			await session.flush();
			const hinted = new Promise<void>((resolve) => {
				wake = resolve;
			});
			writeFileSync(join(inner, "new"), "1");
			await hinted;
			await session.flush();
		} finally {
			await watcher.close();
		}
		expect(await innerIn(bench)).toContain("inner/new");
	});

	// @id inner-volume-replaced
	it("is not confused with a different volume, which is not read, stored or overwritten", async (context) => {
		await using bench = await workbench();
		const { mounts, inner, session } = await filled(context, bench);
		using _ = mounts;
		mounts.umount(inner);
		mounts.memory(inner);
		for (const name of ["SOUL.md", "FOREIGN.md"]) writeFileSync(join(inner, name), "foreign");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferred: away(ANOTHER),
		});
		const started = await bench.open("a");
		expect(await started.flush({ sweep: true })).toMatchObject({ deferred: away(ANOTHER) });
		expect(started.restored.moved).toEqual([]);
		expect(await innerIn(bench)).toEqual(["inner/MEMORY.md", "inner/SOUL.md"]);
		expect(readFileSync(join(inner, "SOUL.md"), "utf8")).toBe("foreign");
	});

	// @id inner-volume-hides-content
	it("deletes no content of the log that it hides, neither during a session nor at the next start", async (context) => {
		await using bench = await workbench();
		const { mounts, root, session } = await filled(context, bench);
		using _ = mounts;
		const place = join(root, "notes");
		mkdirSync(place);
		writeFileSync(join(place, "mine"), "1");
		await session.flush({ sweep: true });
		mounts.memory(place);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferred: away(COVERED, "notes"),
		});
		const started = await bench.open("a");
		expect(await started.flush({ sweep: true })).toMatchObject({
			deferred: away(COVERED, "notes"),
		});
		expect((await readLog(bench.store)).head.tree.has("notes/mine")).toBe(true);
		mounts.umount(place);
		expect(await started.flush({ sweep: true })).toMatchObject({ deferred: [] });
	});

	it("is stored if nothing was there before, whether a session runs or not", async (context) => {
		await using bench = await workbench();
		const { mounts, root, session } = await filled(context, bench);
		using _ = mounts;
		mkdirSync(join(root, "empty"));
		await session.flush({ sweep: true });
		mounts.memory(join(root, "empty"));
		writeFileSync(join(root, "empty/new"), "1");
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", deferred: [] });
		writeFileSync(join(root, "empty/newer"), "1");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			changed: 2,
			deferred: [],
		});
		mounts.umount(join(root, "empty"));
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferred: away(MISSING, "empty"),
		});
	});

	// @id inner-volume-parents
	it("keeps the directories above it in the log when they disappear with it", async (context) => {
		await using bench = await workbench();
		const { mounts, root, session } = await filled(context, bench);
		using _ = mounts;
		const place = join(root, "deep/er/volume");
		mkdirSync(place, { recursive: true });
		mounts.memory(place);
		writeFileSync(join(place, "mine"), "1");
		await session.flush({ sweep: true });
		mounts.umount(place);
		for (const path of ["deep/er/volume", "deep/er", "deep"]) rmdirSync(join(root, path));
		writeFileSync(join(root, "deep"), "a file");
		expect(await session.flush({ sweep: true })).toMatchObject({
			deferred: [
				{ path: "deep/er/volume", reason: MISSING },
				{ path: "deep", reason: expect.stringContaining("keeps for deep/er/volume") },
			],
		});
		const { tree } = (await readLog(bench.store)).head;
		for (const path of ["deep", "deep/er", "deep/er/volume", "deep/er/volume/mine"])
			expect(tree.has(path)).toBe(true);
	});

	it("is judged on its own if nested, and is named with the outer one when that is missing", async (context) => {
		await using bench = await workbench();
		const { mounts, volume, inner, session } = await filled(context, bench);
		using _ = mounts;
		mkdirSync(join(inner, "cache"));
		mounts.memory(join(inner, "cache"));
		writeFileSync(join(inner, "cache/c"), "1");
		await session.flush({ sweep: true });
		mounts.umount(join(inner, "cache"));
		expect(await session.flush({ sweep: true })).toMatchObject({
			deferred: away(MISSING, "inner/cache"),
		});
		mounts.umount(inner);
		expect(await session.flush({ sweep: true })).toMatchObject({ deferred: away(MISSING) });
		mounts.bind(volume, inner);
		expect(await session.flush({ sweep: true })).toMatchObject({
			deferred: away(MISSING, "inner/cache"),
		});
		expect(await innerIn(bench)).toContain("inner/cache/c");
	});

	// @id inner-volume-single-file
	it("may be a single file: its absence is not a change, but a different file mounted there is", async (context) => {
		await using bench = await workbench();
		const { mounts, root, session } = await filled(context, bench);
		using _ = mounts;
		const [place, source] = [join(root, "config.json"), join(bench.dir, "config.json")];
		for (const file of [place, source]) writeFileSync(file, file === place ? "" : "{}");
		mounts.bind(source, place);
		await session.flush({ sweep: true });
		mounts.umount(place);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "nothing",
			deferred: away(MISSING, "config.json"),
		});
		const newer = join(bench.dir, "newer.json");
		writeFileSync(newer, '{"a":1}');
		mounts.bind(newer, place);
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			changed: 1,
			deferred: [],
		});
	});

	// @id inner-volume-given-up
	it("is given up by a restore on request: the log's content returns, and the directory becomes an ordinary one", async (context) => {
		await using bench = await workbench();
		const { mounts, inner } = await filled(context, bench);
		using _ = mounts;
		mounts.umount(inner);
		writeFileSync(join(inner, "below"), "beneath the mount");
		await restoreAsAsked(bench);
		expect(readFileSync(join(inner, "SOUL.md"), "utf8")).toBe("SOUL.md");
		const session = await bench.open("a");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 0,
			deferred: [],
		});
		expect(await innerIn(bench)).toEqual(["inner/MEMORY.md", "inner/SOUL.md", "inner/below"]);
	});

	it("is not checked if the ignore file excludes it", async (context) => {
		await using bench = await workbench();
		const { mounts, root, inner } = await filled(context, bench);
		using _ = mounts;
		mounts.umount(inner);
		writeFileSync(join(root, ".openclaw-sidecar-ignore"), "/inner/\n");
		const session = await bench.open("a");
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", deferred: [] });
		expect(await innerIn(bench)).toEqual([]);
	});
});

// @id inner-volume-in-root
it("is kept in the log while it is missing, if it is inside an additional root", async (context) => {
	await using bench = await workbench();
	using mounts = new Mounts(context);
	const notes = join(bench.dir, "notes");
	for (const directory of [bench.workspace("a"), join(notes, "volume")])
		mkdirSync(directory, { recursive: true });
	mounts.memory(join(notes, "volume"));
	writeFileSync(join(notes, "volume/mine"), "1");
	const session = await bench.open("a", { roots: { notes } });
	await session.flush({ sweep: true });
	mounts.umount(join(notes, "volume"));
	const path = ".roots/notes/volume";
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "nothing",
		deferred: away(MISSING, path),
	});
	const started = await bench.open("a", { roots: { notes } });
	expect(await started.flush({ sweep: true })).toMatchObject({ deferred: away(MISSING, path) });
	const { head } = await readLog(bench.store);
	expect(head.tree.has(`${path}/mine`)).toBe(true);
	const root = new Roots(bench.workspace("a"), new Map([["notes", notes]]));
	const options = {
		store: bench.store,
		root,
		profile: plainProfile,
		privateDir: bench.privateDir("a"),
	};
	expect((await inspectDisk(options, head)).notDurable).toMatchObject([{ path, kind: "away" }]);
});
