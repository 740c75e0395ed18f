import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildUi, compressedBytes, UI_DIRECTORY, UI_LIMIT_BYTES } from "../build.ts";

beforeAll(async () => {
	if (!existsSync(join(UI_DIRECTORY, "index.html"))) await buildUi();
});

test("the page adds at most 300 kB to the package, compressed", () => {
	expect(UI_LIMIT_BYTES).toBe(300_000);
	expect(compressedBytes()).toBeLessThanOrEqual(UI_LIMIT_BYTES);
});

test("the licences name the libraries of the page and of its worker", () => {
	const text = readFileSync(join(UI_DIRECTORY, "LICENSES.md"), "utf8");
	for (const name of ["preact", "uplot", "lowlight", "mdast-util-from-markdown"])
		expect(text).toContain(`## ${name} - `);
});

test("the page has no inline script or style, which its policy forbids, and names no other place", () => {
	const html = readFileSync(join(UI_DIRECTORY, "index.html"), "utf8");
	expect(html).toMatch(/<script type="module"[^>]* src="\/assets\//);
	expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=|https?:/);
});
