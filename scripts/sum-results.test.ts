import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const SCRIPT = new URL("./sum-results.mjs", import.meta.url).pathname;
let directory: string;

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "sum-"));
	writeFileSync(
		join(directory, "good.json"),
		JSON.stringify({ numPassedTests: 7, numFailedTests: 0 }),
	);
	writeFileSync(
		join(directory, "bad.json"),
		JSON.stringify({ numPassedTests: 5, numFailedTests: 2 }),
	);
	writeFileSync(join(directory, "torn.json"), '{"numPassedTests":');
});

afterAll(() => rmSync(directory, { recursive: true }));

test.each([
	[["test", "0", "good.json", "61"], "7 passed, 0 failed", 0],
	[["test", "0", "good.json", "61", "demo", "0", "-", "61"], "8 passed, 0 failed", 0],
	[["test", "1", "bad.json", "61", "demo", "1", "-", "61"], "5 passed, 3 failed", 1],
	[["test", "1", "good.json", "61"], "7 passed, 1 failed", 1],
	[["test", "2", "none.json", "61"], "0 passed, 1 failed", 1],
	[["test", "0", "none.json", "61"], "0 passed, 1 failed", 1],
	[["test", "124", "torn.json", "61"], "0 passed, 1 failed", 1],
	[[], "0 passed, 0 failed", 1],
])("%j: %s", (args, lastLine, status) => {
	const run = spawnSync(process.execPath, [SCRIPT, ...args], { cwd: directory, encoding: "utf8" });
	expect(run.stdout.trimEnd().split("\n").at(-1)).toBe(lastLine);
	expect(run.stdout.match(/exit status \d+, 61 s$/gm) ?? []).toHaveLength(args.length / 4);
	expect(run.status).toBe(status);
});
