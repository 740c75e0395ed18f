import { applyPatch } from "diff";
import fc from "fast-check";
import { expect, test } from "vitest";
import { diffText, isText } from "./diff-text.ts";

test("a text difference is a unified diff with three lines of context", () => {
	const before = "1\n2\n3\n4\n5\n6\n7\n8\n";
	expect(diffText("notes/a.md", before, before.replace("5", "five"))).toEqual({
		unified: `--- a/notes/a.md
+++ b/notes/a.md
@@ -2,7 +2,7 @@
 2
 3
 4
-5
+five
 6
 7
 8
`,
		addedLines: 1,
		removedLines: 1,
	});
	expect(diffText("a", undefined, "new").unified).toBe(
		"--- /dev/null\n+++ b/a\n@@ -0,0 +1,1 @@\n+new\n\\ No newline at end of file\n",
	);
	expect(diffText("a", "old\n", undefined).unified).toBe(
		"--- a/a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-old\n",
	);
});

const anyText = fc
	.array(fc.constantFrom("a", "b", "", " ", "+c", "-d", "\\ e", "é😀"), { maxLength: 12 })
	.chain((lines) => fc.boolean().map((ends) => lines.join("\n") + (ends ? "\n" : "")));

test("a text difference turns one text into the other, whatever their ends", () => {
	fc.assert(
		fc.property(anyText, anyText, (before, after) => {
			expect(applyPatch(before, diffText("f", before, after).unified)).toBe(after);
		}),
	);
});

test("texts that differ in more lines than are compared are replaced in one hunk, in linear time", () => {
	const many = (word: string) =>
		Array.from({ length: 20_000 }, (_, index) => `${word} ${index}`).join("\n");
	const before = `first\n${many("old")}\nlast\n`;
	const after = `first\n${many("new")}\nlast`;
	const { unified, addedLines, removedLines } = diffText("f", before, after);
	expect([addedLines, removedLines]).toEqual([20_001, 20_001]);
	expect(unified.match(/^@@/gm)).toHaveLength(1);
	expect(applyPatch(before, unified)).toBe(after);
});

test("text is UTF-8 without NUL", () => {
	expect(isText(Buffer.from("é\u001b[31m\n"))).toBe(true);
	expect(isText(Buffer.alloc(0))).toBe(true);
	expect(isText(Buffer.from("a\0b"))).toBe(false);
	expect(isText(Buffer.from([0x61, 0xe9]))).toBe(false);
});
