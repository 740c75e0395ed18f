import { describe, expect, test } from "vitest";
import { activeTurns, isPutBack, type Turn, turnsIn } from "./turns.ts";
import type { Annotation } from "./types.ts";

const turn = (id: string, startedMs: number, status: Turn["status"] = "done"): Turn => ({
	...{ id, session: "s", status, startedMs },
});
const named = (turns: readonly unknown[], path = "agent.sqlite"): Annotation[] => [
	{ path, name: "turns", value: JSON.stringify(turns) },
];
const ids = (turns: readonly Turn[]) => turns.map(({ id }) => id);

describe("the turns that ran between two commits", () => {
	test.each<[string, readonly Turn[] | undefined, readonly Turn[], readonly string[]]>([
		["a new one", [turn("a", 1)], [turn("b", 2), turn("a", 1)], ["b"]],
		["one that ended meanwhile", [turn("a", 1, "running")], [turn("a", 1)], ["a"]],
		["one that runs on", [turn("a", 1, "running")], [turn("a", 1, "running")], ["a"]],
		["the first one", [], [turn("a", 1)], ["a"]],
		["none of those that had ended", [turn("a", 1)], [turn("a", 1)], []],
		["none that was left out before", [turn("c", 3), turn("b", 2)], [turn("a", 1)], []],
		["only those that run, if nothing was known", undefined, [turn("a", 1)], []],
		["one that runs, if nothing was known", undefined, [turn("a", 1, "running")], ["a"]],
	])("are %s", (_, before, after, expected) => {
		expect(ids(activeTurns(before && named(before), named(after)))).toEqual(expected);
		expect(ids(activeTurns(before && [], named(after)))).toEqual(
			ids(after.filter(({ status }) => status === "running")),
		);
	});

	test("are those of every database, and of the same conversation only if it is the same id", () => {
		const before = [...named([turn("a", 1)], "a"), ...named([], "b")];
		const other = { ...turn("a", 1), session: "t" };
		const after = [...named([turn("a", 1), other], "a"), ...named([turn("c", 9)], "b")];
		expect(activeTurns(before, after).map(({ id, session }) => `${session} ${id}`)).toEqual([
			"t a",
			"s c",
		]);
	});

	test("leave out what is not understood", () => {
		for (const value of ["", "{", "null", '"x"', '{"id":1}'])
			expect(turnsIn([{ path: "a", name: "turns", value }])).toEqual([]);
		const odd = [
			...[null, 1, {}, { ...turn("a", 1), status: "dancing" }, { ...turn("a", 1.5) }],
			...[{ ...turn("a", 1), text: 7 }, { ...turn("a", 1), session: undefined }, turn("b", 2)],
		];
		expect(ids(turnsIn(named(odd)))).toEqual(["b"]);
		expect(turnsIn([{ path: "a", name: "turn", value: "[]" }])).toEqual([]);
		expect(turnsIn(undefined)).toEqual([]);
	});
});

test("a commit with another id of a restore than the one before is that restore", () => {
	const by = (value: string): Annotation[] => [{ path: "", name: "put-back", value }];
	expect(isPutBack([], by("1"))).toBe(true);
	expect(isPutBack(by("1"), by("2"))).toBe(true);
	expect(isPutBack(by("1"), by("1"))).toBe(false);
	expect(isPutBack(by("1"), [])).toBe(false);
	expect(isPutBack(undefined, by("1"))).toBe(false);
});
