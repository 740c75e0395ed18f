import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERRORS } from "../../errors.ts";
import { operationsDocument, troubleshootingDocument } from "./document.ts";
import { PLATFORM_CODES } from "./platform-codes.ts";

const read = (name: string) =>
	readFileSync(new URL(`../../../../../docs/${name}`, import.meta.url), "utf8");
const operations = read("operations.md");
const troubleshooting = read("troubleshooting.md");

test("docs/operations.md and docs/troubleshooting.md are up to date; `pnpm docs:write` writes them", () => {
	expect(operations).toBe(operationsDocument(operations));
	expect(troubleshooting).toBe(troubleshootingDocument(troubleshooting));
});

test("docs/troubleshooting.md has every code", () => {
	for (const code of [...Object.keys(ERRORS), ...PLATFORM_CODES.map((platform) => platform.code)])
		expect(troubleshooting).toContain(code);
});

test("rejects a document without its markers", () => {
	expect(() => operationsDocument("# Operations")).toThrow(
		"docs/operations.md lacks the marks of secrets",
	);
	expect(() => troubleshootingDocument("# Troubleshooting")).toThrow(
		"docs/troubleshooting.md lacks the marks of errors",
	);
});
