import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
	chmodSync,
	closeSync,
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../commit/read-log.ts";
import { flush, planRestore, planRollback, restore, restorePaths, SidecarError } from "../index.ts";
import { namespaced } from "../store/namespaced.ts";
import { noProgress } from "../telemetry/progress.ts";

let dir: string;
let store: AgingStore;
let options: { readonly workspace: string; readonly stateDir: string } & {
	readonly store: AgingStore;
	readonly profile: "plain";
	readonly handoverWaitMs: 0;
};
let first: number;
const path = (...names: string[]) => join(dir, "ws", ...names);
const write = (name: string, text: string) => writeFileSync(path(name), text);
const text = (name: string) => readFileSync(path(name), "utf8");
const head = async () => (await readLog(namespaced(store, "default"))).head;
const disk = () => readDisk(join(dir, "ws"));

/** `first` is the first state; the newest commit has another one. */
beforeEach(async () => {
	dir = mkdtempSync(join(tmpdir(), "restore-paths-"));
	store = new AgingStore();
	options = {
		...{ workspace: join(dir, "ws"), stateDir: join(dir, "state"), store },
		...{ profile: "plain", handoverWaitMs: 0 },
	};
	mkdirSync(path("dir/sub"), { recursive: true });
	write("a", "one");
	chmodSync(path("a"), 0o640);
	utimesSync(path("a"), 1_700_000_000, 1_700_000_000);
	write("dir/b", "one");
	write("dir/sub/c", "one");
	symlinkSync("../a", path("dir/link"));
	await flush(options);
	first = (await head()).seq;
	write("a", "two");
	chmodSync(path("a"), 0o600);
	rmSync(path("dir/sub"), { recursive: true });
	rmSync(path("dir/link"));
	write("dir/b", "two");
	write("dir/new", "new");
	write("other", "other");
	await flush(options);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("in place", () => {
	it("brings back one file with its mode and time; nothing else changes, and the next flush commits it", async () => {
		const before = disk();
		const seq = (await head()).seq;
		const result = await restorePaths({ ...options, paths: ["./a"], at: first });
		expect(result).toMatchObject({
			...{ from: [{ path: "a", seq: first }], exitStatus: 0, dryRun: false },
			changes: [{ path: "a", kind: "changed", type: "file", bytes: 3 }],
			moved: [{ path: "a", isInLog: true }],
		});
		const stat = lstatSync(path("a"));
		expect([text("a"), stat.mode & 0o777, stat.mtimeMs]).toEqual(["one", 0o640, 1_700_000_000_000]);
		const others = (found: typeof before) => [...found].filter(([at]) => at !== "a" && at !== "");
		expect(others(disk())).toEqual(others(before));
		expect((await head()).seq).toBe(seq);
		expect(await flush(options)).toMatchObject({ kind: "committed", changed: expect.any(Number) });
		expect((await head()).tree.get("a")).toMatchObject({ size: 3, mode: 0o640 });
	});

	it("brings back a directory as it was: what was deleted returns, what was added moves away", async () => {
		const { changes, moved } = await restorePaths({ ...options, paths: [path("dir")], at: first });
		expect(changes.map(({ path, kind }) => `${kind} ${path}`).sort()).toEqual([
			"added dir/link",
			"added dir/sub",
			"added dir/sub/c",
			"changed dir/b",
			"removed dir/new",
		]);
		expect([text("dir/b"), text("dir/sub/c"), readlinkSync(path("dir/link"))]).toEqual([
			"one",
			"one",
			"../a",
		]);
		expect(existsSync(path("dir/new"))).toBe(false);
		const away = moved.find(({ path }) => path === "dir/new");
		expect(readFileSync(away?.to as string, "utf8")).toBe("new");
		expect([text("a"), text("other")]).toEqual(["two", "other"]);
	});

	it("finds the last version of a deleted file, with the directory above it", async () => {
		const result = await restorePaths({ ...options, paths: ["dir/sub/c"] });
		expect(result.from).toEqual([{ path: "dir/sub/c", seq: expect.any(Number) }]);
		expect(text("dir/sub/c")).toBe("one");
		expect(text("dir/b")).toBe("two");
	});

	// @id restore-path-keeps-unsaved
	it("keeps bytes that the log lacks: the next flush commits them below .recovered/", async () => {
		write("a", "unsaved");
		const { moved } = await restorePaths({ ...options, paths: ["a"], at: first });
		expect(moved).toMatchObject([{ path: "a", isInLog: false }]);
		expect(readFileSync(moved[0]?.to as string, "utf8")).toBe("unsaved");
		await flush(options);
		const kept = [...(await head()).tree].filter(([at]) => /^\.recovered\/[^/]+\/a$/.test(at));
		expect(kept).toMatchObject([[expect.any(String), { type: "file", size: 7 }]]);
	});

	// @id restore-path-deletions-meant
	it("removes many files, and the next flush commits these deletions but no wipe beside them", async () => {
		for (let index = 0; index < 40; index++) write(`dir/many${index}`, "x");
		for (let index = 0; index < 15; index++) write(`lost${index}`, "x");
		await flush(options);
		await restorePaths({ ...options, paths: ["dir"], at: first });
		for (let index = 0; index < 12; index++) rmSync(path(`lost${index}`));
		expect(await flush(options)).toMatchObject({ kind: "committed", deferredDeletions: 12 });
		const { tree } = await head();
		expect([...tree.keys()].filter((at) => at.startsWith("dir/many"))).toEqual([]);
		expect([...tree.keys()].filter((at) => at.startsWith("lost"))).toHaveLength(15);
	});

	// @id restore-path-meant-once
	it("means a deletion only until the path is on the disk again", async () => {
		for (let index = 0; index < 40; index++) write(`dir/many${index}`, "x");
		await flush(options);
		const full = (await head()).seq;
		await restorePaths({ ...options, paths: ["dir"], at: first });
		await restorePaths({ ...options, paths: ["dir"], at: full });
		for (let index = 0; index < 40; index++) rmSync(path(`dir/many${index}`));
		expect(await flush(options)).toMatchObject({ deferredDeletions: 40 });
		expect((await head()).tree.has("dir/many7")).toBe(true);
	});

	// @id restore-path-older-state
	it("refuses a path that another machine changed since, and takes the others", async () => {
		const other = { ...options, workspace: join(dir, "other"), stateDir: join(dir, "state2") };
		await restore(other);
		writeFileSync(join(dir, "other/dir/b"), "three");
		await flush(other);
		await expect(restorePaths({ ...options, paths: ["dir"], at: first })).rejects.toMatchObject({
			code: "WORKSPACE_NOT_RESTORED",
			message: expect.stringContaining("dir/b"),
		});
		expect(text("dir/b")).toBe("two");
		await restorePaths({ ...options, paths: ["a"], at: first });
		await flush(options);
		expect([text("a"), text("dir/b")]).toEqual(["one", "three"]);
	});

	it("with dryRun names what would change, and writes nothing", async () => {
		const before = disk();
		const { changes, dryRun } = await restorePaths({
			...{ ...options, paths: ["a", "dir"], at: first },
			dryRun: true,
		});
		expect([changes.length, dryRun]).toEqual([6, true]);
		expect(disk()).toEqual(before);
	});

	// @id restore-path-through-link
	it("does not write through a link in the place of a directory", async () => {
		mkdirSync(join(dir, "outside"));
		writeFileSync(join(dir, "outside/b"), "outside");
		rmSync(path("dir"), { recursive: true });
		symlinkSync(join(dir, "outside"), path("dir"));
		await expect(restorePaths({ ...options, paths: ["dir/b"], at: first })).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining("dir is a symbolic link here"),
		});
		expect(readFileSync(join(dir, "outside/b"), "utf8")).toBe("outside");
		// The directory itself may take the link's place.
		await restorePaths({ ...options, paths: ["dir"], at: first });
		expect([text("dir/b"), readFileSync(join(dir, "outside/b"), "utf8")]).toEqual([
			"one",
			"outside",
		]);
	});

	// @id restore-path-open-file
	it("refuses a file that a process has open for writing, and a database that one has open", async () => {
		const holder = spawn("sleep", ["60"], {
			stdio: ["ignore", openSync(path("a"), "a"), "ignore"],
		});
		try {
			await expect(restorePaths({ ...options, paths: ["a"], at: first })).rejects.toMatchObject({
				code: "WORKSPACE_BUSY",
				message: expect.stringContaining(`process ${holder.pid} (sleep) has it open`),
			});
			expect(text("a")).toBe("two");
		} finally {
			holder.kill();
			await once(holder, "exit");
		}
		await restorePaths({ ...options, paths: ["a"], at: first });
		expect(text("a")).toBe("one");
	});

	it("restores a database that nobody has open, and refuses it while a process reads it", async () => {
		const value = () => {
			using database = new DatabaseSync(path("db"));
			return database.prepare("SELECT x FROM t").get()?.x;
		};
		const run = (sql: string) => {
			using database = new DatabaseSync(path("db"));
			database.exec(sql);
		};
		run("CREATE TABLE t (x); INSERT INTO t VALUES ('first')");
		await flush(options);
		const { seq } = await head();
		run("PRAGMA journal_mode=WAL; UPDATE t SET x = 'second'");
		await flush(options);
		const fd = openSync(path("db"), "r");
		const holder = spawn("sleep", ["60"], { stdio: [fd, "ignore", "ignore"] });
		closeSync(fd);
		try {
			await expect(restorePaths({ ...options, paths: ["db"], at: seq })).rejects.toMatchObject({
				code: "WORKSPACE_BUSY",
				remedy: expect.stringContaining("--to DIR"),
			});
		} finally {
			holder.kill();
			await once(holder, "exit");
		}
		expect(value()).toBe("second");
		await restorePaths({ ...options, paths: ["db"], at: seq });
		expect(value()).toBe("first");
	});

	// @id restore-path-leftover-wal
	it("moves a leftover write-ahead log to the trash and commits it: it may have the only rows", async () => {
		{
			using database = new DatabaseSync(path("db"));
			database.exec("PRAGMA journal_mode=WAL; CREATE TABLE t (x)");
		}
		await flush(options);
		const { seq } = await head();
		let wal: Buffer;
		{
			using database = new DatabaseSync(path("db"));
			database.exec("INSERT INTO t VALUES ('only here')");
			wal = readFileSync(path("db-wal"));
		}
		rmSync(path("db"));
		writeFileSync(path("db-wal"), wal);
		const { moved } = await restorePaths({ ...options, paths: ["db"], at: seq });
		expect(moved).toMatchObject([{ path: "db-wal", isInLog: false }]);
		expect(readFileSync(moved[0]?.to as string)).toEqual(wal);
		expect(existsSync(path("db-wal"))).toBe(false);
		await flush(options);
		const kept = [...(await head()).tree].filter(([at]) => /^\.recovered\/.*\/db-wal$/.test(at));
		expect(kept).toMatchObject([[expect.any(String), { size: wal.length }]]);
	});

	// @id restore-path-link-place
	it("moves away what the agent writes at a link's place during the restore", async () => {
		const progress = {
			...noProgress,
			// All files are there, the links are not.
			advance: () => {
				if (!existsSync(path("dir/link"))) write("dir/link", "agent");
			},
		};
		const { moved } = await restorePaths({ ...options, progress, paths: ["dir"], at: first });
		const away = moved.find((each) => each.path === "dir/link");
		expect(away).toMatchObject({ isInLog: false });
		expect(readFileSync(away?.to as string, "utf8")).toBe("agent");
		expect(readlinkSync(path("dir/link"))).toBe("../a");
	});

	// @id restore-path-hidden-content
	it("replaces no directory that holds excluded files: no commit has them", async () => {
		write("x", "a file");
		await flush(options);
		const { seq } = await head();
		rmSync(path("x"));
		mkdirSync(path("x"));
		write("x/secret.log", "only here");
		write("x/a", "a");
		write(".openclaw-sidecar-ignore", "*.log\n");
		await flush(options);
		await expect(restorePaths({ ...options, paths: ["x"], at: seq })).rejects.toMatchObject({
			code: "USAGE",
			value: "x/secret.log",
		});
		expect([text("x/secret.log"), text("x/a")]).toEqual(["only here", "a"]);
		rmSync(path("x/secret.log"));
		await restorePaths({ ...options, paths: ["x"], at: seq });
		expect(text("x")).toBe("a file");
	});

	it("refuses a directory that does not derive from the log", async () => {
		const elsewhere = { ...options, workspace: join(dir, "elsewhere") };
		mkdirSync(elsewhere.workspace);
		await expect(restorePaths({ ...elsewhere, paths: ["a"] })).rejects.toMatchObject({
			code: "WORKSPACE_NOT_RESTORED",
			remedy: expect.stringContaining("--to DIR"),
		});
	});

	it("brings back a path of an additional root by its own absolute path, and leaves the rest", async () => {
		const extra = join(dir, "extra");
		mkdirSync(extra);
		writeFileSync(join(extra, "x"), "one");
		const rooted = { ...options, roots: { extra } };
		await flush(rooted);
		const { seq } = await head();
		writeFileSync(join(extra, "x"), "two");
		write("a", "three");
		await flush(rooted);
		const { changes } = await restorePaths({ ...rooted, paths: [join(extra, "x")], at: seq });
		expect(changes).toMatchObject([{ path: ".roots/extra/x", kind: "changed" }]);
		expect(readFileSync(join(extra, "x"), "utf8")).toBe("one");
		expect(text("a")).toBe("three");
		rmSync(extra, { recursive: true });
		await expect(
			restorePaths({ ...options, paths: [".roots/extra/x"], at: seq }),
		).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
	});

	it("puts back what it moved if the content cannot be read", async () => {
		writeFileSync(path("dir/large"), randomBytes(5 * 1024 * 1024));
		await flush(options);
		const { seq } = await head();
		rmSync(path("dir/large"));
		write("dir/later", "later");
		await flush(options);
		const before = disk();
		store.before = (verb, key) => {
			if (verb !== "get" || !key.includes("/packs/")) return;
			throw new SidecarError("STORE_UNREACHABLE", { value: "the test" });
		};
		await expect(restorePaths({ ...options, paths: ["dir"], at: seq })).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
		});
		store.before = () => {};
		const contents = (found: typeof before) => [...found].map(([at, { content }]) => [at, content]);
		expect(contents(disk())).toEqual(contents(before));
		expect((await flush(options)).removed).toBe(0);
	});

	it("names a path that the commit lacks, and one that no commit has", async () => {
		await expect(restorePaths({ ...options, paths: ["dir/new"], at: first })).rejects.toMatchObject(
			{
				code: "PATH_NOT_FOUND",
				message: expect.stringContaining(`not in commit ${first}`),
			},
		);
		await expect(restorePaths({ ...options, paths: ["never"] })).rejects.toMatchObject({
			code: "PATH_NOT_FOUND",
			message: expect.stringContaining("no commit that is left has it"),
		});
		await expect(restorePaths({ ...options, paths: ["DIR/B"] })).rejects.toMatchObject({
			message: expect.stringContaining("; did you mean dir/b?"),
		});
		await expect(restorePaths({ ...options, paths: ["a", "yesterday"] })).rejects.toMatchObject({
			code: "PATH_NOT_FOUND",
			remedy: 'it names a commit or a time: write --at "yesterday"',
		});
		await expect(restorePaths({ ...options, paths: ["dir/*"] })).rejects.toMatchObject({
			message: expect.stringContaining("restore takes paths, not patterns"),
			remedy: 'name the paths that `openclaw-sidecar find "dir/*"` lists',
		});
	});
});

