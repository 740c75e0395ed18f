/** Workspaces in more than one directory: whole machines, through the library. */
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	realpathSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import {
	cat,
	doctor,
	exportTree,
	flush,
	importTree,
	ls,
	restore,
	rollback,
	status,
} from "../index.ts";
import { recordingLogger } from "../telemetry/logger.ts";

const undo: (() => unknown)[] = [];
afterEach(() => {
	for (const step of undo.splice(0).reverse()) step();
});

/** Machines with a workspace and two directories elsewhere, and the store they share. */
function place() {
	const dir = realpathSync(mkdtempSync(join(tmpdir(), "roots-")));
	undo.push(() => rmSync(dir, { recursive: true, force: true }));
	const at = (machine: string, ...names: string[]) => join(dir, machine, ...names);
	const plain = (machine: string) => ({
		workspace: at(machine, "ws"),
		stateDir: at(machine, "state"),
		store: pathToFileURL(join(dir, "store")).href,
		profile: "plain" as const,
		handoverWaitMs: 0,
	});
	const both = (machine: string) => ({
		...plain(machine),
		roots: { notes: at(machine, "notes"), code: at(machine, "deep/code") },
	});
	return { dir, at, plain, both };
}

/** Machine a has entries of every kind in each directory, and has committed them. */
async function filled() {
	const made = place();
	const { at, both } = made;
	for (const root of ["ws", "notes/sub", "deep/code"])
		mkdirSync(at("a", root), { recursive: true });
	writeFileSync(at("a", "ws/openclaw.json"), "{}");
	writeFileSync(at("a", "notes/sub/plan.md"), "the plan");
	writeFileSync(at("a", "deep/code/run.sh"), "#!/bin/sh\n", { mode: 0o750 });
	symlinkSync("sub/plan.md", at("a", "notes/current"));
	const database = new DatabaseSync(at("a", "notes/db.sqlite"));
	database.exec("CREATE TABLE t (x); INSERT INTO t VALUES ('kept')");
	database.close();
	chmodSync(at("a", "notes"), 0o755);
	expect(await flush(both("a"))).toMatchObject({ exitStatus: 0, kind: "committed" });
	return made;
}

function isOtherDevice(directory: string): boolean {
	return existsSync(directory) && statSync(directory).dev !== statSync(tmpdir()).dev;
}

const paths = async (options: object) => (await ls(options)).entries.map(([path]) => path);

