import { describe, expect, test } from "vitest";
import { FIRST_COMMIT_MS, MS_PER_COMMIT, WrittenLog } from "../../../testkit/store/written-log.ts";
import { commitChanges } from "./commit-changes.ts";
import { resolveSince } from "./since.ts";

const log = new WrittenLog();
for (let seq = 1; seq <= 10; seq++) log.write({ f: String(seq) });

/** The oldest commit that is reported. */
async function oldestSince(since: string): Promise<number | undefined> {
	let oldest: number | undefined;
	const until = await resolveSince(log.store, since);
	for await (const item of commitChanges(log.store, until))
		if (item.type === "commit") oldest = item.info.seq;
	return oldest;
}

const timeOf = (seq: number) => new Date(FIRST_COMMIT_MS + (seq - 1) * MS_PER_COMMIT).toISOString();

describe("resolveSince", () => {
	test.each([
		["8", 9],
		["latest~1", 10],
		["10", undefined],
		[timeOf(8), 8],
		["5m", 6],
		["90 seconds ago", 10],
		["3 weeks ago", 1],
		["2001-01-01", 1],
		["2 years ago", 1],
	])("changes since %s begin with commit %s", async (since, expected) => {
		expect(await oldestSince(since)).toBe(expected);
	});

	test("a day means from its beginning", async () => {
		const day = new Date(FIRST_COMMIT_MS).toLocaleDateString("sv-SE");
		expect(await oldestSince(day)).toBe(1);
	});

	test.each([
		["99", "COMMIT_NOT_FOUND"],
		["never", "USAGE"],
		["", "USAGE"],
	])("refuses %j", async (since, code) => {
		await expect(oldestSince(since)).rejects.toMatchObject({ code });
	});

	test("a commit that retention deleted still says where to end", async () => {
		const short = new WrittenLog();
		for (let seq = 1; seq <= 70; seq++)
			short.write({ f: String(seq) }, seq === 64 ? { kind: "full" } : {});
		for (let seq = 1; seq < 64; seq++) short.delete(seq);
		expect(await resolveSince(short.store, "30")).toEqual({ after: 30 });
	});
});
