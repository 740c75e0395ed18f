import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CHECKS, lint } from "./lint.ts";

const RULES = join(import.meta.dirname, "../rules");
const SAMPLES = join(import.meta.dirname, "samples");
const lintFile = (directory: string, name: string) =>
	lint(name, readFileSync(join(directory, name), "utf8"));

test.each(readdirSync(RULES))("%s has no mistake that Falco accepts silently", (name) => {
	expect(lintFile(RULES, name).map(({ text }) => text)).toEqual([]);
});

describe("each check", () => {
	test("has a bad sample, and each sample has a check", () => {
		expect(readdirSync(SAMPLES).sort()).toEqual(
			["good.yaml", ...CHECKS.map(({ id }) => `${id}.yaml`)].sort(),
		);
	});

	test.each(CHECKS.map(({ id }) => id))("finds only the bad lines of its sample: %s", (id) => {
		const source = readFileSync(join(SAMPLES, `${id}.yaml`), "utf8");
		// Each bad line is marked as bad.
		const bad = source.match(/# bad/g)?.length ?? 0;
		const findings = lint(`${id}.yaml`, source);
		expect(new Set(findings.map(({ check }) => check))).toEqual(new Set([id]));
		expect(findings).toHaveLength(bad);
	});

	test("finds nothing in a good sample", () => {
		expect(lintFile(SAMPLES, "good.yaml")).toEqual([]);
	});
});
