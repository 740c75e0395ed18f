import { execFile } from "node:child_process";
import {
	chmodSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	truncateSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLI_BUNDLE, jsonLines, jsonObject, ordinaryUser, Place } from "../../../testkit/cli.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";

const HOSTILE = "new\nline\u001b[31m";

describe("the verbs, one after the other, without a daemon", () => {
	let place: Place;
	let at1: string;

	const seqs = async () =>
		jsonLines((await place.cli("a", ["history", "--json"])).stdout).map(({ seq }) => seq);

	beforeAll(async () => {
		place = new Place();
		mkdirSync(place.path("a", "dir/empty"), { recursive: true });
		writeFileSync(place.path("a", "a.txt"), "one\n", { mode: 0o640 });
		writeFileSync(place.path("a", "dir", HOSTILE), "hostile");
		symlinkSync("../nowhere", place.path("a", "dir/link"));
	});
	afterAll(() => place[Symbol.dispose]());

	test("status of a new workspace reports an empty log, nothing durable, and exit status 3", async () => {
		const { status, stdout } = await place.cli("a", ["status", "--json"]);
		expect(status).toBe(3);
		const found = jsonObject(stdout);
		expect(found).toMatchObject({
			durable: false,
			log: { seq: 0 },
			base: null,
			daemon: null,
			notDurableCount: 5,
		});
		expect(found.notDurable).toContainEqual({ path: `dir/${HOSTILE}`, kind: "new", reason: "new" });
		const human = await place.cli("a", ["status"]);
		expect(human.stdout).toMatch(/durable +NO: 5 paths\n/);
		expect(human.stdout).toContain("dir/new\\u000aline\\u001b[31m: new");
	});

	test("flush commits it with a fence and a closed commit; status then exits with 0", async () => {
		const { status, stdout } = await place.cli("a", ["flush", "--json"]);
		expect(status).toBe(0);
		expect(jsonObject(stdout)).toMatchObject({
			by: "this process",
			kind: "committed",
			seq: 2,
			removed: 0,
			notTaken: [],
			moved: [],
			superseded: false,
		});
		const after = await place.cli("a", ["status"]);
		expect(after.status).toBe(0);
		expect(after.stdout).toMatch(/durable +yes/);
	});

	test("flush makes neither a commit nor a fence if nothing changed", async () => {
		const { status, stdout } = await place.cli("a", ["flush"]);
		expect({ status, stdout }).toEqual({
			status: 0,
			stdout: "nothing to flush: everything is durable\n",
		});
		expect(await seqs()).toEqual([2, 1]);
	});

	test("history lists the newest commit first, with the store's time", async () => {
		const { stdout } = await place.cli("a", ["history", "--json"]);
		const [newest, oldest] = jsonLines(stdout);
		expect(newest).toEqual({
			seq: 2,
			id: expect.stringMatching(/^[0-9a-f]{64}$/),
			writer: expect.stringMatching(/^[0-9a-f]{32}$/),
			time: expect.stringMatching(/^\d{4}-.*Z$/),
			kind: "delta",
			flags: { closed: true },
			changed: 6,
			removed: 0,
			objectBytes: expect.any(Number),
		});
		expect(oldest).toMatchObject({ seq: 1, flags: { fence: true } });
		at1 = String(newest?.time);
		const human = (await place.cli("a", ["history", "--limit", "1"])).stdout.split("\n");
		expect(human).toHaveLength(3);
		expect(human[1]).toMatch(/^ +2 .* 11 B +\+3 +a\.txt, dir\/link, dir\/new/);
	});

	test("ls shows modes, sizes and times, and no name can send control codes to a terminal", async () => {
		const { stdout } = await place.cli("a", ["ls", "-lR"]);
		expect(stdout.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME").split("\n")).toEqual([
			"-rw-r-----       4 B  TIME  a.txt",
			"drwxr-xr-x            TIME  dir/",
			"drwxr-xr-x            TIME  dir/empty/",
			"lrwxrwxrwx            TIME  dir/link -> ../nowhere",
			"-rw-r--r--       7 B  TIME  dir/new\\u000aline\\u001b[31m",
			"2 files, 11 B; 2 directories; 1 link",
			"",
		]);
		const below = jsonLines((await place.cli("a", ["ls", "./dir/", "--json"])).stdout);
		expect(below.map(({ path, type }) => [path, type])).toEqual([
			["dir", "dir"],
			["dir/empty", "dir"],
			["dir/link", "link"],
			[`dir/${HOSTILE}`, "file"],
		]);
		expect(below[2]).toMatchObject({
			target: "../nowhere",
			mtimeNs: expect.stringMatching(/^\d+$/),
		});
	});

	test("cat prints the bytes, also by the name that ls shows; a directory, a link or a missing file is an error", async () => {
		expect(await place.cli("a", ["cat", "a.txt"])).toMatchObject({
			status: 0,
			stdout: "one\n",
			stderr: "",
		});
		expect((await place.cli("a", ["cat", "dir/new\\u000aline\\u001b[31m"])).stdout).toBe("hostile");
		const failures: [string, RegExp][] = [
			["dir", /\[PATH_NOT_FOUND\] .*dir: it is a directory/],
			["dir/link", /\[PATH_NOT_FOUND\] .*it is a symbolic link to \.\.\/nowhere/],
			["nope", /\[PATH_NOT_FOUND\] .*nope: not in commit 2/],
		];
		for (const [path, said] of failures) {
			const { status, stdout, stderr } = await place.cli("a", ["cat", path]);
			expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
			expect(stderr).toMatch(said);
		}
	});

	// @id restore-elsewhere
	test("restore elsewhere gives the exact tree", async () => {
		const { status, stdout } = await place.cli("b", ["restore", "--json"]);
		expect(status).toBe(0);
		expect(jsonObject(stdout)).toMatchObject({
			seq: 2,
			files: 2,
			bytes: 11,
			written: 2,
			writtenBytes: 11,
			timed: 0,
			keptLocal: 0,
			moved: [],
		});
		expect(readDisk(place.path("b"))).toEqual(readDisk(place.path("a")));
		const human = await place.cli("b", ["restore"]);
		expect(human.stdout).toMatch(
			/^restored commit 2: 2 files, 11 B, in .*\neverything was already there\n$/,
		);
	});

	test("restore brings a time that only changed in the log, after which all is durable and a flush commits nothing", async () => {
		using other = new Place();
		writeFileSync(other.path("a", "f"), "f");
		await other.cli("a", ["flush"]);
		await other.cli("b", ["restore"]);
		utimesSync(other.path("a", "f"), 1_000, 1_000);
		await other.cli("a", ["flush"]);
		const planned = await other.cli("b", ["restore", "--dry-run"]);
		expect(planned.stdout).toMatch(/^would restore to commit 4: .*\n.*\bf\b/);
		const restored = await other.cli("b", ["restore"]);
		expect(restored.stdout).toContain("timed    1 path got the log's time\n");
		expect(readDisk(other.path("b"))).toEqual(readDisk(other.path("a")));
		expect(await other.cli("b", ["status"])).toMatchObject({ status: 0 });
		expect((await other.cli("b", ["flush"])).stdout).toMatch(/^nothing to flush/);
	});

	test("a change, a deletion and a touch: status names them, flush commits them, --at finds the state before", async () => {
		writeFileSync(place.path("a", "a.txt"), "two\n");
		rmSync(place.path("a", "dir/link"));
		utimesSync(place.path("a", "dir", HOSTILE), 1, 1);
		const before = await place.cli("a", ["status", "--json"]);
		expect(before.status).toBe(3);
		expect(jsonObject(before.stdout).notDurable).toEqual([
			{ path: "a.txt", kind: "changed", reason: "changed" },
			{ path: "dir/link", kind: "deleted", reason: "deleted" },
			{ path: `dir/${HOSTILE}`, kind: "time", reason: "its time changed" },
		]);
		const { status, stdout } = await place.cli("a", ["flush"]);
		expect(status).toBe(0);
		expect(stdout).toMatch(/^committed 4: \d paths changed, 1 removed, /);
		expect((await place.cli("a", ["cat", "a.txt"])).stdout).toBe("two\n");
		expect((await place.cli("a", ["cat", "a.txt", "--at", "2"])).stdout).toBe("one\n");
		expect((await place.cli("a", ["cat", "a.txt", "--at", at1])).stdout).toBe("one\n");
	});

	test("restore --at makes the directory exactly that commit, and moves other files away; a plain restore brings them back", async () => {
		const { status, stdout } = await place.cli("a", ["restore", "--at", "2", "--json"]);
		expect(status).toBe(0);
		const { moved } = jsonObject(stdout) as { moved: { path: string; to: string }[] };
		expect(moved.map(({ path }) => path)).toEqual(["a.txt"]);
		expect(readFileSync(moved[0]?.to as string, "utf8")).toBe("two\n");
		expect(readDisk(place.path("a"))).toEqual(readDisk(place.path("b")));
		await place.cli("a", ["restore"]);
		expect(readFileSync(place.path("a", "a.txt"), "utf8")).toBe("two\n");
	});

	test("a missing commit or time is exit status 2", async () => {
		for (const at of ["99", "2001-01-01", "9w"]) {
			const { status, stderr } = await place.cli("a", ["ls", "--at", at]);
			expect(status).toBe(2);
			expect(stderr).toMatch(
				new RegExp(
					`^error \\[COMMIT_NOT_FOUND\\] .*: ${at}: (the newest commit is 4|the oldest commit is 1, of .*)\n`,
				),
			);
		}
	});

	test("flush refuses a directory that was never restored from a log with commits", async () => {
		writeFileSync(place.path("c", "mine"), "mine");
		const { status, stdout } = await place.cli("c", ["flush", "--json"]);
		expect(status).toBe(2);
		expect(jsonObject(stdout).error).toMatchObject({
			code: "WORKSPACE_NOT_RESTORED",
			value: place.path("c"),
		});
	});
});

