import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readDecisions, withIndex } from "./decisions.ts";

const readme = readFileSync(new URL("../docs/decisions/README.md", import.meta.url), "utf8");
const pages = readDecisions();

test("decisions are numbered without gaps, in the file name and in the title", () => {
	expect(pages.length).toBeGreaterThan(50);
	for (const [index, { file, text }] of pages.entries()) {
		expect(file).toMatch(new RegExp(`^${String(index + 1).padStart(4, "0")}-[a-z0-9-]+\\.md$`));
		expect(text.startsWith(`# ${index + 1}. `), file).toBe(true);
	}
});

test("each decision has the headings Status, Context, Decision and Consequences", () => {
	for (const { file, text } of pages) {
		const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
		expect(headings, file).toEqual(
			expect.arrayContaining(["Status", "Context", "Decision", "Consequences"]),
		);
	}
});

test("docs/decisions/README.md lists each decision; `pnpm docs:write` writes it", () => {
	expect(withIndex(readme, pages)).toBe(readme);
});

test("a page without a status, and a README without marks, are refused", () => {
	expect(() => withIndex(readme, [{ file: "0001-x.md", text: "# 1. X\n\n## Context\n" }])).toThrow(
		"0001-x.md must begin with",
	);
	expect(() => withIndex("# Decisions", pages)).toThrow("lacks the marks of the index");
});
