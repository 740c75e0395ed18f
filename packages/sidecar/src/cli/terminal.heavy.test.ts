/** What a person sees on a terminal. `pager.test.ts` and `look.heavy.test.ts` have what needs none. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { onTerminal } from "../../../testkit/terminal.ts";
import { widthOf } from "./table.ts";

let place: Place;
const HOSTILE = "new\nline\u001b[31m";

beforeAll(async () => {
	place = new Place();
	mkdirSync(place.path("a", "notes"), { recursive: true });
	for (let i = 0; i < 30; i++) writeFileSync(place.path("a", `notes/note-${i}.md`), `${i}\n`);
	writeFileSync(place.path("a", HOSTILE), "one\n");
	writeFileSync(place.path("a", "日本語😀.md"), "one\n");
	await place.cli("a", ["flush"]);
	writeFileSync(place.path("a", HOSTILE), "two \u001b]0;title\u0007\n");
	renameSync(place.path("a", "notes/note-0.md"), place.path("a", "notes/first.md"));
	await place.cli("a", ["flush"]);
});
afterAll(() => place[Symbol.dispose]());

const NO_PAGER = { env: { PAGER: "cat" } };

describe("on a terminal", () => {
	test("history is in colours, as wide as the terminal, and says what it leaves out", async () => {
		const { status, output } = await onTerminal(place, "a", ["history"], {
			...NO_PAGER,
			columns: 50,
		});
		expect(status).toBe(0);
		expect(output).toContain("\u001b[33m");
		// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are removed
		const lines = output.replace(/\u001b\[\d+m/g, "").split("\n");
		expect(lines[0]).toMatch(/^COMMIT +WHEN .*PATHS/);
		expect(lines.find((line) => /^ +2 /.test(line))).toMatch(/ \+32 +30 in notes, .*…( +\S+)?$/);
		expect(output).toMatch(/2 commits without a change: --all shows them/);
		for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(50);
	});

	test.each([
		[["--color", "never"], {}],
		[[], { NO_COLOR: "1" }],
	])("%j with %j shows no colours", async (flags, env) => {
		const options = { env: { PAGER: "cat", ...env } };
		const { output } = await onTerminal(place, "a", ["ls", ...flags], options);
		expect(output).not.toContain("\u001b");
		expect(output).toMatch(
			/^new\\u000aline\\u001b\[31m\nnotes\/\n日本語😀\.md\n2 files, .*; 1 directory\n$/,
		);
	});

	test("neither a name nor a file's content can send control codes", async () => {
		const flags = ["--color", "never"];
		for (const args of [
			["history"],
			["history", "."],
			["ls", "-lR"],
			["find", "new*"],
			["find", "*", "--deleted"],
			["diff", "2", "4"],
			["diff", "2", "4", "new*"],
		]) {
			const { status, output } = await onTerminal(place, "a", [...args, ...flags], NO_PAGER);
			expect([args, status]).toEqual([args, 0]);
			// biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none
			expect(output).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f]/);
		}
	});

	test("the result goes through $PAGER, which may be a command of the shell", async () => {
		const env = { PAGER: "sed 's/^/<</;s/$/>>/' | cat" };
		const { status, output } = await onTerminal(place, "a", ["ls", "--color", "never"], { env });
		expect([status, output.split("\n")[1]]).toEqual([0, "<<notes/>>"]);
	});

	test("a pager that ends early, fails, or does not exist is no error", async () => {
		for (const [PAGER, expected] of [
			["head -n 1", "new\\u000aline\\u001b[31m\n"],
			["false", ""],
			["no-such-pager --x", "2 files"],
		] as const) {
			const args = ["ls", "--color", "never"];
			const { status, output } = await onTerminal(place, "a", args, { env: { PAGER } });
			expect([PAGER, status]).toEqual([PAGER, 0]);
			expect(output).toContain(expected);
			expect(output).not.toContain("error");
		}
	});

	test("an error after the pager's end is shown, with its status", async () => {
		const { status, output } = await onTerminal(place, "a", ["history", "nope"], {
			env: { PAGER: "sed s/^/PAGED/" },
		});
		expect(status).toBe(2);
		expect(output).toMatch(/^error \[PATH_NOT_FOUND\].*: nope/);
	});

	test("--no-pager and --json use no pager", async () => {
		const env = { PAGER: "sed s/^/PAGED/" };
		for (const flag of ["--no-pager", "--json"])
			expect((await onTerminal(place, "a", ["ls", flag], { env })).output).not.toContain("PAGED");
	});

	test("the reader of a long result leaves less with q", async () => {
		const { status, output } = await onTerminal(
			place,
			"a",
			["ls", "-R", "--at", "2", "--color", "never"],
			{ types: { after: "note-1", keys: "q" } },
		);
		expect(status).toBe(0);
		expect(output).toContain("notes/note-1.md");
	});
});
