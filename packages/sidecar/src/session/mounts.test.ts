import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { type Mounted, mounted } from "../../../testkit/workspace/mounted.ts";
import { readLog } from "../commit/read-log.ts";
import { restore } from "../restore/restore.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import { inspectDisk } from "./not-durable.ts";

async function restoreAt(bench: Workbench, machine: string, at: number): Promise<void> {
	const restored = await restore({
		...{
			store: bench.store,
			root: bench.workspace(machine),
			profile: plainProfile,
			privateDir: bench.privateDir(machine),
			at,
		},
		...{
			times: await loadFileTimes(),
			quickHash: () => 0n,
			label: "test",
			logger: bench.logger,
			progress: noProgress,
		},
	});
	await restored.finish(true);
}

/** Fills the log from machine `a`; returns the commit. */
async function fill(bench: Workbench, files: Readonly<Record<string, string>>): Promise<number> {
	const root = bench.workspace("a");
	for (const [path, text] of Object.entries(files)) {
		mkdirSync(join(root, path, ".."), { recursive: true });
		writeFileSync(join(root, path), text);
	}
	const session = await bench.open("a");
	const result = await session.flush({ sweep: true, closed: true });
	if (result.kind !== "committed") throw new Error(result.kind);
	return result.seq;
}

/** A workspace with a read-only mount at `m`. The mode of its files differs from the log's. */
function readOnlyMount(
	bench: Workbench,
	made: Mounted,
	machine: string,
	files: Readonly<Record<string, string>>,
): string {
	const [root, volume] = [bench.workspace(machine), join(bench.dir, `volume-${machine}`)];
	mkdirSync(join(root, "m"), { recursive: true });
	mkdirSync(volume);
	for (const [name, text] of Object.entries(files))
		writeFileSync(join(volume, name), text, { mode: 0o600 });
	made.bind(volume, join(root, "m"), "ro");
	return root;
}

const read = (...names: readonly string[]) => readFileSync(join(...names), "utf8");

