import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Roots } from "../path.ts";
import { findUnwatched, noWatchReason, type Trial } from "./unwatched.ts";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "sidecar-unwatched-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const look = async (trial: Trial = {}) =>
	await findUnwatched(new Roots(directory), () => "keep", trial);
const silent: Trial = {
	watch: () => ({ on: () => undefined as never, close: () => {} }),
	trialMs: 10,
};

describe("findUnwatched", () => {
	test("reports nothing for a directory whose changes are announced", async () => {
		expect(await look()).toEqual([]);
	});

	// @id no-notification
	test("names a directory that gets no notifications", async () => {
		expect(await look(silent)).toEqual([
			{ directory, reason: "a change made here was not reported within 10 ms" },
		]);
	});

	test("names the reason why the kernel grants no watch", async () => {
		const watch = () => {
			throw Object.assign(new Error("made up"), { code: "ENOSYS" });
		};
		expect(await look({ watch })).toEqual([
			{ directory, reason: "ENOSYS: the kernel refused the watch" },
		]);
	});

	test("sees a notification that arrived while this process was busy for longer than the trial takes", async () => {
		const found = look({ trialMs: 10 });
		const until = performance.now() + 100;
		while (performance.now() < until);
		expect(await found).toEqual([]);
	});

	test("changes neither owner, mode nor time of the directory, and leaves nothing in it", async () => {
		const before = lstatSync(directory, { bigint: true });
		await look();
		const { uid, gid, mode, mtimeNs } = lstatSync(directory, { bigint: true });
		expect({ uid, gid, mode, mtimeNs }).toEqual({
			uid: before.uid,
			gid: before.gid,
			mode: before.mode,
			mtimeNs: before.mtimeNs,
		});
	});

	test("reports nothing for a directory that does not exist", async () => {
		expect(await findUnwatched(new Roots(join(directory, "gone")), () => "keep")).toEqual([]);
	});
});

test("does not report a directory that cannot be read, or that is gone, as unwatched", () => {
	expect(["ENOSPC", "EMFILE", "ENOSYS"].map(noWatchReason)).not.toContain(undefined);
	expect(["EACCES", "ENOENT", "overflow", "started", "root"].map(noWatchReason)).toEqual(
		Array(5).fill(undefined),
	);
});
