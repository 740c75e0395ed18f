import fc from "fast-check";
import { expect, test } from "vitest";
import { plainText } from "./rich-text.ts";
import { split } from "./split.ts";

const bare = (text: string) => text.replace(/\s/g, "");
const splitText = (text: string, maxLength: number) =>
	split([{ text, style: {} }], maxLength).map(plainText);

test("parts lose nothing, are never too long, and cut no character", () => {
	const text = fc.string({
		unit: fc.oneof(
			fc.constantFrom(" ", "\n", "\n\n", ". ", "。", "👩‍👩‍👧", "你", "a"),
			fc.string({ unit: "binary", maxLength: 3 }),
		),
		maxLength: 300,
	});
	fc.assert(
		fc.property(text, fc.integer({ min: 2, max: 50 }), (whole, maxLength) => {
			const parts = splitText(whole, maxLength);
			expect(bare(parts.join(""))).toBe(bare(whole));
			const isGood = (part: string) =>
				part.length <= maxLength && part.trim() !== "" && part.isWellFormed();
			expect(parts.filter((part) => !isGood(part))).toEqual([]);
		}),
	);
});

test.each([
	["one paragraph\n\nand another", 20, ["one paragraph", "and another"]],
	["a line that is\nlong enough here", 20, ["a line that is", "long enough here"]],
	["It ends here. And goes on", 20, ["It ends here.", "And goes on"]],
	["这是第一句话。这是第二句话", 10, ["这是第一句话。", "这是第二句话"]],
	["words and words again", 16, ["words and words", "again"]],
	[`short. ${"x".repeat(15)}`, 12, ["short.", "xxxxxxxxxxxx", "xxx"]],
	["x".repeat(25), 10, ["x".repeat(10), "x".repeat(10), "x".repeat(5)]],
	["a👍👍👍", 4, ["a👍", "👍👍"]],
	["exactly", 7, ["exactly"]],
	["if (x):\n    run()\n    stop()", 20, ["if (x):\n    run()", "    stop()"]],
	[" \n ", 7, []],
])("%j in parts of %i", (text, maxLength, parts) => {
	expect(splitText(text, maxLength)).toEqual(parts);
});
