import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { descendantsOf, type ProcessEntry, parseStat, readProcesses } from "./process-table.ts";

const entry = (pid: number, parent: number): ProcessEntry => ({
	pid,
	parent,
	isZombie: false,
	startedAt: "0",
});
const pidsOf = (ancestor: number, ...entries: ProcessEntry[]) =>
	descendantsOf(ancestor, entries)
		.map(({ pid }) => pid)
		.sort();

const REST = "2 2 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0";

describe("parseStat", () => {
	test.each([
		[
			"a plain name",
			`7 (node) S 3 ${REST}`,
			{ pid: 7, parent: 3, isZombie: false, startedAt: "4711" },
		],
		["a zombie", `7 (node) Z 3 ${REST}`, { pid: 7, parent: 3, isZombie: true, startedAt: "4711" }],
		[
			"a name that pretends",
			`7 (a) Z 1 (b\n) R) S 3 ${REST}`,
			{ pid: 7, parent: 3, isZombie: false, startedAt: "4711" },
		],
		["half a line", "7 (node) S 3 2", undefined],
		["nothing", "", undefined],
	])("%s", (_, text, expected) => {
		expect(parseStat(text)).toEqual(expected);
	});
});

describe("descendantsOf", () => {
	test("returns children and their descendants, and no others", () => {
		expect(
			pidsOf(2, entry(1, 0), entry(2, 1), entry(3, 2), entry(4, 3), entry(5, 1), entry(6, 2)),
		).toEqual([3, 4, 6]);
		expect(pidsOf(9, entry(1, 0))).toEqual([]);
	});

	test("ends if a table that changed while it was read contains a cycle", () => {
		expect(pidsOf(1, entry(2, 3), entry(3, 2), entry(2, 1))).toEqual(
			expect.arrayContaining([2, 3]),
		);
	});
});

test("finds a child of this process", async () => {
	const child = spawn("sleep", ["600"]);
	await once(child, "spawn");
	expect(descendantsOf(process.pid, readProcesses()).map(({ pid }) => pid)).toContain(child.pid);
	child.kill("SIGKILL");
	await once(child, "exit");
});
