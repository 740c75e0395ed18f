/** `history`, `find`, `ls` and `diff` as commands, without a terminal. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonLines, jsonObject, Place } from "../../../testkit/cli.ts";

let place: Place;
/** A machine without a name of its own is known only by its writers. */
const HOST = hostname() === "localhost" ? undefined : hostname();
const [LAST_BY, FIRST_BY] = [HOST ?? "this machine", HOST ?? "writer [0-9a-f]{8}"];
const HOSTILE = "new\nline\u001b[31m";

beforeAll(async () => {
	place = new Place();
	mkdirSync(place.path("a", "notes"), { recursive: true });
	for (let i = 0; i < 12; i++) writeFileSync(place.path("a", `notes/note-${i}.md`), `${i}\n`);
	writeFileSync(place.path("a", HOSTILE), "one\n");
	writeFileSync(place.path("a", "日本語😀.md"), "one\n");
	await place.cli("a", ["flush"]);
	writeFileSync(place.path("a", HOSTILE), "two \u001b]0;title\u0007\n");
	renameSync(place.path("a", "notes/note-0.md"), place.path("a", "notes/first.md"));
	rmSync(place.path("a", "notes/note-1.md"));
	await place.cli("a", ["flush"]);
});
afterAll(() => place[Symbol.dispose]());

const lines = async (...args: string[]) =>
	(await place.cli("a", args)).stdout
		.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "TIME")
		.replace(/ +(\d+ s ago|just now)/g, " AGO")
		.split("\n");

describe("history", () => {
	test("shows one row per change without cut lines, colours or a pager, and every commit with --all", async () => {
		const env = { PAGER: "sed s/^/PAGED/" };
		const { stdout } = await place.cli("a", ["history"], { env });
		expect(stdout).toMatch(/^COMMIT +WHEN +TIME +SIZE +CHANGES +PATHS +BY\n/);
		expect(stdout).toMatch(
			new RegExp(
				String.raw`\n +4 .* \+1 ~1 -2 +3 in notes, new\\u000aline\\u001b\[31m +${LAST_BY}\n`,
			),
		);
		expect(stdout).toMatch(
			new RegExp(String.raw`\n +2 .* \+14 +12 in notes, 2 at the top +${FIRST_BY}\n$`),
		);
		expect(stdout).not.toMatch(/PAGED|…|--all/);
		const numbers = async (...args: string[]) =>
			(await lines("history", ...args)).slice(1, -1).map((line) => Number.parseInt(line, 10));
		expect(await numbers("--all")).toEqual([4, 3, 2, 1]);
		expect(await numbers("--limit", "1")).toEqual([4]);
		expect(await numbers("--since", "2")).toEqual([4]);
		expect(await lines("history", "--since", "4")).toEqual(["nothing changed since 4", ""]);
	});

	test("of a path follows it to its former name, as rows and as JSON", async () => {
		expect(await lines("history", "notes/first.md")).toEqual([
			expect.stringMatching(/^COMMIT +WHEN +TIME +SIZE +CHANGE +BY +PATH$/),
			expect.stringMatching(
				new RegExp(
					`^ +4 AGO +TIME +2 B +renamed +${LAST_BY} +notes/note-0\\.md -> notes/first\\.md$`,
				),
			),
			expect.stringMatching(
				new RegExp(`^ +2 AGO +TIME +2 B +created +${FIRST_BY} +notes/note-0\\.md$`),
			),
			"",
		]);
		const absolute = place.path("a", "notes/first.md");
		const { stdout } = await place.cli("a", ["history", "--json", absolute]);
		expect(jsonLines(stdout)).toMatchObject([
			{ seq: 4, previousSeq: 3, kind: "renamed", path: "notes/first.md", from: "notes/note-0.md" },
			{ seq: 2, kind: "created", path: "notes/note-0.md", after: { type: "file", size: 2 } },
		]);
	});

	test("of a path that no commit has is an error that suggests one", async () => {
		const { status, stderr } = await place.cli("a", ["history", "FIRST.md"]);
		expect(status).toBe(2);
		expect(stderr).toMatch(
			/^error \[PATH_NOT_FOUND\].*: FIRST\.md: no commit has it\n.*did you mean notes\/first\.md\?/,
		);
	});

	test("--json lists every commit, in the shape of earlier releases", async () => {
		const { stdout } = await place.cli("a", ["history", "--json", "--since", "2"]);
		expect(jsonLines(stdout).map(({ seq, kind }) => [seq, kind])).toEqual([
			[4, "delta"],
			[3, "delta"],
		]);
	});
});

