import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../commit/read-log.ts";
import { logKey } from "../log/keys.ts";
import { MAX_SEQ } from "../log/limits.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { repair } from "./repair.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

/** A log of three good commits. */
async function goodLog() {
	const store = new AgingStore();
	const bench = await workbench(store);
	undo.push(() => bench[Symbol.asyncDispose]());
	const session = await bench.open("a");
	for (const text of ["one", "two"]) {
		writeFileSync(join(bench.workspace("a"), "f"), text);
		session.hint("f");
		await session.flush();
	}
	const copyTo = mkdtempSync(join(tmpdir(), "repair-"));
	undo.push(() => rmSync(copyTo, { recursive: true, force: true }));
	const keys = async () => {
		const found: string[] = [];
		for await (const page of store.list("")) found.push(...page.objects.map(({ key }) => key));
		return found;
	};
	return { store, bench, copyTo, keys };
}

const GARBAGE: readonly [string, Buffer][] = [
	[logKey(4), Buffer.from("garbage, written with stolen keys")],
	[logKey(5), Buffer.alloc(0)],
	[logKey(MAX_SEQ), Buffer.alloc(9 * 1024 * 1024, "x")],
];
/**
 * Sorts before every commit and blocks nothing: perhaps a file of a workspace that was kept as
 * plain objects.
 */
const FOREIGN = "log/+";

describe("unreadable garbage", () => {
	it("is reported, and removed only on request, after a copy of every byte; the log is then readable and writable again", async () => {
		const { store, bench, copyTo, keys } = await goodLog();
		await store.putIfAbsent(FOREIGN, Buffer.from("no commit's key"));
		const good = await keys();
		for (const [key, body] of GARBAGE) await store.putIfAbsent(key, body);
		await expect(readLog(store)).rejects.toMatchObject({ exitStatus: 5 });

		const shown = await repair(store, { after: 3, logger: silentLogger });
		expect(shown.map(({ key, copy }) => [key, copy])).toEqual(
			[logKey(MAX_SEQ), logKey(5), logKey(4)].map((key) => [key, undefined]),
		);
		expect(await keys()).toEqual([...good, ...GARBAGE.map(([key]) => key)].sort());

		const removed = await repair(store, { after: 3, copyTo, logger: silentLogger });
		expect(removed.map(({ key }) => key)).toEqual(shown.map(({ key }) => key));
		for (const [key, body] of GARBAGE)
			expect(readFileSync(join(copyTo, key)).equals(body)).toBe(true);
		expect(await keys()).toEqual(good);
		const next = await bench.open("b");
		expect(readDisk(bench.workspace("b"))).toEqual(readDisk(bench.workspace("a")));
		expect(next.head.seq).toBe(4);
		expect(await repair(store, { after: 4, copyTo, logger: silentLogger })).toEqual([]);
	});

	it("stays if its copy cannot be written", async () => {
		const { store, keys } = await goodLog();
		for (const [key, body] of GARBAGE) await store.putIfAbsent(key, body);
		const before = await keys();
		await expect(
			repair(store, { after: 3, copyTo: "/dev/null/copies", logger: silentLogger }),
		).rejects.toMatchObject({
			code: "STATE_DIR_UNUSABLE",
		});
		expect(await keys()).toEqual(before);
	});
});

describe("repair never removes", () => {
	it("a later readable commit, even one before garbage", async () => {
		const { store, copyTo, keys } = await goodLog();
		await store.putIfAbsent(logKey(4), Buffer.from("garbage"));
		const before = await keys();
		await expect(repair(store, { after: 2, copyTo, logger: silentLogger })).rejects.toMatchObject({
			code: "USAGE",
			value: "3",
		});
		expect(await keys()).toEqual(before);
	});

	it("a commit of a newer release", async () => {
		const { store, copyTo, keys } = await goodLog();
		const newer = Buffer.from((await store.get(logKey(3))).body);
		newer.writeUInt16LE(2, 4);
		newer.writeBigUInt64LE(4n, 24);
		await store.putIfAbsent(logKey(4), newer);
		const before = await keys();
		await expect(repair(store, { after: 3, copyTo, logger: silentLogger })).rejects.toMatchObject({
			code: "FORMAT_UNKNOWN",
			value: logKey(4),
		});
		expect(await keys()).toEqual(before);
	});

	it("anything, if the commit to keep is unreadable or missing", async () => {
		const { store, copyTo, keys } = await goodLog();
		await store.putIfAbsent(logKey(4), Buffer.from("garbage"));
		await store.putIfAbsent(logKey(5), Buffer.from("garbage"));
		const before = await keys();
		await expect(repair(store, { after: 4, copyTo, logger: silentLogger })).rejects.toMatchObject({
			code: "OBJECT_CORRUPT",
			value: logKey(4),
		});
		await expect(repair(store, { after: 9, copyTo, logger: silentLogger })).rejects.toMatchObject({
			code: "COMMIT_NOT_FOUND",
			value: "9",
		});
		expect(await keys()).toEqual(before);
	});

	it("anything but garbage; a commit that does not continue the log is garbage", async () => {
		const { store, copyTo } = await goodLog();
		const other = await goodLog();
		const session = await other.bench.open("x");
		expect(session.head.seq).toBe(4);
		await store.putIfAbsent(logKey(4), (await other.store.get(logKey(4))).body);
		expect(await repair(store, { after: 3, copyTo, logger: silentLogger })).toMatchObject([
			{ seq: 4, error: { code: "OBJECT_CORRUPT" } },
		]);
		expect((await readLog(store)).head.seq).toBe(3);
	});
});
