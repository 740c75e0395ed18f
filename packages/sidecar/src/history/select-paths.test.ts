import { expect, test } from "vitest";
import { matchGlobs, matchPaths } from "./select-paths.ts";

test.each([
	["MEMORY.md", "MEMORY.md", true],
	["MEMORY.md", "workspace/MEMORY.md", true],
	["notes/a.md", "old/notes/a.md", false],
	["./notes//", "notes", true],
	["*.md", "a.md", true],
	["*.md", "workspace/notes/.hidden.md", true],
	["*.md", "a.md/x", false],
	["notes/*.md", "notes/a.md", true],
	["notes/*.md", "notes/deep/a.md", false],
	["notes/**", "notes/deep/.git/a", true],
	["**/a.md", "a.md", true],
	["**/a.md", "x/y/a.md", true],
	["a?.{md,txt}", "ab.txt", true],
	["[ab].md", "c.md", false],
	["[ab].md", "[ab].md", true],
	["\\*.md", "a.md", false],
	["\\*.md", "*.md", true],
	["line*", "line\nbreak", true],
	["**/x", "line\nbreak/x", true],
	["a\\u000ab", "a\nb", true],
	["*", "", false],
	["!a", "b", false],
	["+(a)", "aa", false],
	["É.md", "é.md", false],
])("the glob %j matches %j: %j", (glob, path, expected) => {
	expect(matchGlobs([glob])(path)).toBe(expected);
});

test("upper and lower case are one if asked for", () => {
	for (const glob of ["memory.MD", "*.MD", "MEM*"])
		expect(matchGlobs([glob], { ignoreCase: true })("Memory.md")).toBe(true);
});

test("a path selects everything below it, and . the whole workspace", () => {
	const selects = matchPaths(["notes", "lo*"]);
	expect(["notes", "notes/a/b", "logs/x", "other", "notes2"].map(selects)).toEqual([
		...[true, true, true, false, false],
	]);
	expect(matchPaths(["."])("any/thing")).toBe(true);
	expect(matchPaths(["MEMORY.md"])("workspace/MEMORY.md")).toBe(false);
});
