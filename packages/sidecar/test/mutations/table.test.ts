/**
 * `pnpm test:mutations` takes minutes. Whether each mutant can be made and parsed is known at once.
 */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { expect, test } from "vitest";
import { MUTATIONS, type Mutation, mutantOf } from "./table.ts";

const SIDECAR = new URL("../../", import.meta.url);
const [MUTATION] = MUTATIONS as [Mutation];

/** What is wrong with a mutation, undefined if its mutant can be made and parsed. */
function problemOf(mutation: Mutation, source: string): string | undefined {
	try {
		const mutant = mutantOf(mutation, source);
		stripTypeScriptTypes(mutant);
		return mutant === source ? `${mutation.id}: it changes nothing` : undefined;
	} catch (error) {
		return `${mutation.id}: ${String(error)}`;
	}
}

test("every mutation applies once, and its mutant parses", () => {
	const problems = MUTATIONS.flatMap(
		(mutation) => problemOf(mutation, readFileSync(new URL(mutation.file, SIDECAR), "utf8")) ?? [],
	);
	expect(problems).toEqual([]);
});

test.each([
	["occurs twice", "if (a) if (a) b();", "c", /occurs 2 times/],
	["occurs nowhere", "b();", "c", /occurs 0 times/],
	["is replaced by itself", "if (a) b();", "if (a)", /changes nothing/],
	["is replaced by what does not parse", "if (a) b();", "if (a", /SyntaxError|Expected/],
	["is replaced by another", "if (a) b();", "if ('$&')", undefined],
])("a text that %s", (_, source, replace, problem) => {
	const found = problemOf({ ...MUTATION, find: "if (a)", replace }, source);
	if (problem === undefined) expect(found).toBeUndefined();
	else expect(found).toMatch(problem);
});
