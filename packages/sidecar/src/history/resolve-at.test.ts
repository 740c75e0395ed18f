import { utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { SidecarError } from "../errors.ts";
import { COMMIT_HEADER_BYTES } from "../log/commit-header.ts";
import { logKey } from "../log/keys.ts";
import type { ObjectStore } from "../store/port.ts";
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
beforeEach(() => {
	vi.stubEnv("TZ", "UTC");
});
afterAll(() => bench[Symbol.asyncDispose]());

async function bytesOf(store: ObjectStore, seq: number): Promise<Buffer> {
	return (await store.get(logKey(seq))).body;
}

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
		["2026-11-20", 2],
		["2026-11-21", 4],
		["latest", 5],
		["latest~3", 2],
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
		["2026-11-19", "2026-11-19: the oldest commit is 2, of 2026-11-20 00:00:00 +00:00"],
		["latest~4", "latest~4: the oldest commit is 2"],
		["beef", "beef: no commit's ID begins with it"],
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

	test("a time without a zone is local", async () => {
		vi.stubEnv("TZ", "America/New_York");
		expect(await resolveAt(bench.store, "2026-11-21 05:00")).toBe(3);
		expect(await resolveAt(bench.store, "2026-11-21 04:59")).toBe(2);
	});

	test("words are counted from the store's clock", async () => {
		const days = Math.floor((Date.now() - Date.parse("2026-11-20T12:00:00Z")) / (24 * HOUR_MS));
		expect(await resolveAt(bench.store, `${days} days ago`)).toBe(2);
		expect(await resolveAt(bench.store, "nov 21 2026")).toBe(4);
	});

	test.each(["", "-1", "1.5", "0x10", "2026-11-21T10", "21.11.2026", "1e3", "yesterdayish"])(
		"%j names nothing, and the message lists the forms",
		async (at) => {
			await expect(resolveAt(bench.store, at)).rejects.toMatchObject({
				code: "USAGE",
				message: expect.stringContaining(
					`${at === "" ? '""' : at}: it names neither a commit nor a time`,
				),
				remedy: expect.stringContaining("latest~3, an age (2h, 1h30m, 2 hours ago)"),
			});
		},
	);

	test("a time before the log names the oldest commit", async () => {
		await expect(resolveAt(bench.store, "2026-11-19")).rejects.toMatchObject({
			remedy: expect.stringContaining("the number of a commit"),
		});
	});

	test("the first digits of an ID name its commit, unless several begin with them", async () => {
		await using named = await workbench();
		const ids = ["ab".repeat(32), `ab${"cd".repeat(31)}`, "1234".repeat(16)];
		for (const [index, id] of ids.entries()) {
			const header = Buffer.alloc(COMMIT_HEADER_BYTES);
			header.write(id, 32, "hex");
			await named.store.putIfAbsent(logKey(index + 1), header);
		}
		expect(await resolveAt(named.store, "abab")).toBe(1);
		expect(await resolveAt(named.store, "ABCD")).toBe(2);
		expect(await resolveAt(named.store, ids[1] as string)).toBe(2);
		// Only decimal: a number.
		for (const both of ["000d", "123D"])
			await expect(resolveAt(named.store, both)).rejects.toMatchObject({
				...{ code: "USAGE", value: both },
				message: expect.stringContaining("an age or the first digits of a commit's ID"),
			});
		await expect(resolveAt(named.store, "1234")).rejects.toMatchObject({
			message: expect.stringContaining("the newest commit is 3"),
		});
		await named.store.putIfAbsent(logKey(4), await bytesOf(named.store, 1));
		await expect(resolveAt(named.store, "abab")).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining(
				"the IDs of 2 commits begin with it: abababababab (4), abababababab (1)",
			),
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