describe("a mount inside the workspace", () => {
	// @id mount-staging
	it("gets its files from its own staging directory: on the same file system, on another, and nested", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const first = await fill(bench, {
			top: "1",
			"m/f": "1",
			"m/new/deep": "1",
			"m/n/f": "1",
			"m/n/large": "x".repeat(3_000_000),
		});
		const root = bench.workspace("b");
		mkdirSync(join(root, "m"), { recursive: true });
		mkdirSync(join(bench.dir, "volume"));
		made.bind(join(bench.dir, "volume"), join(root, "m"));
		made.tmpfs(join(root, "m/n"));
		await (await bench.open("b")).flush({ sweep: true, closed: true });
		expect(read(bench.dir, "volume/new/deep")).toBe("1");
		expect(read(root, "m/n/large").length).toBe(3_000_000);

		for (const name of ["top", "m/f", "m/n/f", "m/n/large"]) writeFileSync(join(root, name), "2");
		rmSync(join(root, "m/new"), { recursive: true });
		const session = await bench.open("b");
		await session.flush({ sweep: true, closed: true });
		await restoreAt(bench, "b", first);
		expect(["top", "m/f", "m/n/f", "m/new/deep"].map((name) => read(root, name))).toEqual([
			"1",
			"1",
			"1",
			"1",
		]);
		expect(read(root, "m/n/large").length).toBe(3_000_000);
		for (const directory of ["", "m", "m/n"])
			expect(readdirSync(join(root, directory))).not.toContain(".openclaw-sidecar");
	});

	it("stays if the log deleted its directory", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		await fill(bench, { top: "1", "m/f": "1" });
		const root = bench.workspace("b");
		mkdirSync(join(root, "m"), { recursive: true });
		mkdirSync(join(bench.dir, "volume"));
		made.bind(join(bench.dir, "volume"), join(root, "m"));
		await (await bench.open("b")).flush({ sweep: true, closed: true });
		const owner = await bench.open("a");
		rmSync(join(bench.workspace("a"), "m"), { recursive: true });
		await owner.flush({ sweep: true, deletionsAreMeant: true, closed: true });
		const session = await bench.open("b");
		expect(readdirSync(join(bench.dir, "volume"))).toEqual([]);
		await session.flush({ sweep: true, closed: true });
		expect((await readLog(bench.store)).head.tree.get("m")).toMatchObject({ type: "dir" });
	});

	// @id mount-staging-left-over
	it("keeps nothing of a staging directory that a killed restore left there, and no capture takes it", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const root = bench.workspace("a");
		mkdirSync(join(root, "m"), { recursive: true });
		mkdirSync(join(bench.dir, "volume/.openclaw-sidecar/staging"), { recursive: true });
		writeFileSync(join(bench.dir, "volume/.openclaw-sidecar/staging/1"), "half");
		const session = await bench.open("a");
		// It appears while the daemon runs.
		made.bind(join(bench.dir, "volume"), join(root, "m"));
		await session.flush({ sweep: true, closed: true });
		expect([...(await readLog(bench.store)).head.tree.keys()]).toEqual(["", "m"]);
		await bench.open("a");
		expect(readdirSync(join(bench.dir, "volume"))).toEqual([]);
	});

	// @id read-only-mount-same
	it("works if it is read-only and has the content of the log", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		await fill(bench, { top: "1", "m/f": "same" });
		const root = readOnlyMount(bench, made, "b", { f: "same" });
		for (const _ of [1, 2]) await (await bench.open("b")).flush({ sweep: true, closed: true });
		expect(read(root, "top")).toBe("1");
		expect((await readLog(bench.store)).head.tree.get("m/f")).toMatchObject({ mode: 0o644 });
		expect(bench.logger.events).toContainEqual(
			expect.objectContaining({ level: "warn", event: "restore.read-only-mounts" }),
		);
	});

	it.for<[string, Record<string, string>]>([
		// @id read-only-mount-other-content
		["other content", { f: "other" }],
		// @id read-only-mount-file-less
		["a file less", {}],
		["a file more, and another one changed", { f: "other", g: "more" }],
	])(
		"stays unchanged if it is read-only with %s than the log, and the log keeps its own content",
		async ([, files], context) => {
			await using bench = await workbench();
			using made = mounted(context);
			await fill(bench, { top: "1", "m/f": "same" });
			const root = readOnlyMount(bench, made, "b", files);
			const reason = "it is mounted read-only, and its content differs from the log";
			for (const changed of ["2", "3"]) {
				const session = await bench.open("b");
				expect(session.restored.away).toEqual([{ path: "m", files: 1, bytes: 4 }]);
				writeFileSync(join(root, "top"), changed);
				expect(await session.flush({ sweep: true })).toMatchObject({
					changed: 1,
					removed: 0,
					deferred: [{ path: "m", reason }],
				});
				const { head } = await readLog(bench.store);
				expect(head.tree.get("m/f")).toMatchObject({ size: 4 });
				expect(head.tree.has("m/g")).toBe(false);
				const options = {
					store: bench.store,
					root,
					profile: plainProfile,
					privateDir: bench.privateDir("b"),
				};
				expect((await inspectDisk(options, head)).notDurable).toEqual([
					{ path: "m", kind: "away", reason },
				]);
				await session.flush({ closed: true });
			}
			expect(
				Object.fromEntries(
					readdirSync(join(root, "m")).map((name) => [name, read(root, "m", name)]),
				),
			).toEqual(files);
		},
	);

	// @id read-only-mounted-file
	it("stays unchanged if it is a read-only file whose content differs from the log", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		await fill(bench, { top: "1", "config.json": "old" });
		const [root, file] = [bench.workspace("b"), join(bench.dir, "config")];
		mkdirSync(root);
		writeFileSync(join(root, "config.json"), "");
		writeFileSync(file, "of this deployment");
		made.bind(file, join(root, "config.json"), "ro");
		const session = await bench.open("b");
		writeFileSync(join(root, "top"), "2");
		expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
			changed: 1,
			deferred: [{ path: "config.json" }],
		});
		expect(read(root, "config.json")).toBe("of this deployment");
		expect((await readLog(bench.store)).head.tree.get("config.json")).toMatchObject({ size: 3 });
	});

	// @id read-only-mount-restore-at
	it("is named before a restore to one commit writes anything, if it is read-only", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const first = await fill(bench, { top: "1", "m/f": "same" });
		const root = readOnlyMount(bench, made, "b", { f: "other" });
		const error = await restoreAt(bench, "b", first).catch((caught: unknown) => caught);
		expect(error).toMatchObject({
			code: "WORKSPACE_READ_ONLY",
			value: "m/f",
			message: expect.stringContaining("mounted read-only"),
		});
		expect((error as Error).message).toContain(join(root, "m"));
		expect(existsSync(join(root, "top"))).toBe(false);
	});

	it("is refused if the log replaced it with a file, and nothing moves", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		await fill(bench, { a: "1", m: "a file" });
		const root = bench.workspace("b");
		mkdirSync(join(root, "m"), { recursive: true });
		mkdirSync(join(bench.dir, "volume"));
		writeFileSync(join(bench.dir, "volume/own"), "own");
		made.bind(join(bench.dir, "volume"), join(root, "m"));
		await expect(bench.open("b")).rejects.toMatchObject({
			code: "WORKSPACE_READ_ONLY",
			value: "m",
		});
		expect(read(bench.dir, "volume/own")).toBe("own");
		expect(existsSync(join(root, "a"))).toBe(false);
	});
});

