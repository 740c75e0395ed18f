import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERRORS } from "../../errors.ts";
import { operationsDocument, standaloneDocument, troubleshootingDocument } from "./document.ts";
import { PLATFORM_CODES } from "./platform-codes.ts";

const read = (name: string) =>
	readFileSync(new URL(`../../../../../docs/${name}`, import.meta.url), "utf8");
const operations = read("operations.md");
const standalone = read("standalone.md");
const troubleshooting = read("troubleshooting.md");

test("docs/operations.md, docs/standalone.md and docs/troubleshooting.md are up to date; `pnpm docs:write` writes them", () => {
	expect(operations).toBe(operationsDocument(operations));
	expect(standalone).toBe(standaloneDocument(standalone));
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
