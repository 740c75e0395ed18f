/**
 * Incidents in which leftovers made a new machine look like an old one. Numbers:
 * docs/reliability.md.
 */
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { openclawProfile, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { commit, put, textOf } from "./files.ts";

const profile = openclawProfile;

// @id incident-18-locks
it("18: locks and process ids of one machine reach no other, but the user's own files with such names do", async () => {
	await using bench = await workbench();
	const left = [
		"gateway.pid",
		"openclaw.json.lock",
		"agents/main/sessions/1.jsonl.lock",
		"agents/main/agent/x.lock.sqlite",
	];
	put(bench, "a", Object.fromEntries(left.map((path) => [path, "4711"])));
	put(bench, "a", {
		"agents/main/sessions/1.jsonl": "{}\n",
		"workspace/yarn.lock": "mine",
		"browser/default/user-data/x": "x",
	});
	symlinkSync("host-4711", join(bench.workspace("a"), "browser/default/user-data/SingletonLock"));
	await commit(await bench.open("a", { profile }));

	await bench.open("b", { profile });
	for (const path of [...left, "browser/default/user-data/SingletonLock"]) {
		expect({ path, isThere: existsSync(join(bench.workspace("b"), path)) }).toEqual({
			path,
			isThere: false,
		});
	}
	expect(textOf(bench, "b", "agents/main/sessions/1.jsonl")).toBe("{}\n");
	expect(textOf(bench, "b", "workspace/yarn.lock")).toBe("mine");
});

// @id incident-18-lease
it("18: a lease in the state database is released for the next machine, and kept for its live holder", async () => {
	await using bench = await workbench();
	put(bench, "a", { "state/.keep": "" });
	const open = (machine: string) =>
		new DatabaseSync(join(bench.workspace(machine), "state/openclaw.sqlite"));
	const leases = (database: DatabaseSync) =>
		database.prepare("SELECT host FROM state_leases").all();
	using held = open("a");
	held.exec(
		"PRAGMA journal_mode = WAL; CREATE TABLE state_leases (host); INSERT INTO state_leases VALUES ('old-host')",
	);
	await commit(await bench.open("a", { profile }));
	await bench.open("b", { profile });
	using next = open("b");
	expect(leases(next)).toEqual([]);
	expect(leases(held)).toEqual([{ host: "old-host" }]);
});

// @id incident-19-half-written
it("19: half-written files that OpenClaw would prefer over the real ones are never stored", async () => {
	await using bench = await workbench();
	const orphans = [
		"cron/jobs.json.4711.tmp",
		"cron/jobs.json.tmp.4711",
		".fs-safe-replace.12.0a-0b.tmp",
		"workspace/.fs-safe-replace.1.0b-1c.tmp",
	];
	put(bench, "a", {
		"cron/jobs.json": "[]",
		...Object.fromEntries(orphans.map((path) => [path, '["deleted long ago"]'])),
	});
	await commit(await bench.open("a", { profile }));
	const { tree } = (await readLog(bench.store)).head;
	expect(orphans.filter((path) => tree.has(path))).toEqual([]);
	expect(tree.get("cron/jobs.json")?.type).toBe("file");
});
