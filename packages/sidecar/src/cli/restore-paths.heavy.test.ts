import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { jsonObject, Place } from "../../../testkit/cli.ts";
import { askDaemon } from "../daemon/control.ts";
import type { SidecarError } from "../errors.ts";

let place: Place;

beforeEach(async () => {
	place = new Place();
	mkdirSync(place.path("a", "notes"), { recursive: true });
	for (let index = 0; index < 12; index++) writeFileSync(place.path("a", `f${index}`), "x");
	writeFileSync(place.path("a", "MEMORY.md"), "one\n");
	writeFileSync(place.path("a", "notes/today.md"), "one\n");
	await place.cli("a", ["flush"]);
});
afterEach(() => place[Symbol.dispose]());

const text = (...names: string[]) => readFileSync(place.path("a", ...names), "utf8");

describe("without a daemon", () => {
	test("restore PATH brings a file back, says from where, and leaves the commit to flush", async () => {
		writeFileSync(place.path("a", "MEMORY.md"), "two\n");
		await place.cli("a", ["flush"]);
		const tried = await place.cli("a", ["restore", "MEMORY.md", "--at", "2", "--dry-run"]);
		expect(tried).toMatchObject({
			status: 0,
			stdout: "would restore from commit 2: 1 changed, 4 B\n~ MEMORY.md  4 B\n",
		});
		expect(text("MEMORY.md")).toBe("two\n");
		const { status, stdout } = await place.cli("a", ["restore", "MEMORY.md", "--at", "2"]);
		expect(status).toBe(0);
		expect(stdout).toContain(
			"restored from commit 2: 1 changed, 4 B; the next `openclaw-sidecar flush` commits it\n",
		);
		expect(text("MEMORY.md")).toBe("one\n");
		expect((await place.cli("a", ["flush"])).stdout).toMatch(/^committed 6: /);
	});

	test("restore finds a deleted file; --to writes elsewhere, and refuses to overwrite", async () => {
		rmSync(place.path("a", "notes"), { recursive: true });
		await place.cli("a", ["flush"]);
		const to = join(place.dir, "out");
		const elsewhere = await place.cli("a", ["restore", "notes/today.md", "--to", to, "--json"]);
		expect(jsonObject(elsewhere.stdout)).toMatchObject({ to, exitStatus: 0, moved: [] });
		expect(readFileSync(join(to, "notes/today.md"), "utf8")).toBe("one\n");
		writeFileSync(join(to, "notes/today.md"), "mine");
		const refused = await place.cli("a", ["restore", "notes/today.md", "--to", to]);
		expect(refused.status).toBe(2);
		expect(refused.stderr).toMatch(
			/^error \[TARGET_NOT_EMPTY\] .*: notes\/today\.md: .*\nwhat to do: .*--force/,
		);
		await place.cli("a", ["restore", "notes/today.md"]);
		expect(text("notes/today.md")).toBe("one\n");
	});

	test("undo and undo again, and rollback --dry-run, which writes nothing", async () => {
		writeFileSync(place.path("a", "MEMORY.md"), "two\n");
		const undone = await place.cli("a", ["undo"]);
		expect(undone.status).toBe(0);
		expect(undone.stdout).toMatch(
			/^undid commit \d+: 1 changed, 4 B; this is commit \d+\n~ MEMORY.md {2}4 B\n`openclaw-sidecar undo` takes it back; /,
		);
		expect(text("MEMORY.md")).toBe("one\n");
		await place.cli("a", ["undo", "MEMORY.md"]);
		expect(text("MEMORY.md")).toBe("two\n");
		const before = (await place.cli("a", ["history", "--json"])).stdout;
		const tried = await place.cli("a", ["rollback", "--to", "2", "--dry-run"]);
		expect(tried).toMatchObject({
			status: 0,
			stdout: "would roll back to commit 2: 1 changed, 4 B\n~ MEMORY.md  4 B\n",
		});
		expect((await place.cli("a", ["history", "--json"])).stdout).toBe(before);
		expect(text("MEMORY.md")).toBe("two\n");
	});

	test.each([
		[["restore", "--to", "x"], "--to: it needs a PATH"],
		[["restore", "f1", "--force"], "--force: it is for --to"],
		[["restore", "never"], "never: no commit that is left has it"],
		[["undo", "never"], "never: no commit changed it"],
	])("%j is refused with a remedy", async (args, said) => {
		const { status, stderr } = await place.cli("a", args);
		expect(status).toBe(2);
		expect(stderr).toContain(said);
		expect(stderr).toMatch(/\nwhat to do: .+\n$/);
	});
});

