import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CHECKS, lint } from "./lint.ts";

const RULES = join(import.meta.dirname, "../rules");
const SAMPLES = join(import.meta.dirname, "samples");
const read = (directory: string, name: string) => readFileSync(join(directory, name), "utf8");

test.each(readdirSync(RULES))("%s has no mistake that Falco accepts silently", (name) => {
	expect(lint(read(RULES, name))).toEqual({});
});

describe("each check", () => {
	test("has a bad sample, and each sample has a check", () => {
		const names = ["good", ...Object.keys(CHECKS)].map((id) => `${id}.yaml`);
		expect(readdirSync(SAMPLES).sort()).toEqual(names.sort());
	});

	test.each(Object.keys(CHECKS))("finds only the bad lines of its sample: %s", (id) => {
		const source = read(SAMPLES, `${id}.yaml`);
		const findings = lint(source);
		expect(Object.keys(findings)).toEqual([id]);
		// Each bad line is marked as bad.
		expect(findings[id]).toHaveLength(source.match(/# bad/g)?.length ?? 0);
	});

	test("finds nothing in a good sample", () => {
		expect(lint(read(SAMPLES, "good.yaml"))).toEqual({});
	});
});
