import { expect, test } from "vitest";
import { casesOfAllRules, waysOf } from "./cases.ts";
import { digestOf, type Run, readRuns, resultOf } from "./results.ts";

const one = casesOfAllRules()
	.get("syscall")
	?.find(({ evasion }) => evasion.length > 0);
if (one === undefined) throw new Error("there is no case with an evasion");
const keys = waysOf(one).map((way) => `${one.kind}/${one.name} ${way}`);
const run = (checks: Run["checks"]): Run => ({ engine: "e", built: "b", date: "d", checks });
const all = (ok: boolean, of: string) => Object.fromEntries(keys.map((key) => [key, { ok, of }]));

test("a rule is ok if everything that is done for it was as expected", () => {
	const of = digestOf(one);
	expect(resultOf(run(all(true, of)), one)).toBe("ok");
	expect(resultOf(run({ ...all(true, of), [keys[0] ?? ""]: { ok: false, of } }), one)).toBe(
		"failed",
	);
});

test("a result of other rules or scripts counts as not run, as a missing one does", () => {
	expect(resultOf(run({}), one)).toBe("not run");
	expect(resultOf(run(all(true, "other")), one)).toBe("not run");
	expect(resultOf(run(all(false, "other")), one)).toBe("not run");
	const { [keys[0] ?? ""]: _, ...rest } = all(true, digestOf(one));
	expect(resultOf(run(rest), one)).toBe("not run");
});

test("the committed results name their engine, where it ran, and only existing cases", () => {
	const known = [...casesOfAllRules().values()]
		.flat()
		.flatMap((each) => waysOf(each).map((way) => `${each.kind}/${each.name} ${way}`));
	for (const { engine, built, date, checks } of readRuns()) {
		expect(engine).toMatch(/^Falco \S+, engine 0\.\d+\.\d+$/);
		expect(built).not.toBe("");
		expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
		expect(known).toEqual(expect.arrayContaining(Object.keys(checks)));
	}
});