describe("beside a running daemon", () => {
	// @id restore-path-beside-daemon
	test("the daemon brings a file back and commits it; it refuses a database, and a whole rollback", async () => {
		using database = new DatabaseSync(place.path("a", "db.sqlite"));
		database.exec("CREATE TABLE t (x)");
		database.close();
		await place.cli("a", ["flush"]);
		const daemon = place.start("a", ["run", "--", "sleep", "60"]);
		await daemon.waitForEvent("agent.started");
		writeFileSync(place.path("a", "MEMORY.md"), "unsaved\n");
		const { status, stdout } = await place.cli("a", ["restore", "MEMORY.md", "--at", "2"]);
		expect(status).toBe(0);
		const [, seq] = /; this is commit (\d+)\n/.exec(stdout) ?? [];
		expect(text("MEMORY.md")).toBe("one\n");
		expect((await place.cli("a", ["cat", "MEMORY.md"])).stdout).toBe("one\n");
		// What was not durable was committed before it was replaced.
		const before = await place.cli("a", ["cat", "MEMORY.md", "--at", String(Number(seq) - 1)]);
		expect(before.stdout).toBe("unsaved\n");

		rmSync(place.path("a", "db.sqlite"));
		await place.cli("a", ["flush"]);
		const refused = await place.cli("a", ["restore", "db.sqlite"]);
		expect(refused.status).toBe(2);
		expect(refused.stderr).toMatch(
			/WORKSPACE_BUSY.*db\.sqlite.*database.*\nwhat to do: .*--to DIR/,
		);
		expect(existsSync(place.path("a", "db.sqlite"))).toBe(false);
		expect((await place.cli("a", ["rollback", "--to", "2"])).stderr).toContain("WORKSPACE_BUSY");

		const undone = await place.cli("a", ["undo", "MEMORY.md", "--json"]);
		expect(jsonObject(undone.stdout)).toMatchObject({ by: "daemon", undone: Number(seq) });
		expect(text("MEMORY.md")).toBe("unsaved\n");

		for (let index = 0; index < 12; index++) rmSync(place.path("a", `f${index}`));
		expect((await place.cli("a", ["flush"])).status).toBe(3);
		const confirmed = await place.cli("a", ["flush", "--confirm-deletions"]);
		expect(confirmed.status).toBe(0);
		expect((await place.cli("a", ["ls"])).stdout).not.toContain("f11");
		expect((await daemon.stop("SIGTERM")).stderr).toContain("everything is durable");
	});

	// @id put-back-trusts-nobody
	test("the daemon refuses paths outside the workspace, and requests that are none", async () => {
		writeFileSync(join(place.dir, "outside"), "outside");
		const daemon = await place.run("a", ["--", "sleep", "60"]);
		const asked = async (body: object) =>
			await askDaemon(join(place.dir, "a", "state"), place.path("a"), "restore", body).catch(
				(error: SidecarError) => error.code,
			);
		for (const path of ["../../outside", "/etc/passwd", ".openclaw-sidecar/x", "a//b"])
			expect(await asked({ at: 2, paths: [path] })).toBe("USAGE");
		for (const body of [{ paths: "f1" }, { at: "2", paths: ["f1"] }, { at: 2, paths: [] }, [], {}])
			expect(await asked(body)).toBe("USAGE");
		expect(readFileSync(join(place.dir, "outside"), "utf8")).toBe("outside");
		await daemon.stop();
	});
});

test("tag names a commit for --at, lists and removes names, and is refused with a remedy", async () => {
	writeFileSync(place.path("a", "MEMORY.md"), "two\n");
	await place.cli("a", ["flush"]);
	const made = await place.cli("a", ["tag", "first", "2"]);
	expect(made).toMatchObject({
		status: 0,
		stdout:
			"commit 2 is now first; retention keeps it until `openclaw-sidecar tag --remove first`\n",
	});
	expect((await place.cli("a", ["cat", "MEMORY.md", "--at", "first"])).stdout).toBe("one\n");
	expect((await place.cli("a", ["tag"])).stdout).toMatch(/^TAG +COMMIT +MADE\nfirst +2 +\d{4}-/);
	expect(jsonObject((await place.cli("a", ["tag", "--json"])).stdout)).toMatchObject({
		tags: [{ name: "first", seq: 2, isThere: true }],
	});
	expect(jsonObject((await place.cli("a", ["verify", "--json"])).stdout)).toMatchObject({
		unknownKeys: [],
	});
	const moved = await place.cli("a", ["tag", "first"]);
	expect(moved.status).toBe(2);
	expect(moved.stderr).toMatch(/first: the tag names commit 2.*\nwhat to do: .*tag --remove first/);
	expect((await place.cli("a", ["tag", "--remove", "first"])).stdout).toBe(
		"removed first, which named commit 2\n",
	);
	expect((await place.cli("a", ["tag"])).stdout).toBe("there are no tags\n");
	expect((await place.cli("a", ["cat", "MEMORY.md", "--at", "first"])).stderr).toContain(
		"first: it names neither a commit nor a time",
	);
});