test("more than half of the tree vanished while no watcher ran: the deletion is not committed, and a restore brings the files back", async () => {
	using place = new Place();
	for (let i = 0; i < 12; i++) writeFileSync(place.path("a", String(i)), "x");
	await place.cli("a", ["flush"]);
	for (let i = 0; i < 12; i++) rmSync(place.path("a", String(i)));
	const { status, stdout } = await place.cli("a", ["flush", "--json"]);
	expect(status).toBe(3);
	expect(jsonObject(stdout)).toMatchObject({ kind: "nothing", removed: 0, deferredDeletions: 12 });
	expect((await place.cli("a", ["restore"])).status).toBe(0);
	expect(readdirSync(place.path("a"))).toHaveLength(12);
});

// @id flush-keeps-both-sides
test("flush keeps both sides of an edit that meets a newer commit: the log's in place, this disk's below .recovered/", async () => {
	using place = new Place();
	writeFileSync(place.path("a", "f"), "common");
	await place.cli("a", ["flush"]);
	await place.cli("b", ["restore"]);
	writeFileSync(place.path("a", "f"), "newer in the log");
	await place.cli("a", ["flush"]);
	writeFileSync(place.path("b", "f"), "changed here");
	writeFileSync(place.path("b", "own"), "new here");
	const { status, stdout } = await place.cli("b", ["flush", "--json"]);
	expect(status).toBe(0);
	const { moved } = jsonObject(stdout) as { moved: { path: string; to: string }[] };
	expect(moved).toEqual([{ path: "f", to: expect.any(String), isInLog: false }]);
	const recovered = jsonObject((await place.cli("a", ["recover", "--json"])).stdout);
	expect(recovered).toMatchObject({
		writers: [{ restore: true, files: 1, entries: [{ path: "f" }] }],
	});
	expect(readFileSync(moved[0]?.to as string, "utf8")).toBe("changed here");
	expect(readFileSync(place.path("b", "f"), "utf8")).toBe("newer in the log");
	expect((await place.cli("a", ["cat", "own"])).stdout).toBe("new here");
	expect(await place.cli("b", ["flush"])).toMatchObject({
		status: 0,
		stdout: "nothing to flush: everything is durable\n",
	});
});

