import { expect, test } from "vitest";
import type { Entry } from "../log/types.ts";
import { ago, aligned, count, isoTime, modeWord, shownPath } from "./format.ts";

test.each([
	[-5_000, "just now"],
	[1_499, "just now"],
	[59_000, "59 s ago"],
	[3_599_000, "59 min ago"],
	[36 * 3_600_000, "36 h ago"],
	[48 * 3_600_000, "2 days ago"],
])("%i ms is %s", (ms, text) => {
	expect(ago(ms)).toBe(text);
});

test.each([
	["file", 0o640, "-rw-r-----"],
	["file", 0, "----------"],
	["file", 0o1777, "-rwxrwxrwt"],
	["dir", 0o3775, "drwxrwsr-t"],
	["dir", 0o3664, "drw-rwSr-T"],
	["link", 0, "lrwxrwxrwx"],
] as const)("%s %i is %s", (type, mode, word) => {
	expect(modeWord({ type, mode } as unknown as Entry)).toBe(word);
});

test("aligns tables, formats counts, and shows long paths in full", () => {
	expect(
		aligned(
			[
				["a", "1", "x"],
				["long", "100", ""],
			],
			[1],
		),
	).toEqual(["a       1  x", "long  100"]);
	expect([count(1, "path"), count(1_234, "path"), count(2, "entry", "entries")]).toEqual([
		"1 path",
		"1,234 paths",
		"2 entries",
	]);
	expect(shownPath("x".repeat(4_000))).toHaveLength(4_000);
	expect(shownPath("")).toBe(".");
	expect(isoTime(1e300)).toBe("+275760-09-13T00:00:00.000Z");
});