describe("to another directory", () => {
	it("writes each path below it with mode and time, and leaves the workspace alone", async () => {
		const before = disk();
		const to = join(dir, "out");
		const result = await restorePaths({ ...options, paths: ["a", "dir/sub"], at: first, to });
		expect(result).toMatchObject({ to, exitStatus: 0 });
		const stat = lstatSync(join(to, "a"));
		expect([stat.mode & 0o777, stat.mtimeMs]).toEqual([0o640, 1_700_000_000_000]);
		expect(readFileSync(join(to, "dir/sub/c"), "utf8")).toBe("one");
		expect(existsSync(join(to, "dir/b"))).toBe(false);
		expect(disk()).toEqual(before);
	});

	// @id restore-path-to-overwrites-nothing
	it("never overwrites a file with other content, unless force is given", async () => {
		const to = join(dir, "out");
		mkdirSync(to);
		writeFileSync(join(to, "a"), "mine");
		const wanted = { ...options, paths: ["dir/b", "a"], at: first, to };
		await expect(restorePaths(wanted)).rejects.toMatchObject({
			code: "TARGET_NOT_EMPTY",
			value: "a",
		});
		expect(readFileSync(join(to, "a"), "utf8")).toBe("mine");
		expect(existsSync(join(to, "dir"))).toBe(false);
		const { moved } = await restorePaths({ ...wanted, force: true });
		expect(readFileSync(join(to, "a"), "utf8")).toBe("one");
		expect(readFileSync(moved[0]?.to as string, "utf8")).toBe("mine");
		// What has the same content stays.
		expect((await restorePaths(wanted)).changes).toEqual([]);
		// Not the workspace's: no commit keeps it.
		expect((await flush(options)).kind).toBe("nothing");
	});

	it("with dryRun creates nothing; a place inside the workspace is refused", async () => {
		const to = join(dir, "out");
		const { changes } = await restorePaths({
			...options,
			paths: ["a"],
			at: first,
			to,
			dryRun: true,
		});
		expect([changes.length, existsSync(to)]).toEqual([1, false]);
		await expect(
			restorePaths({ ...options, paths: ["a"], at: first, to: path("dir") }),
		).rejects.toMatchObject({ code: "USAGE", message: expect.stringContaining("workspace") });
	});

	// @id restore-path-to-removes-nothing
	it("removes nothing in the directory, whatever has the sidecar's own name there", async () => {
		const to = join(dir, "out");
		mkdirSync(join(to, ".openclaw-sidecar/store"), { recursive: true });
		writeFileSync(join(to, ".openclaw-sidecar/store/pack"), "mine");
		await restorePaths({ ...options, paths: ["a", "dir"], at: first, to });
		expect(readFileSync(join(to, ".openclaw-sidecar/store/pack"), "utf8")).toBe("mine");
		expect(readdirSync(to).sort()).toEqual([".openclaw-sidecar", "a", "dir"]);
	});

	// @id restore-path-to-apart
	it.each([
		["in the workspace through a link", (at: string) => join(at, "link/out"), "it is in"],
		["the state directory", (at: string) => join(at, "state"), "it is in the state directory"],
		["in the store", (at: string) => join(at, "store/x"), "it is in the store"],
		["the directory that contains all of these", (at: string) => at, "it contains"],
	])("refuses a directory that is %s, and leaves an edit alone", async (_, of, reason) => {
		const local = { ...options, store: pathToFileURL(join(dir, "store")).href };
		await flush({ ...local, stateDir: join(dir, "other-state") });
		mkdirSync(path("out"));
		symlinkSync(path(), join(dir, "link"));
		write("out/a", "an edit");
		const before = disk();
		await expect(
			restorePaths({ ...local, paths: ["a"], to: of(dir), force: true }),
		).rejects.toMatchObject({ code: "USAGE", message: expect.stringContaining(reason) });
		expect(disk()).toEqual(before);
	});
});