describe("a single mounted file", () => {
	// @id mounted-file-in-place
	it("is written in place, and its own bytes are kept", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const first = await fill(bench, { small: "log", large: "l".repeat(3_000_000), same: "same" });
		const root = bench.workspace("b");
		mkdirSync(root, { recursive: true });
		for (const name of ["small", "large", "same"]) {
			writeFileSync(join(root, name), "");
			writeFileSync(join(bench.dir, name), name === "same" ? "same" : `only copy of ${name}`);
			made.bind(join(bench.dir, name), join(root, name));
		}
		const { ino } = statSync(join(bench.dir, "small"));
		const session = await bench.open("b");
		expect(session.restored.moved.map(({ path, to }) => [path, read(to)]).sort()).toEqual([
			["large", "only copy of large"],
			["small", "only copy of small"],
		]);
		expect(read(bench.dir, "small")).toBe("log");
		expect(read(bench.dir, "large").length).toBe(3_000_000);
		expect(statSync(join(bench.dir, "small")).ino).toBe(ino);
		expect(bench.logger.events).toContainEqual(
			expect.objectContaining({ level: "warn", event: "restore.mounted-files" }),
		);
		writeFileSync(join(bench.dir, "small"), "changed outside");
		await session.flush({ sweep: true, closed: true });
		expect((await readLog(bench.store)).head.tree.get("small")).toMatchObject({ size: 15 });
		await restoreAt(bench, "b", first);
		expect(read(bench.dir, "small")).toBe("log");
	});

	// @id mounted-file-deleted
	it("stays if the log deleted it, and `restore --at` is refused with nothing moved", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const first = await fill(bench, { a: "1" });
		const root = bench.workspace("a");
		writeFileSync(join(root, "mounted"), "");
		writeFileSync(join(bench.dir, "outer"), "outer");
		made.bind(join(bench.dir, "outer"), join(root, "mounted"));
		await fill(bench, { a: "2" });
		await expect(restoreAt(bench, "a", first)).rejects.toMatchObject({
			code: "WORKSPACE_READ_ONLY",
			value: "mounted",
		});
		expect(read(root, "a")).toBe("2");
		const other = await bench.open("b");
		rmSync(join(bench.workspace("b"), "mounted"));
		await other.flush({ sweep: true, closed: true });
		await (await bench.open("a")).flush({ sweep: true, closed: true });
		expect(read(root, "mounted")).toBe("outer");
		expect((await readLog(bench.store)).head.tree.has("mounted")).toBe(true);
	});

	it("is captured after its source was replaced, as editors do", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const root = bench.workspace("a");
		mkdirSync(root);
		writeFileSync(join(root, "f"), "");
		writeFileSync(join(bench.dir, "outer"), "mounted");
		made.bind(join(bench.dir, "outer"), join(root, "f"));
		rmSync(join(bench.dir, "outer"));
		const session = await bench.open("a");
		expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
			kind: "committed",
			deferred: [],
		});
		expect((await readLog(bench.store)).head.tree.get("f")).toMatchObject({ size: 7 });
	});
});

describe("lost+found", () => {
	// @id lost-and-found
	it("belongs to the file system at the top of a mount, and to the user anywhere else", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const root = bench.workspace("a");
		made.tmpfs(root);
		mkdirSync(join(root, "d"));
		made.tmpfs(join(root, "m"));
		for (const directory of ["", "d", "m"]) {
			mkdirSync(join(root, directory, "lost+found"), { mode: 0o700 });
			writeFileSync(join(root, directory, "lost+found/f"), "f");
		}
		await (await bench.open("a")).flush({ sweep: true, closed: true });
		const kept = [...(await readLog(bench.store)).head.tree.keys()].filter((path) =>
			path.includes("lost+found"),
		);
		expect(kept).toEqual(["d/lost+found", "d/lost+found/f"]);
	});
});