// @id untakeable-named
test("flush and status name paths that cannot be read, with exit status 3", async () => {
	using place = new Place();
	writeFileSync(place.path("a", "good"), "x");
	writeFileSync(place.path("a", ".recovered"), "the name is taken");
	const flushed = await place.cli("a", ["flush", "--json"]);
	expect(flushed.status).toBe(3);
	expect(jsonObject(flushed.stdout)).toMatchObject({
		kind: "committed",
		notTaken: [{ path: ".recovered", reason: expect.stringContaining("reserved") }],
	});
	expect((await place.cli("a", ["status"])).status).toBe(3);
});

// @id wal-rows-durable
test("a database with rows in its WAL is durable once they are committed", async () => {
	using place = new Place();
	const database = new DatabaseSync(place.path("a", "db.sqlite"));
	database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	expect((await place.cli("a", ["flush"])).status).toBe(0);
	expect((await place.cli("a", ["status"])).status).toBe(0);
	database.exec("INSERT INTO t VALUES (2)");
	expect((await place.cli("a", ["status"])).status).toBe(3);
	database.close();
});

test("a secret that was stored readable for all is restored strictly, and is durable so", async () => {
	using place = new Place();
	mkdirSync(place.path("a", "credentials"), { recursive: true });
	writeFileSync(place.path("a", "credentials/token"), "t", { mode: 0o644 });
	chmodSync(place.path("a", "credentials/token"), 0o644);
	const profile = ["--profile", "openclaw"];
	await place.cli("a", ["flush", ...profile]);
	await place.cli("b", ["restore", ...profile]);
	const { status, stdout } = await place.cli("b", ["status", "--json", ...profile]);
	expect(jsonObject(stdout).notDurable).toEqual([]);
	expect(status).toBe(0);
});

