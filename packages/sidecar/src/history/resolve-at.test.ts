import { utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { SidecarError } from "../errors.ts";
import { logKey } from "../log/keys.ts";
import { resolveAt } from "./resolve-at.ts";

/** When the store "received" commits 2 to 5; retention deleted commit 1. */
const TIMES: Readonly<Record<number, string>> = {
	2: "2026-11-20T00:00:00.000Z",
	3: "2026-11-21T10:00:00.000Z",
	4: "2026-11-21T10:00:00.250Z",
	5: "2026-11-22T10:00:00.000Z",
};
const HOUR_MS = 3_600_000;

let bench: Workbench;

beforeAll(async () => {
	bench = await workbench();
	// Only keys and times count: a commit that cannot be decoded must not hide an older one.
	for (const [seq, time] of Object.entries(TIMES)) {
		await bench.store.putIfAbsent(logKey(Number(seq)), Buffer.from("not a commit"));
		utimesSync(
			join(bench.dir, "store/users/alice", logKey(Number(seq))),
			new Date(time),
			new Date(time),
		);
	}
});
afterAll(() => bench[Symbol.asyncDispose]());

async function failure(at: string): Promise<Pick<SidecarError, "code" | "message">> {
	try {
		await resolveAt(bench.store, at);
	} catch (error) {
		if (error instanceof SidecarError) return { code: error.code, message: error.message };
		throw error;
	}
	throw new Error("was accepted");
}

describe("resolveAt", () => {
	test.each([
		["2", 2],
		["5", 5],
		["2026-11-20T00:00:00Z", 2],
		["2026-11-21", 2],
		["2026-11-21T09:59:59.999Z", 2],
		["2026-11-21T10:00", 3],
		["2026-11-21 10:00:00", 3],
		["2026-11-21T10:00:00.249Z", 3],
		["2026-11-21T10:00:00.250Z", 4],
		["2026-11-21T11:00:00.250+01:00", 4],
		["2026-11-21t10:00:00.250z", 4],
		["2026-11-22T04:59-05:00", 4],
		["2026-11-22T05:00-05:00", 5],
		["2099-01-01", 5],
		["0s", 5],
	])("%s is commit %i", async (at, seq) => {
		expect(await resolveAt(bench.store, at)).toBe(seq);
	});

	test("a relative time counts from the store's clock", async () => {
		const ago = (time: string) => (Date.now() - Date.parse(time)) / HOUR_MS;
		const between = ago(TIMES[4] as string) - 1;
		expect(await resolveAt(bench.store, `${between.toFixed(3)}h`)).toBe(4);
		expect(await resolveAt(bench.store, `${(between * 60).toFixed(0)}m`)).toBe(4);
		expect(await resolveAt(bench.store, `${(between / 24).toFixed(3)}d`)).toBe(4);
	});

	test.each([
		["0", "0: commits count from 1"],
		["6", "6: the newest commit is 5"],
		["999999999999999", "the newest commit is 5"],
		["2026-11-19", "2026-11-19: the oldest commit is 2, of 2026-11-20T00:00:00.000Z"],
		["999w", "999w: the oldest commit is 2"],
	])("%s is not found", async (at, said) => {
		expect(await failure(at)).toEqual({
			code: "COMMIT_NOT_FOUND",
			message: expect.stringContaining(said),
		});
	});

	test("a commit that retention deleted is past retention", async () => {
		expect(await failure("1")).toEqual({
			code: "COMMIT_EXPIRED",
			message: expect.stringContaining("1: no commit that old is left"),
		});
	});

	test.each([
		"",
		"now",
		"-1",
		"1.5",
		"0x10",
		"2h30m",
		"5 m",
		"5M",
		"2026-13-01",
		"2026-11-21T25:00",
		"2026-11-21T10",
		"21.11.2026",
		"1e3",
	])("--at rejects %j", async (at) => {
		expect(await failure(at)).toEqual({
			code: "USAGE",
			message: expect.stringContaining("flag --at accepts"),
		});
	});

	test("an empty log has no commits", async () => {
		await using empty = await workbench();
		for (const at of ["1", "1h", "2026-11-21"]) {
			await expect(resolveAt(empty.store, at)).rejects.toMatchObject({
				code: "COMMIT_NOT_FOUND",
				message: expect.stringContaining("the log is empty"),
			});
		}
	});
});