test("find lists what there is, and with --deleted what is gone, when, and its new name", async () => {
	expect(await lines("find", "*-1?.md", "new*")).toEqual([
		"SIZE  MODIFIED             PATH",
		expect.stringMatching(/^15 B +TIME +new\\u000aline\\u001b\[31m$/),
		expect.stringMatching(/^ 3 B +TIME +notes\/note-10\.md$/),
		expect.stringMatching(/^ 3 B +TIME +notes\/note-11\.md$/),
		"",
	]);
	const deleted = await lines("find", "*", "--deleted");
	expect(deleted[1]).toMatch(/^ +3 AGO +TIME +2 B +notes\/note-0\.md -> notes\/first\.md$/);
	expect(deleted[2]).toMatch(/^ +3 AGO +TIME +2 B +notes\/note-1\.md$/);
	expect(await lines("find", "nope")).toEqual([
		"no path matches: --deleted looks for those that are gone",
		"",
	]);
	expect(await lines("find", "FIRST")).toEqual([
		"no path matches: did you mean notes/first.md? --deleted looks for those that are gone",
		"",
	]);
	const { stdout } = await place.cli("a", ["find", "NOTE-1.md", "-i", "--deleted", "--json"]);
	expect(jsonObject(stdout)).toMatchObject({ path: "notes/note-1.md", seq: 3, deletedIn: 4 });
});

describe("ls", () => {
	test("lists every level into a pipe, and one level on request; a glob; colours if asked for", async () => {
		const top = ["new\\u000aline\\u001b[31m", "notes/", "日本語😀.md", ""];
		expect(await lines("ls", "--no-recursive")).toEqual(top);
		expect(await lines("ls", "notes", "--at", "2", "--no-recursive")).toHaveLength(12 + 1);
		expect(await lines("ls")).toHaveLength(3 + 11 + 1);
		expect(await lines("ls", "-R")).toEqual(await lines("ls"));
		expect(await lines("ls", "*-1?.md")).toEqual(["notes/note-10.md", "notes/note-11.md", ""]);
		const env = { FORCE_COLOR: "1" };
		expect((await place.cli("a", ["ls"], { env })).stdout).toContain("\u001b[34mnotes\u001b[39m/");
	});

	test("-l adds mode, size and time, and totals", async () => {
		expect(await lines("ls", "-l", "--no-recursive")).toEqual([
			"-rw-r--r--      15 B  TIME  new\\u000aline\\u001b[31m",
			"drwxr-xr-x            TIME  notes/",
			"-rw-r--r--       4 B  TIME  日本語😀.md",
			"2 files, 19 B; 1 directory",
			"",
		]);
	});
});

test("diff with a path prints a patch, byte for byte, and says what is no text", async () => {
	const { stdout } = await place.cli("a", ["diff", "2", "4", "new*", "notes/note-1.md"]);
	expect(stdout).toContain("-one\n+two \u001b]0;title\u0007\n");
	expect(stdout).toContain("--- a/notes/note-1.md\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-1\n");
	expect(await lines("diff", "2", "2", "notes")).toEqual(["no difference", ""]);
	const json = await place.cli("a", ["diff", "2", "4", "日*", "notes/note-1.md", "--json"]);
	expect(jsonLines(json.stdout)).toMatchObject([
		{
			from: 2,
			to: 4,
			path: "notes/note-1.md",
			kind: "removed",
			contentDifference: { type: "text" },
		},
	]);
	expect((await place.cli("a", ["diff", "2", "new*"])).stdout).toContain("-one\n+two ");
	const withoutCommit = await place.cli("a", ["diff", "notes/first.md"]);
	expect(withoutCommit).toMatchObject({
		status: 2,
		stderr: expect.stringMatching(
			/: notes\/first\.md: it is a path, .*\nwhat to do: use `openclaw-sidecar diff latest~1 notes\/first\.md`;/,
		),
	});
	const { status, stderr } = await place.cli("a", ["diff", "2", "4", "nope"]);
	expect(status).toBe(2);
	expect(stderr).toMatch(/^error \[PATH_NOT_FOUND\].*nope: neither in commit 2 nor in commit 4\n/);
});
