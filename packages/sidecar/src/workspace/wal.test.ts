import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { isSame, readWal, type WalPosition } from "./wal.ts";

const PAGE = 1024;
const FRAME = PAGE + 24;

/** The bytes of a log after each of four commits. */
function logs(): Buffer[] {
	const file = `${testDirectory()}/x.db`;
	using db = new DatabaseSync(file);
	db.exec(
		`PRAGMA page_size = ${PAGE}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF`,
	);
	return [
		"CREATE TABLE t (v)",
		...[1, 2, 3].map((n) => `INSERT INTO t VALUES (zeroblob(${n * 1500}))`),
	].map((sql) => {
		db.exec(sql);
		return readFileSync(`${file}-wal`);
	});
}

async function reading<T>(bytes: Buffer, read: (fd: number) => Promise<T> | T): Promise<T> {
	const file = `${testDirectory()}/log`;
	writeFileSync(file, bytes);
	const fd = openSync(file, "r");
	try {
		return await read(fd);
	} finally {
		closeSync(fd);
	}
}

const framesIn = (log: Buffer) => (log.length - 32) / FRAME;
const read = (log: Buffer, from?: WalPosition, pageSize = PAGE) =>
	reading(log, (fd) => readWal(fd, pageSize, from));

test("reads up to the last commit, from the start or from an earlier place", async () => {
	const all = logs();
	let before: WalPosition | undefined;
	for (const log of all) {
		const position = await read(log);
		expect(position?.frames).toBe(framesIn(log));
		expect(position?.pageCount).toBe(Math.max(...(position?.pages.keys() ?? [])));
		expect(await read(log, before)).toEqual(position);
		before = position;
	}
});

test("stops before a frame that is torn, truncated, or of another round of the log, and before a transaction without its end", async () => {
	const [, , third = Buffer.alloc(0), last = Buffer.alloc(0)] = logs();
	const whole = await read(third);
	const inLast = third.length;
	for (const [name, at] of [
		["page", inLast + 24 + 100],
		["page number", inLast],
		["size after the commit", last.length - FRAME + 7],
		["salt", inLast + 9],
		["checksum", inLast + 17],
	] as const) {
		const torn = Buffer.from(last);
		torn[at] = (torn[at] as number) ^ 1;
		expect(await read(torn), name).toEqual(whole);
		expect(await read(torn, whole), name).toEqual(whole);
	}
	expect(await read(last.subarray(0, last.length - 1))).toEqual(whole);
	expect(await read(last.subarray(0, last.length - FRAME))).toEqual(whole);
});

test("does not read a log that it cannot interpret", async () => {
	const [log = Buffer.alloc(0)] = logs();
	expect(await read(log, undefined, 4096)).toBeUndefined();
	for (const at of [3, 9, 17, 25]) {
		const other = Buffer.from(log);
		other[at] = (other[at] as number) ^ 1;
		expect(await read(other)).toBeUndefined();
	}
	expect((await read(Buffer.alloc(0)))?.frames).toBe(0);
});

// @id wal-restarted
test("detects a log that started over", async () => {
	const [one = Buffer.alloc(0), two = Buffer.alloc(0)] = logs();
	const [other = Buffer.alloc(0)] = logs();
	const position = (await read(one)) as WalPosition;
	expect(await reading(two, (fd) => isSame(fd, position, PAGE))).toBe(true);
	expect(await reading(other, (fd) => isSame(fd, position, PAGE))).toBe(false);
	expect(await reading(two.subarray(0, 40), (fd) => isSame(fd, position, PAGE))).toBe(false);
	expect(await read(other, position)).toEqual(await read(other));
});