describe("additional roots", () => {
	it("are restored on another machine to its own directories, with everything in one commit", async () => {
		const { at, plain, both } = await filled();
		expect(await paths(plain("a"))).toEqual(
			expect.arrayContaining([
				".roots",
				".roots/code/run.sh",
				".roots/notes/sub/plan.md",
				".roots/notes/current",
				"openclaw.json",
			]),
		);
		const text = new PassThrough();
		await cat({ ...plain("a"), path: ".roots/notes/sub/plan.md", to: text });
		expect(String(text.read())).toBe("the plan");
		const result = await restore(both("b"));
		expect(result).toMatchObject({ elsewhere: [], moved: [] });
		for (const root of ["ws", "notes", "deep/code"])
			expect(readDisk(at("b", root))).toEqual(readDisk(at("a", root)));
		expect(existsSync(at("b", "ws/.roots"))).toBe(false);
		expect(await flush(both("b"))).toMatchObject({ kind: "nothing", exitStatus: 0 });
		expect(await status(both("b"))).toMatchObject({ isDurable: true, behind: 0 });
	});

	it("get the mode and the time in the log on a fresh disk, even an empty root", async () => {
		const { at, both } = place();
		for (const root of ["ws", "notes", "deep/code"]) mkdirSync(at("a", root), { recursive: true });
		chmodSync(at("a", "notes"), 0o1755);
		await flush(both("a"));
		await restore(both("b"));
		const [a, b] = [statSync(at("a", "notes")), statSync(at("b", "notes"))];
		expect({ mode: b.mode & 0o7777, mtimeMs: b.mtimeMs }).toEqual({
			mode: 0o1755,
			mtimeMs: a.mtimeMs,
		});
		expect(await flush(both("b"))).toMatchObject({ kind: "nothing" });
	});

	// @id roots-not-on-machine
	it("stay in the log if a machine does not have them, are reported, and reach the next machine that has them", async () => {
		const { at, plain, both } = await filled();
		const notes = { roots: { notes: at("b", "notes") } };
		const logger = recordingLogger();
		const elsewhere = [{ path: ".roots/code", files: 1, bytes: 10 }];
		expect(await restore({ ...plain("b"), ...notes, logger })).toMatchObject({ elsewhere });
		expect(logger.events.filter(({ event }) => event === "restore.root-left-out")).toMatchObject([
			{ fields: elsewhere[0] },
		]);
		expect(await status({ ...plain("b"), ...notes })).toMatchObject({ elsewhere, isDurable: true });
		writeFileSync(at("b", "notes/new"), "from b");
		expect(await flush({ ...plain("b"), ...notes })).toMatchObject({ removed: 0, exitStatus: 0 });
		// A machine without any.
		expect((await restore(plain("c"))).elsewhere.map(({ path }) => path)).toEqual([
			".roots/code",
			".roots/notes",
		]);
		expect(readdirSync(at("c", "ws"))).toEqual(["openclaw.json"]);
		writeFileSync(at("c", "ws/new"), "from c");
		expect(await flush(plain("c"))).toMatchObject({ removed: 0, exitStatus: 0 });
		await restore(both("d"));
		expect(readDisk(at("d", "deep/code"))).toEqual(readDisk(at("a", "deep/code")));
		expect(readFileSync(at("d", "notes/new"), "utf8")).toBe("from b");
	});

	it("keep and commit their own content if they were added later; where the log differs, its bytes win and theirs are moved", async () => {
		const { at, plain, both } = await filled();
		await restore(plain("b"));
		mkdirSync(at("b", "notes/sub"), { recursive: true });
		writeFileSync(at("b", "notes/sub/plan.md"), "another plan");
		writeFileSync(at("b", "notes/only-here"), "kept");
		const result = await restore(both("b"));
		expect(result.moved.map(({ path }) => path)).toEqual([".roots/notes/sub/plan.md"]);
		expect(readFileSync(result.moved[0]?.to ?? "", "utf8")).toBe("another plan");
		expect(readFileSync(at("b", "notes/sub/plan.md"), "utf8")).toBe("the plan");
		expect(await flush(both("b"))).toMatchObject({ kind: "committed", removed: 0, exitStatus: 0 });
		expect(await paths(plain("b"))).toContain(".roots/notes/only-here");
	});

	it("keep changes made while they were not configured, unless the log changed there too", async () => {
		const { at, plain, both } = await filled();
		for (const step of ["1", "2"]) {
			writeFileSync(at("a", "ws/f"), step);
			writeFileSync(at("a", "notes/sub/plan.md"), `changed ${step}`);
			rmSync(at("a", "notes/current"), { force: true });
			expect(await flush(plain("a"))).toMatchObject({ kind: "committed", exitStatus: 0 });
		}
		expect(await flush(both("a"))).toMatchObject({
			kind: "committed",
			removed: 1,
			moved: [],
			exitStatus: 0,
		});
		await restore(both("b"));
		expect(readFileSync(at("b", "notes/sub/plan.md"), "utf8")).toBe("changed 2");
		writeFileSync(at("b", "notes/sub/plan.md"), "by b");
		await flush(both("b"));
		writeFileSync(at("a", "notes/sub/plan.md"), "changed 3");
		await restore(plain("a"));
		expect((await restore(both("a"))).moved.map(({ path }) => path)).toEqual([
			".roots/notes/sub/plan.md",
		]);
		expect(readFileSync(at("a", "notes/sub/plan.md"), "utf8")).toBe("by b");
	});

	it.skipIf(!isOtherDevice("/dev/shm"))(
		"may be on another device than the trash: replaced entries are still moved there",
		async () => {
			const { dir, at, plain } = place();
			const shared = mkdtempSync("/dev/shm/roots-");
			undo.push(() => rmSync(shared, { recursive: true, force: true }));
			const odd = Buffer.from("caf\xe9", "latin1");
			const below = (directory: string) => Buffer.concat([Buffer.from(`${directory}/`), odd]);
			mkdirSync(at("a", "ws"), { recursive: true });
			for (const directory of [join(dir, "a/notes"), shared]) {
				const isShared = directory === shared;
				mkdirSync(directory, { recursive: true });
				writeFileSync(below(directory), isShared ? "mine" : "of the log");
				// A directory where the log has a file, with a link in it.
				if (isShared) mkdirSync(join(directory, "kind"));
				if (isShared)
					symlinkSync("nowhere", Buffer.concat([Buffer.from(`${directory}/kind/`), odd]));
				else writeFileSync(join(directory, "kind"), "a file");
			}
			await flush({ ...plain("a"), roots: { notes: at("a", "notes") } });
			const { moved } = await restore({ ...plain("b"), roots: { notes: shared } });
			expect(readFileSync(below(shared), "utf8")).toBe("of the log");
			expect(readFileSync(join(shared, "kind"), "utf8")).toBe("a file");
			expect(moved.map(({ path }) => path).sort()).toEqual([
				".roots/notes/caf\udce9",
				".roots/notes/kind",
			]);
			const trash = dirname(moved.find(({ path }) => path.endsWith("kind"))?.to ?? "");
			expect(readFileSync(below(trash), "utf8")).toBe("mine");
			expect(readlinkSync(below(join(trash, "kind")))).toBe("nowhere");
		},
	);

	it.skipIf(!isOtherDevice("/dev/shm"))(
		"are checked by doctor: missing ones, and each of their file systems",
		async () => {
			const { at, plain } = place();
			mkdirSync(at("a", "ws"), { recursive: true });
			const { checks } = await doctor({
				...plain("a"),
				roots: { notes: at("a", "notes"), code: "/dev/shm/roots-that-are-not-there" },
			});
			const found = (name: string) => checks.find((check) => check.name === name)?.found;
			expect(found("workspace")).toContain(
				`created by a restore: ${at("a", "notes")}, /dev/shm/roots-that-are-not-there`,
			);
			expect(found("disk of the workspace")).toMatch(
				/free at .*\/a\/ws; .* free at \/dev\/shm\/roots-that-are-not-there$/,
			);
		},
	);

	it("delete nothing if they are another directory than the one restored, whichever process watched", async () => {
		const { at, both } = await filled();
		rmSync(at("a", "deep/code"), { recursive: true });
		mkdirSync(at("a", "deep/code"));
		const logger = recordingLogger();
		await restore({ ...both("a"), logger });
		expect(logger.events.filter(({ event }) => event === "restore.root-is-another")).toMatchObject([
			{ level: "warn", fields: { path: ".roots/code", directory: at("a", "deep/code") } },
		]);
		expect(readdirSync(at("a", "deep/code"))).toEqual(["run.sh"]);
	});

	it("are part of an export, and are restored from it by an import", async () => {
		const { dir, at, plain, both } = await filled();
		await exportTree({ ...plain("x"), to: join(dir, "copy") });
		expect(readDisk(join(dir, "copy/.roots/notes"))).toEqual(readDisk(at("a", "notes")));
		const other = { namespace: "other" };
		expect(await importTree({ ...plain("x"), ...other, from: join(dir, "copy") })).toMatchObject({
			leftOut: [],
		});
		expect(await restore({ ...both("b"), ...other })).toMatchObject({ elsewhere: [] });
		for (const root of ["notes", "deep/code"])
			expect(readDisk(at("b", root))).toEqual(readDisk(at("a", root)));
		expect(await status({ ...both("b"), ...other })).toMatchObject({ isDurable: true, behind: 0 });
		expect(await flush({ ...both("b"), ...other })).toMatchObject({ exitStatus: 0 });
	});

	it.each<[string, (dir: string) => void]>([
		["a file in their place", (dir) => writeFileSync(join(dir, ".roots"), "")],
		[
			"a link in one's place",
			(dir) => {
				mkdirSync(join(dir, ".roots"));
				symlinkSync("/etc", join(dir, ".roots/notes"));
			},
		],
		[
			"a name that none can have",
			(dir) => void mkdirSync(join(dir, ".roots/My Notes"), { recursive: true }),
		],
	])(
		"cannot come from %s: an import refuses it, since no restore could ever bring it",
		async (_, make) => {
			const { dir, plain } = place();
			const from = join(dir, "from");
			mkdirSync(from);
			writeFileSync(join(from, "f"), "1");
			make(from);
			await expect(importTree({ ...plain("a"), from })).rejects.toMatchObject({
				code: "SOURCE_UNSAFE",
				message: expect.stringMatching(/\.roots.*additional root/),
			});
		},
	);

	it("commit deletions like any other", async () => {
		const { at, plain, both } = await filled();
		rmSync(at("a", "notes/sub/plan.md"));
		expect(await flush(both("a"))).toMatchObject({ removed: 1, exitStatus: 0 });
		expect(await paths(plain("a"))).not.toContain(".roots/notes/sub/plan.md");
	});

	it("return to an earlier commit; a root unknown to that commit is unchanged", async () => {
		const { at, plain, both } = place();
		mkdirSync(at("a", "ws"), { recursive: true });
		writeFileSync(at("a", "ws/f"), "1");
		const before = (await flush(plain("a"))).seq as number;
		mkdirSync(at("a", "notes"), { recursive: true });
		writeFileSync(at("a", "notes/n"), "first");
		const first = (await flush(both("a"))).seq as number;
		writeFileSync(at("a", "notes/n"), "second");
		writeFileSync(at("a", "notes/more"), "x");
		await flush(both("a"));
		await restore({ ...both("b"), at: first });
		expect(readFileSync(at("b", "notes/n"), "utf8")).toBe("first");
		expect(await rollback({ ...both("a"), to: first })).toMatchObject({
			exitStatus: 0,
			differences: [],
		});
		expect(readdirSync(at("a", "notes"))).toEqual(["n"]);
		expect(await rollback({ ...both("a"), to: before })).toMatchObject({
			exitStatus: 0,
			differences: [],
		});
		expect(readFileSync(at("a", "notes/n"), "utf8")).toBe("first");
	});

	// @id roots-of-one-workspace
	it("belong to one workspace: restoring an earlier commit elsewhere does not touch them", async () => {
		const { at, plain, both } = await filled();
		writeFileSync(at("a", "notes/sub/plan.md"), "a better plan");
		await flush(both("a"));
		const elsewhere = { ...both("a"), workspace: at("a", "look") };
		await expect(restore({ ...elsewhere, at: 2 })).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining(`is a root of the workspace ${at("a", "ws")}`),
		});
		await expect(restore({ ...plain("a"), workspace: at("a", "notes/sub") })).rejects.toMatchObject(
			{ code: "USAGE" },
		);
		expect(readFileSync(at("a", "notes/sub/plan.md"), "utf8")).toBe("a better plan");
		const own = { roots: { notes: at("a", "look-notes"), code: at("a", "look-code") } };
		expect(await restore({ ...elsewhere, ...own, at: 2 })).toMatchObject({ elsewhere: [] });
		expect(readFileSync(at("a", "look-notes/sub/plan.md"), "utf8")).toBe("the plan");
		// A workspace that no longer exists has none.
		rmSync(at("a", "ws"), { recursive: true });
		expect(await restore(elsewhere)).toMatchObject({ moved: [] });
	});

	it("do not include a name .roots in the workspace itself, which is reported", async () => {
		const { at, both, plain } = await filled();
		mkdirSync(at("a", "ws/.roots/notes"), { recursive: true });
		writeFileSync(at("a", "ws/.roots/notes/mine"), "a user's own");
		writeFileSync(at("a", "ws/f"), "x");
		for (const options of [both("a"), plain("a")]) {
			expect(await status(options)).toMatchObject({
				isDurable: false,
				notDurable: expect.arrayContaining([
					expect.objectContaining({ path: ".roots", kind: "reserved" }),
				]),
			});
			expect(await flush(options)).toMatchObject({ exitStatus: 3, notTaken: [{ path: ".roots" }] });
			await restore({ ...options, at: 2 });
		}
		expect(await paths(plain("a"))).not.toContain(".roots/notes/mine");
		expect(readFileSync(at("a", "ws/.roots/notes/mine"), "utf8")).toBe("a user's own");
	});
});

