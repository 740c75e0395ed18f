/**
 * Incidents in which a restore wrote through one of several names of a file. Numbers:
 * docs/reliability.md.
 */
import { randomBytes } from "node:crypto";
import {
	chmodSync,
	linkSync,
	mkdirSync,
	openSync,
	readFileSync,
	rmSync,
	statSync,
	utimesSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { below, commit } from "./files.ts";
import { restoreAt } from "./restore-at.ts";

const MiB = 1024 * 1024;

/** Changes one byte in place, in the second of three chunks. */
function editInPlace(file: string): void {
	writeSync(openSync(file, "r+"), "!", MiB + 5);
}

/**
 * `big` of three chunks is durable and on the disks of a and b; then a changes the middle chunk.
 */
async function partlyChanged(): Promise<{
	bench: Workbench;
	at: (machine: string, ...names: string[]) => string;
	old: Buffer;
	now: Buffer;
}> {
	const bench = await workbench();
	const at = (machine: string, ...names: string[]) => join(bench.workspace(machine), ...names);
	mkdirSync(at("a"));
	writeFileSync(at("a", "big"), randomBytes(3 * MiB), { mode: 0o640 });
	await commit(await bench.open("a"), { closed: true });
	const old = readFileSync(at("a", "big"));
	const b = await bench.open("b");
	await b.flush({ sweep: true, closed: true });
	const a = await bench.open("a");
	editInPlace(at("a", "big"));
	await commit(a, { closed: true });
	return { bench, at, old, now: readFileSync(at("a", "big")) };
}

describe("restic #22085: a file with several names that matches the log in part", () => {
	// @id restic-22085-name-outside
	it("restic #22085: is restored completely, and its other name outside the workspace keeps its content", async () => {
		const { bench, at, old, now } = await partlyChanged();
		await using _ = bench;
		const outside = join(bench.dir, "backup-of-big");
		linkSync(at("b", "big"), outside);
		const before = statSync(outside);
		await bench.open("b");
		expect(readFileSync(at("b", "big")).equals(now)).toBe(true);
		expect(readFileSync(outside).equals(old)).toBe(true);
		expect(statSync(outside)).toMatchObject({ mode: before.mode, mtimeMs: before.mtimeMs });
		expect(below(at("b"))).toEqual(below(at("a")));
	});

	// @id restic-22085-name-inside
	it("restic #22085: is restored completely, and its other name in the workspace is unchanged and committed", async () => {
		const { bench, at, old, now } = await partlyChanged();
		await using _ = bench;
		linkSync(at("b", "big"), at("b", "other-name"));
		const b = await bench.open("b");
		expect(readFileSync(at("b", "big")).equals(now)).toBe(true);
		expect(readFileSync(at("b", "other-name")).equals(old)).toBe(true);
		await commit(b, { closed: true });
		await bench.open("c");
		expect(readDisk(at("c"))).toEqual(readDisk(at("b")));
	});

	// @id restic-22085-edited-in-place
	it("restic #22085: if another machine edits one of two names in the log in place, each name gets what its commit says", async () => {
		await using bench = await workbench();
		const at = (machine: string, ...names: string[]) => join(bench.workspace(machine), ...names);
		mkdirSync(at("a"));
		writeFileSync(at("a", "one"), randomBytes(3 * MiB));
		linkSync(at("a", "one"), at("a", "two"));
		await commit(await bench.open("a"), { closed: true });
		const b = await bench.open("b");
		// Like a machine that made the two one file again.
		rmSync(at("b", "two"));
		linkSync(at("b", "one"), at("b", "two"));
		await b.flush({ sweep: true, closed: true });
		const a = await bench.open("a");
		const bytes = readFileSync(at("a", "one"));
		rmSync(at("a", "one"));
		writeFileSync(at("a", "one"), bytes, { mode: 0o755 });
		editInPlace(at("a", "one"));
		utimesSync(at("a", "one"), 1_000_000_000, 1_000_000_000);
		await commit(a, { closed: true });
		await bench.open("b");
		expect(readDisk(at("b"))).toEqual(readDisk(at("a")));
		expect(readFileSync(at("b", "two")).equals(bytes)).toBe(true);
	});

	// @id restic-22085-restore-at
	it("restic #22085: names that are one file now, with different modes and times in that commit, become two files again", async () => {
		await using bench = await workbench();
		const at = (machine: string, ...names: string[]) => join(bench.workspace(machine), ...names);
		mkdirSync(at("a"));
		for (const [name, seconds] of [
			["one", 1_000_000_000],
			["two", 1_100_000_000],
			["three", 1_200_000_000],
		] as const) {
			writeFileSync(at("a", name), "the same text");
			utimesSync(at("a", name), seconds, seconds);
		}
		chmodSync(at("a", "three"), 0o755);
		const a = await bench.open("a");
		const then = await commit(a);
		const before = below(at("a"));
		for (const name of ["two", "three"]) {
			rmSync(at("a", name));
			linkSync(at("a", "one"), at("a", name));
		}
		await commit(a, { closed: true });

		await restoreAt(bench, "a", then);
		expect(below(at("a"))).toEqual(before);
	});

	// @id restic-22085-database
	it("restic #22085: a database with several names is replaced at one name, and the other name keeps its rows", async () => {
		await using bench = await workbench();
		const at = (machine: string, ...names: string[]) => join(bench.workspace(machine), ...names);
		mkdirSync(at("a"));
		const rows = (file: string) => {
			using database = new DatabaseSync(file, { readOnly: true });
			return database.prepare("SELECT v FROM t").all();
		};
		{
			using database = new DatabaseSync(at("a", "x.db"));
			database.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('old')");
		}
		await commit(await bench.open("a"), { closed: true });
		await (await bench.open("b")).flush({ sweep: true, closed: true });
		const a = await bench.open("a");
		{
			using database = new DatabaseSync(at("a", "x.db"));
			database.exec("UPDATE t SET v = 'new'");
		}
		await commit(a, { closed: true });
		const outside = join(bench.dir, "x.db.backup");
		linkSync(at("b", "x.db"), outside);
		await bench.open("b");
		expect(rows(at("b", "x.db"))).toEqual([{ v: "new" }]);
		expect(rows(outside)).toEqual([{ v: "old" }]);
	});
});
