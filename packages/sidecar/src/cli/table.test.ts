import fc from "fast-check";
import { expect, test } from "vitest";
import type { Display } from "./display.ts";
import { type Column, cut, Table, widthOf } from "./table.ts";

const plain = (columns: number | undefined): Display => ({
	isTerminal: columns !== undefined,
	columns,
	style: (_style, text) => text,
});

const COLUMNS: readonly Column[] = [
	{ heading: "N", isRight: true },
	{ heading: "TIME", drop: 1 },
	{ heading: "PATHS", shrinks: true },
	{ heading: "BY", drop: 2, style: "dim" },
];

const ROWS = [
	["1", "noon", "short", "me"],
	["12", "night", "日本語のとても長い名前のファイル😀.md", "you"],
];

test("a table without a width cuts nothing, and aligns wide characters", () => {
	expect(new Table(COLUMNS, plain(undefined)).lines(ROWS)).toEqual([
		" N  TIME   PATHS                                  BY",
		" 1  noon   short                                  me",
		"12  night  日本語のとても長い名前のファイル😀.md  you",
	]);
});

test("a narrow terminal first cuts what shrinks, then leaves columns out", () => {
	expect(new Table(COLUMNS, plain(40)).lines(ROWS)).toEqual([
		" N  TIME   PATHS                     BY",
		" 1  noon   short                     me",
		"12  night  日本語のとても長い名前…   you",
	]);
	expect(new Table(COLUMNS, plain(21)).lines(ROWS)).toEqual([
		" N  PATHS",
		" 1  short",
		"12  日本語のとても長…",
	]);
});

test("of two columns that shrink, the last one is cut first", () => {
	const columns = [
		{ heading: "PATHS", shrinks: true },
		{ heading: "TURN", shrinks: true, drop: 1 },
	];
	const rows = [["a".repeat(30), "b".repeat(30)]];
	const lines = (width: number) => new Table(columns, plain(width)).lines(rows)[1];
	expect(lines(62)).toBe(`${"a".repeat(30)}  ${"b".repeat(30)}`);
	expect(lines(50)).toBe(`${"a".repeat(30)}  ${"b".repeat(17)}…`);
	expect(lines(40)).toBe(`${"a".repeat(21)}…  ${"b".repeat(15)}…`);
	expect(lines(33)).toBe("a".repeat(30));
});

test("later rows are as wide as earlier ones, below one heading", () => {
	const table = new Table([{ heading: "A" }, { heading: "B" }], plain(undefined));
	expect(table.lines([["long", "x"]])).toEqual(["A     B", "long  x"]);
	expect(table.lines([["s", "x"]])).toEqual(["s     x"]);
});

test("an optional column takes no room until a row has something in it", () => {
	const columns = [{ heading: "A" }, { heading: "NOTES", isOptional: true }];
	const table = new Table(columns, plain(undefined));
	expect(table.lines([["x", ""]])).toEqual(["A", "x"]);
	expect(table.lines([["x", "!"]])).toEqual(["x  !"]);
	expect(new Table(columns, plain(undefined)).lines([["x", "!"]])).toEqual(["A  NOTES", "x  !"]);
});

test("a styled cell takes the room of its text", () => {
	const display: Display = { ...plain(undefined), style: (style, text) => `<${style}>${text}</>` };
	const table = new Table([{ heading: "A", style: "red" }, { heading: "B" }], display);
	expect(table.lines([["x", { text: "y", style: "dim" }]])).toEqual([
		"<dim>A</>  <dim>B</>",
		"<red>x</>  <dim>y</>",
	]);
});

const anyText = fc.string({
	unit: fc.constantFrom("a", "b", " ", "é", "日", "😀", "👩‍👩‍👧", "e\u0301", "ﬀ"),
	maxLength: 40,
});

test("no line of a table is wider than the terminal, whatever its rows", () => {
	fc.assert(
		fc.property(
			fc.array(fc.tuple(anyText, anyText, anyText, anyText), { maxLength: 4 }),
			fc.integer({ min: 60, max: 200 }),
			(rows, columns) => {
				// The column that never shrinks fits.
				const cells = rows.map(([n, ...rest]) => [cut(n, 20), ...rest]);
				for (const line of new Table(COLUMNS, plain(columns)).lines(cells))
					expect(widthOf(line)).toBeLessThanOrEqual(columns);
			},
		),
	);
});

test("a cut text is a beginning of the text, at most as wide as asked for, and whole if it fits", () => {
	fc.assert(
		fc.property(anyText, fc.integer({ min: 1, max: 60 }), (text, width) => {
			const short = cut(text, width);
			expect(widthOf(short)).toBeLessThanOrEqual(width);
			expect(text.startsWith(short.replace(/…$/, ""))).toBe(true);
			expect(short.isWellFormed()).toBe(true);
			if (widthOf(text) <= width) expect(short).toBe(text);
		}),
	);
});