test("a reader that closes the pipe quietly ends a listing, and a file larger than a pipe", async () => {
	using place = new Place();
	for (let i = 0; i < 1_500; i++) writeFileSync(place.path("a", `a-name-of-some-length-${i}`), "");
	writeFileSync(place.path("a", "zeros"), "");
	truncateSync(place.path("a", "zeros"), 8 * 1024 * 1024);
	await place.cli("a", ["flush"]);
	const pipe = async (verb: string, reader: string) => {
		const script = `"$0" "$@" ${verb} | ${reader}; echo "status \${PIPESTATUS[0]}"`;
		return await new Promise<{ stdout: string; stderr: string }>((resolve, reject) => {
			execFile(
				"bash",
				["-c", script, process.execPath, CLI_BUNDLE, ...place.args("a")],
				{ cwd: place.dir },
				(error, stdout, stderr) => (error ? reject(error) : resolve({ stdout, stderr })),
			);
		});
	};
	expect(await pipe("ls", "head -n 1 | wc -l")).toEqual({ stdout: "1\nstatus 0\n", stderr: "" });
	expect(await pipe("cat zeros", "head -c 1 | wc -c")).toEqual({
		stdout: "1\nstatus 0\n",
		stderr: "",
	});
});

describe("unusable places", () => {
	test("a workspace that is a file", async () => {
		using place = new Place();
		writeFileSync(place.path("a"), "a file");
		for (const command of ["restore", "run", "flush", "status"]) {
			const { status, stderr } = await place.cli("a", [command, "--log-level", "silent"]);
			expect({ command, status, stderr: stderr.split(":", 1)[0] }).toEqual({
				command,
				status: 2,
				stderr: "error [WORKSPACE_NOT_DIRECTORY] there is no workspace directory at this path",
			});
		}
		expect(readFileSync(place.path("a"), "utf8")).toBe("a file");
	});

	test("a workspace that cannot be written: nothing is fenced", async () => {
		using place = new Place();
		mkdirSync(place.path("a"));
		chmodSync(place.path("a"), 0o555);
		for (const shared of ["store", "a/state"]) {
			mkdirSync(join(place.dir, shared), { recursive: true });
			chmodSync(join(place.dir, shared), 0o777);
		}
		const { status, stderr } = await place.cli(
			"a",
			["run", "--log-level", "silent"],
			ordinaryUser(),
		);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^error \[WORKSPACE_READ_ONLY\]/);
		expect(readdirSync(place.store)).toEqual([]);
	});

	// Nothing can be made in /proc, where the error is that it does not exist.
	test.each(["/dev/null/state", "/proc/none"])(
		"a state directory that cannot be written: %s",
		async (stateDir) => {
			using place = new Place();
			const { status, stderr } = await place.cli("a", ["status", "--state-dir", stateDir]);
			expect(status).toBe(2);
			expect(stderr).toMatch(/^error \[STATE_DIR_UNUSABLE\]/);
			expect(stderr).toContain(stateDir);
		},
	);
});