describe("a dry run of the whole", () => {
	it("tells what restore and rollback would do, and writes nothing", async () => {
		const [before, { seq }] = [disk(), await head()];
		const expected = [
			"added dir/link",
			"added dir/sub",
			"added dir/sub/c",
			"changed a",
			"changed dir/b",
			"removed dir/new",
			"removed other",
		];
		const words = (changes: readonly { readonly path: string; readonly kind: string }[]) =>
			changes.map(({ path, kind }) => `${kind} ${path}`).sort();
		const rolled = await planRollback({ ...options, to: first });
		expect([rolled.seq, words(rolled.changes)]).toEqual([first, expected]);
		const restored = await planRestore({ ...options, at: first });
		expect(words(restored.changes)).toEqual(expected);
		expect((await planRestore(options)).changes).toEqual([]);
		const emptied = (await planRollback({ ...options, to: 1 })).changes;
		expect(emptied.map(({ path }) => path).sort()).toEqual([
			"a",
			"dir",
			"dir/b",
			"dir/new",
			"other",
		]);
		const elsewhere = join(dir, "elsewhere");
		const all = await planRestore({ ...options, workspace: elsewhere });
		expect([all.seq, all.changes.length, existsSync(elsewhere)]).toEqual([seq, 5, false]);
		expect([disk(), (await head()).seq]).toEqual([before, seq]);
	});
});
