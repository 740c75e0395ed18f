import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { casesOfAllRules, scriptOf, TEST, waysOf } from "./cases.ts";
import { readmeWithTables } from "./tables.ts";

const cases = casesOfAllRules();

test("every rule has a case, and every case has a rule", () => {
	expect([...cases].map(([kind, { length }]) => `${kind} ${length > 0}`)).toEqual([
		"syscall true",
		"container true",
		"cloudtrail true",
	]);
});

test("the README's tables match the rules and cases (pnpm docs:write)", () => {
	const path = join(TEST, "../README.md");
	const readme = readFileSync(path, "utf8");
	expect(readme).toBe(readmeWithTables(readme));
});

describe("scripts", () => {
	const scripts = [...cases.values()].flat().filter(({ kind }) => kind !== "cloudtrail");
	test.each(
		scripts.flatMap((one) =>
			waysOf(one).map((way) => `${one.kind}/${one.name}/${scriptOf(one.kind, way)}`),
		),
	)("%s is a shell's, and says what it does", (path) => {
		const { status, stderr } = spawnSync("sh", ["-n", join(TEST, path)], { encoding: "utf8" });
		expect([status, stderr]).toEqual([0, ""]);
		expect(readFileSync(join(TEST, path), "utf8")).toMatch(/^# \S/);
	});
});

describe("records", () => {
	const trail = cases.get("cloudtrail") ?? [];
	test.each(trail)(
		"$name contains each expected record, and different innocent ones",
		({ name, trigger }) => {
			const idsOf = (way: string) =>
				(
					JSON.parse(readFileSync(join(TEST, "cloudtrail", name, `${way}.json`), "utf8")) as {
						Records: { eventID: string }[];
					}
				).Records.map(({ eventID }) => eventID);
			const bad = idsOf("trigger");
			expect(new Set(trigger.map(({ event }) => event))).toEqual(new Set(bad));
			expect(idsOf("innocent").length).toBeGreaterThan(0);
		},
	);
});