describe("the trash", () => {
	// @id trash-keeps-only-copies
	test("is listed, copied from, and emptied except for what no commit has", async () => {
		writeFileSync(place.path("a", "MEMORY.md"), "two\n");
		await place.cli("a", ["flush"]);
		await place.cli("a", ["restore", "MEMORY.md", "--at", "2"]);
		writeFileSync(place.path("a", "MEMORY.md"), "unsaved\n");
		await place.cli("a", ["restore", "MEMORY.md", "--at", "2"]);

		const listed = await place.cli("a", ["recover", "--trash", "--json"]);
		const { trash } = jsonObject(listed.stdout) as {
			trash: { restore: string; entries: { path: string; isOnlyCopy: boolean }[] }[];
		};
		expect(trash.flatMap(({ entries }) => entries)).toMatchObject([
			{ path: "MEMORY.md", isOnlyCopy: false },
			{ path: "MEMORY.md", isOnlyCopy: true },
		]);
		expect((await place.cli("a", ["recover", "--trash"])).stdout).toMatch(
			/ {2}1 file, 4 B, .*\n {2}MEMORY\.md {2}4 B {2}\/.*\n.*\n {2}MEMORY\.md {2}8 B {2}\/.* {2}in no commit yet\n/,
		);

		const to = join(place.dir, "out");
		const copied = await place.cli("a", ["recover", "--trash", "--to", to, "MEMORY.md"]);
		expect(copied.stdout).toMatch(/^copied 2 files, 12 B\n/);
		expect(
			trash.map(({ restore }) => readFileSync(join(to, restore, "MEMORY.md"), "utf8")),
		).toEqual(["two\n", "unsaved\n"]);
		expect((await place.cli("a", ["recover", "--trash", "--to", to])).stderr).toContain(
			"TARGET_NOT_EMPTY",
		);

		expect((await place.cli("a", ["recover", "--empty-trash", "1d"])).stdout).toBe(
			"deleted 0 files, 0 B\nkept     2 younger files\n",
		);
		expect((await place.cli("a", ["recover", "--empty-trash"])).stdout).toBe(
			"deleted 1 file, 4 B\nkept     1 file in no commit yet; `openclaw-sidecar flush` commits them\n",
		);
		// The flush finds the bytes in the trash and keeps them below .recovered/.
		await place.cli("a", ["flush"]);
		expect((await place.cli("a", ["recover"])).stdout).toContain("MEMORY.md");
		expect((await place.cli("a", ["recover", "--empty-trash"])).stdout).toBe(
			"deleted 1 file, 8 B\n",
		);
		expect((await place.cli("a", ["recover", "--trash"])).stdout).toBe("the trash is empty\n");
	});

	test("options that do not go together are refused", async () => {
		for (const args of [
			["--trash", "--drop"],
			["--empty-trash", "--trash"],
		]) {
			const { status, stderr } = await place.cli("a", ["recover", ...args]);
			expect(status).toBe(2);
			expect(stderr).toContain("what to do: use `recover --trash [--to DIR] [PATH]`");
		}
	});
});

// @id confirm-deletions
test("flush defers a mass deletion, and commits it with --confirm-deletions", async () => {
	for (let index = 0; index < 12; index++) rmSync(place.path("a", `f${index}`));
	const deferred = await place.cli("a", ["flush"]);
	expect(deferred.status).toBe(3);
	expect(deferred.stderr).toContain("`openclaw-sidecar flush --confirm-deletions`");
	expect((await place.cli("a", ["ls"])).stdout).toContain("f11");
	const confirmed = await place.cli("a", ["flush", "--confirm-deletions"]);
	expect(confirmed.stdout).toMatch(/^committed \d+: .*12 removed/);
	expect(confirmed.status).toBe(0);
	expect((await place.cli("a", ["ls"])).stdout).not.toContain("f11");
	expect(existsSync(place.path("a", "f11"))).toBe(false);
});
