import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ERRORS } from "../../errors.ts";
import { operationsDocument } from "./document.ts";
import { PLATFORM_CODES } from "./platform-codes.ts";

const written = readFileSync(new URL("../../../../../docs/operations.md", import.meta.url), "utf8");

test("docs/operations.md is up to date; `pnpm docs:write` writes it", () => {
	expect(written).toBe(operationsDocument(written));
});

test("it has every code", () => {
	for (const code of [...Object.keys(ERRORS), ...PLATFORM_CODES.map((platform) => platform.code)]) expect(written).toContain(code);
});

test("a document that lost its marks is refused", () => {
	expect(() => operationsDocument("# Operations")).toThrow("lacks the marks of errors");
});
