/** docs/deployment-tests.md names tests that exist. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROWS, shownPage } from "./shown.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

test("each promise has a test, whose file has its title", () => {
	expect(ROWS).toHaveLength(25);
	for (const { claim, tests } of ROWS) {
		expect([claim, Object.values(tests).flat().length > 0]).toEqual([claim, true]);
		for (const [file, titles] of Object.entries(tests)) {
			const missing = titles.filter((title) => !read(file).includes(`"${title}"`));
			expect([file, missing]).toEqual([file, []]);
		}
	}
});

test("docs/deployment-tests.md is what the table says", () => {
	expect(read("docs/deployment-tests.md")).toBe(shownPage());
});
