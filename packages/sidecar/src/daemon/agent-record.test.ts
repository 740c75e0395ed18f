import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isRecorded, readRecord, recordAgent } from "./agent-record.ts";

let file: string;
beforeEach(() => {
	file = join(mkdtempSync(join(tmpdir(), "sidecar-record-")), "agent.json");
});
afterEach(() => rmSync(join(file, ".."), { recursive: true }));

test("a record matches the process with its pid and start time, and no other", () => {
	recordAgent(file, process.pid, "mark");
	const record = readRecord(file);
	expect(record).toMatchObject({ pid: process.pid, mark: "mark" });
	const own = { pid: process.pid, startedAt: record?.startedAt ?? "", parent: 1, isZombie: false };
	const names = (entry: typeof own) => record !== undefined && isRecorded(record, entry);
	expect([own, { ...own, startedAt: "1" }, { ...own, pid: 1 }].map(names)).toEqual([
		true,
		false,
		false,
	]);
});

test.each([
	["another boot", { boot: "00000000-0000-0000-0000-000000000000" }],
	["a boot that nobody knows", { boot: "" }],
	["another pid namespace", { pidNamespace: "1" }],
	["no start", { startedAt: undefined }],
])("rejects a record of %s", (_, change) => {
	recordAgent(file, process.pid, "mark");
	writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
	expect(readRecord(file)).toBeUndefined();
});

test.each(["", "[", "null", "{}"])("does not accept %j as a record", (text) => {
	writeFileSync(file, text);
	expect(readRecord(file)).toBeUndefined();
});