describe("directories that contain one another are refused", () => {
	const cases: readonly (readonly [string, (dir: string) => Record<string, string>, RegExp])[] = [
		["in the workspace", (dir) => ({ x: `${dir}/a/ws/x` }), /is inside the workspace/],
		["the workspace", (dir) => ({ x: `${dir}/a/ws` }), /is the workspace/],
		["above the workspace", (dir) => ({ x: `${dir}/a` }), /holds the workspace/],
		["one in another", (dir) => ({ x: `${dir}/x`, y: `${dir}/x/y` }), /is inside the root x/],
		["the same twice", (dir) => ({ x: `${dir}/x`, y: `${dir}/x/` }), /is the root x/],
		["through a link", (dir) => ({ x: `${dir}/link/x` }), /is inside the workspace/],
		[
			"by name, though a link leads out",
			(dir) => ({ x: `${dir}/a/ws/out` }),
			/is inside the workspace/,
		],
		["the store", (dir) => ({ x: `${dir}/store` }), /is the store/],
		["around the store", (dir) => ({ x: dir }), /holds/],
		[
			"in the state directory",
			(dir) => ({ x: `${dir}/a/state/x` }),
			/is inside the state directory/,
		],
		["a file", (dir) => ({ x: `${dir}/file` }), /not a directory/],
		["below a file", (dir) => ({ x: `${dir}/file/x` }), /ENOTDIR/],
		["a link that leads nowhere", (dir) => ({ x: `${dir}/nowhere` }), /ENOENT/],
	];

	it.each(cases)("%s", async (_, roots, message) => {
		const { dir, at, plain } = place();
		mkdirSync(at("a", "ws"), { recursive: true });
		mkdirSync(join(dir, "out"));
		symlinkSync(at("a", "ws"), join(dir, "link"));
		symlinkSync(join(dir, "out"), at("a", "ws/out"));
		symlinkSync(join(dir, "missing"), join(dir, "nowhere"));
		writeFileSync(join(dir, "file"), "");
		const options = { ...plain("a"), roots: roots(dir) };
		await expect(restore(options)).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringMatching(message),
		});
		expect(existsSync(join(dir, "missing"))).toBe(false);
	});

	it("and a workspace that cannot be inspected gives the same error as without roots", async () => {
		const { dir, at, plain } = place();
		symlinkSync(join(dir, "missing"), join(dir, "nowhere"));
		const options = { ...plain("a"), workspace: join(dir, "nowhere/ws") };
		const error = async (roots: Record<string, string>) =>
			(await restore({ ...options, roots }).catch((caught: unknown) => caught)) as object;
		expect(await error({ notes: at("a", "notes") })).toMatchObject({
			code: ((await error({})) as { code: string }).code,
		});
	});

	it("and a link to a root is followed", async () => {
		const { dir, at, plain } = place();
		mkdirSync(join(dir, "volume/notes"), { recursive: true });
		mkdirSync(at("a", "ws"), { recursive: true });
		symlinkSync(join(dir, "volume"), join(dir, "data"));
		writeFileSync(join(dir, "volume/notes/n"), "here");
		const options = { ...plain("a"), roots: { notes: join(dir, "data/notes") } };
		expect(await flush(options)).toMatchObject({ exitStatus: 0 });
		expect(await paths(options)).toContain(".roots/notes/n");
		expect(await status(options)).toMatchObject({ isDurable: true });
	});
});
