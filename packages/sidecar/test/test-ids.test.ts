/**
 * Ids of tests: how they are parsed, and that a mutation or a row of docs/reliability.md names
 * each.
 */
import { describe, expect, it } from "vitest";
import { MUTATIONS } from "./mutations/table.ts";
import { ROWS } from "./reliability/rows.ts";
import { byId, idsIn, TESTS, testOf } from "./test-ids.ts";

const parsed = (...lines: readonly string[]) =>
	idsIn("x.test.ts", ["\t// @id one", ...lines, ""].join("\n")).map(([, test]) => test);

describe("an id", () => {
	it.each([
		["a test", ['\tit("keeps (all) of it", () => {'], "keeps (all) of it", "keeps \\(all\\) of it"],
		[
			"a test that is skipped somewhere",
			["\tit.skipIf(isRoot())(", '\t\t"is \\"kept\\"",'],
			'is "kept"',
			'is "kept"',
		],
		["a group", ['describe("a group", () => {', '\tit("keeps", () => {'], "a group", "a group"],
		["a loop's test", [`it(\`is \${when}: kept: \${what}\`, () => {`], "kept: ", "is .*: kept: .*"],
		[
			"a table's test",
			["it.each([", '\t["a"],', '\t["b"],', '])("%s is kept", () => {'],
			"%s is kept",
			".* is kept",
		],
		[
			"a row",
			['\t["a+b", 1],', '] as const)("%s: %i is kept", () => {'],
			"a+b",
			"a\\+b: .* is kept",
		],
		[
			"a row of several lines",
			["\t[", '\t\t"a",', "\t],", "];", `it(\`is kept: \${what}\`, () => {`],
			"a",
			"is kept: a",
		],
	])("names %s", (_, lines, title, pattern) => {
		expect(parsed(...lines)).toEqual([{ file: "x.test.ts", title, pattern }]);
	});

	it("without a test after it is an error", () => {
		expect(() => parsed("const x = 1;")).toThrow("x.test.ts: no test follows the id one");
		expect(() => parsed("const x = 1;", 'it.each(rows)("%s", () => {')).toThrow(
			"no test follows the id one",
		);
		expect(() => parsed('["a row"],', 'it("has no blank", () => {')).toThrow(
			"no test follows the id one",
		);
	});

	it("of another form is an error", () => {
		expect(() => idsIn("x.test.ts", '// @id Two Words\nit("x", () => {')).toThrow(
			'"Two Words" is not an id',
		);
	});

	it("of two tests is an error", () => {
		const test = { title: "", pattern: "" };
		const twice = [
			["one", { ...test, file: "a.test.ts" }] as const,
			["one", { ...test, file: "b.test.ts" }] as const,
		];
		expect(() => byId(twice)).toThrow("the id one stands in a.test.ts and in b.test.ts");
	});

	it("without a test is an error", () => {
		expect(() => testOf("nobody-has-this")).toThrow("no test has the id nobody-has-this");
	});
});

it("every mutation and every row names existing tests, and every id is named", () => {
	const named = new Set([
		...MUTATIONS.map(({ test }) => test),
		...ROWS.flatMap(({ tests }) => tests),
	]);
	expect([...named].sort()).toEqual([...TESTS.keys()].sort());
});

it("every mutation has a unique and well-formed id", () => {
	expect(
		MUTATIONS.map(({ id }) => id).filter(
			(id, index, all) => all.indexOf(id) !== index || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id),
		),
	).toEqual([]);
});
