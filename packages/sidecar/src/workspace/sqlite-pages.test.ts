import {
	closeSync,
	mkdirSync,
	openSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Child, startNode } from "../../../testkit/workspace/start-node.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { snapshotSqlite } from "./sqlite.ts";
import { readPagesInPlace, type SeenPages } from "./sqlite-pages.ts";

const CHUNK = 16_384;

function places(): { root: string; temp: string } {
	const directory = testDirectory();
	mkdirSync(`${directory}/workspace`);
	mkdirSync(`${directory}/temp`, { mode: 0o700 });
	return { root: `${directory}/workspace`, temp: `${directory}/temp` };
}

/** What a capture keeps: the assembled bytes, and where the next read continues. */
interface Picture {
	readonly bytes: Buffer;
	readonly seen: SeenPages | undefined;
	/** Number of those bytes that were read; the rest is from the picture before. */
	readonly read: number;
	readonly isAfterCheckpoint: boolean;
}

/**
 * Like a capture: takes unchanged ranges from the picture before. Undefined if the database would
 * be copied instead.
 */
async function take(root: string, before: Picture | undefined): Promise<Picture | undefined> {
	const pages = await readPagesInPlace(root, "x.db", 0, before?.seen);
	if (pages === undefined) return undefined;
	try {
		const bytes = Buffer.alloc(pages.sizeBytes);
		let read = 0;
		for (let offset = 0; offset < bytes.length; offset += CHUNK) {
			const part = bytes.subarray(offset, offset + CHUNK);
			if (before !== undefined && !pages.mayDiffer(offset, part.length))
				before.bytes.copy(part, 0, offset);
			else if (pages.read(part, offset)) read += part.length;
			else return undefined;
			await nextTurn();
		}
		const { seen, isAfterCheckpoint } = pages;
		return pages.isOneMoment() ? { bytes, seen, read, isAfterCheckpoint } : undefined;
	} finally {
		pages.close();
	}
}

async function copied(root: string, temp: string): Promise<Buffer> {
	const copy = await snapshotSqlite(root, "x.db", temp);
	if (copy.kind !== "snapshot") throw new Error(`${copy.kind}: ${copy.reason}`);
	const bytes = readFileSync(copy.file);
	copy.dispose();
	return bytes;
}

/**
 * Runs its input line by line: SQL, "close" (a later line opens the database again), or "other" (a
 * second connection opens or closes: with one the log's index survives a close).
 */
const TELLTALE = `
	let db, other;
	say("started");
	for (let text = await line(); text !== undefined; text = await line()) {
		try {
			if (text === "close") { db?.close(); db = undefined; }
			else if (text === "other") {
				if (other === undefined) { other = new DatabaseSync(args[0]); other.prepare("SELECT count(*) FROM t").get(); }
				else { other.close(); other = undefined; }
			} else {
				db ??= new DatabaseSync(args[0], { timeout: 10_000 });
				db.exec("PRAGMA synchronous = OFF; PRAGMA cache_size = 5");
				db.exec(text);
			}
			say("ok");
		} catch (error) { say(error.message); }
	}`;

async function tell(child: Child, text: string): Promise<void> {
	child.tell(text);
	await child.line();
}

/** Waits until a write to the file would show in its times. */
async function settle(file: string): Promise<void> {
	for (
		let age = 0;
		age < 25;
		age = Date.now() - Math.max(statSync(file).mtimeMs, statSync(file).ctimeMs)
	)
		await nextTurn();
}

const rows = (n: number, bytes: number) =>
	`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${n}) INSERT INTO t(text) SELECT hex(randomblob(${bytes})) FROM n`;

const anyStep = fc.oneof(
	{
		weight: 4,
		arbitrary: fc
			.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3000 }))
			.map(([n, bytes]) => rows(n, bytes)),
	},
	{
		weight: 3,
		arbitrary: fc.nat(6).map((n) => `UPDATE t SET text = text || 'x' WHERE id % 7 = ${n}`),
	},
	{ weight: 1, arbitrary: fc.nat(4).map((n) => `DELETE FROM t WHERE id % 5 = ${n}`) },
	{
		weight: 3,
		arbitrary: fc
			.constantFrom("PASSIVE", "FULL", "RESTART", "TRUNCATE")
			.map((kind) => `PRAGMA wal_checkpoint(${kind})`),
	},
	{ weight: 1, arbitrary: fc.constant("BEGIN; UPDATE t SET text = 'never seen'; ROLLBACK") },
	{
		weight: 1,
		arbitrary: fc.constantFrom(
			"VACUUM",
			"PRAGMA incremental_vacuum(5)",
			"CREATE INDEX IF NOT EXISTS i ON t(text)",
		),
	},
	{ weight: 2, arbitrary: fc.constantFrom("close", "other", "kill") },
	{
		weight: 1,
		arbitrary: fc.constantFrom("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = WAL"),
	},
);

describe("reading a database in place", () => {
	test("gives the bytes of a copy, whatever happened since the picture before", {
		timeout: 120_000,
	}, async () => {
		let inPlace = 0;
		let spared = 0;
		let checkpoints = 0;
		await fc.assert(
			fc.asyncProperty(
				fc.constantFrom(512, 4096, 65_536),
				fc.constantFrom(0, 2),
				fc.array(fc.tuple(anyStep, fc.boolean()), { minLength: 6, maxLength: 14 }),
				async (pageSize, vacuum, steps) => {
					const { root, temp } = places();
					const file = `${root}/x.db`;
					let child = startNode(TELLTALE, file);
					await child.line();
					await tell(
						child,
						`PRAGMA page_size = ${pageSize}; PRAGMA auto_vacuum = ${vacuum}; PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, text)`,
					);
					await tell(child, `${rows(100, 300)}; PRAGMA wal_checkpoint(TRUNCATE)`);
					let before: Picture | undefined;
					for (const [step, isLooked] of steps) {
						if (step === "kill") {
							await child.kill("SIGKILL");
							child = startNode(TELLTALE, file);
							await child.line();
						} else await tell(child, step);
						if (!isLooked) continue;
						await settle(file);
						const expected = await copied(root, temp);
						const picture = await take(root, before);
						const isWal = expected[18] === 2;
						expect(picture !== undefined, step).toBe(isWal);
						if (picture === undefined) continue;
						expect(picture.bytes.equals(expected), step).toBe(true);
						inPlace++;
						spared += picture.bytes.length - picture.read;
						if (picture.isAfterCheckpoint) checkpoints++;
						before = picture;
					}
					await child.kill("SIGKILL");
				},
			),
			{ numRuns: 12 },
		);
		expect(inPlace).toBeGreaterThan(20);
		expect(spared).toBeGreaterThan(0);
		expect(checkpoints).toBeGreaterThan(0);
	});

	// @id sqlite-pages-under-load
	test("gives a sound database with everything committed before, time and again, beside a writer at full speed", async () => {
		const { root, temp } = places();
		const file = `${root}/x.db`;
		const child = startNode(
			`const db = new DatabaseSync(args[0], { timeout: 10_000 });
			db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = 10; PRAGMA wal_autocheckpoint = 8000");
			for (const table of ["t", "u"]) db.exec("CREATE TABLE " + table + "(id INTEGER PRIMARY KEY, text)");
			for (let id = 1; ; id++) {
				db.exec("BEGIN IMMEDIATE");
				for (const table of ["t", "u"]) db.prepare("INSERT INTO " + table + " VALUES (?, ?)").run(id, "x".repeat((id * 37) % 3000));
				for (const table of ["t", "u"]) db.prepare("DELETE FROM " + table + " WHERE id < ?").run(id - 300);
				db.exec("COMMIT");
				say(String(id));
				if (id % 40 === 0) await new Promise((resolve) => setImmediate(resolve));
			}`,
			file,
		);
		let committed = 0;
		void (async () => {
			for (;;) committed = Number(await child.line());
		})().catch(() => undefined);
		let before: Picture | undefined;
		let goneOn = 0;
		for (let taken = 0, tries = 0; taken < 25; tries++) {
			expect(tries).toBeLessThan(500);
			for (const last = committed; committed === last; ) await nextTurn();
			const now = committed;
			const picture = await take(root, before);
			if (picture === undefined) continue;
			taken++;
			if (picture.read < picture.bytes.length) goneOn++;
			before = picture;
			writeFileSync(`${temp}/x.db`, picture.bytes);
			for (const suffix of ["-wal", "-shm"]) rmSync(`${temp}/x.db${suffix}`, { force: true });
			using copy = new DatabaseSync(`${temp}/x.db`);
			expect(copy.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
			const idsOf = (table: string) =>
				copy
					.prepare(`SELECT group_concat(id ORDER BY id) AS ids, max(id) AS newest FROM ${table}`)
					.get();
			expect(idsOf("t")).toEqual(idsOf("u"));
			expect(Number(idsOf("t")?.newest)).toBeGreaterThanOrEqual(now);
		}
		expect(goneOn).toBeGreaterThan(0);
	});

	/** A database of 100 rows and more, as a picture, beside its writer; one row was just committed. */
	async function begin(): Promise<{ root: string; child: Child; before: Picture }> {
		const { root } = places();
		const file = `${root}/x.db`;
		const child = startNode(TELLTALE, file);
		await child.line();
		await tell(
			child,
			`PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(id INTEGER PRIMARY KEY, text); ${rows(200, 1_500)}; PRAGMA wal_checkpoint(RESTART)`,
		);
		// The next frame is the first of a round.
		for (let i = 0; i < 3; i++) await tell(child, UPDATE);
		await settle(file);
		const before = await take(root, undefined);
		if (before === undefined) throw new Error("it must be readable in place");
		return { root, child, before };
	}
	const UPDATE =
		"PRAGMA wal_autocheckpoint = 0; UPDATE t SET text = hex(randomblob(1500)) WHERE id = 7";
	const SECOND = UPDATE.replace("id = 7", "id IN (100, 150)");

	async function next(root: string, before: Picture): Promise<Picture> {
		await settle(`${root}/x.db`);
		const picture = await take(root, before);
		if (picture === undefined) throw new Error("it must be readable in place");
		const { temp } = places();
		expect(picture.bytes.equals(await copied(root, temp))).toBe(true);
		return picture;
	}

	// @id sqlite-pages-after-checkpoint
	test.each([
		["a checkpoint", [UPDATE, "PRAGMA wal_checkpoint(PASSIVE)"]],
		["a checkpoint, and commits after it", ["PRAGMA wal_checkpoint(PASSIVE)", SECOND]],
		["the log started over", [SECOND, "PRAGMA wal_checkpoint(PASSIVE)", UPDATE]],
		["the log was truncated, with nothing new in it", ["PRAGMA wal_checkpoint(TRUNCATE)"]],
	])("reads only changed pages after a checkpoint: %s", async (_, steps) => {
		const { root, child, before } = await begin();
		for (const step of steps) await tell(child, step);
		const picture = await next(root, before);
		expect(picture.isAfterCheckpoint).toBe(true);
		expect(picture.read).toBeLessThanOrEqual(6 * CHUNK);
		await tell(child, SECOND);
		await tell(child, "PRAGMA wal_checkpoint(PASSIVE)");
		const further = await next(root, picture);
		expect(further.read).toBeLessThanOrEqual(6 * CHUNK);
		// The log starts over, and nothing has written to the file.
		await tell(child, UPDATE);
		expect((await next(root, further)).read).toBeLessThanOrEqual(6 * CHUNK);
	});

	// @id sqlite-pages-incomplete
	test.each([
		["commits were truncated away", [SECOND, "PRAGMA wal_checkpoint(TRUNCATE)", UPDATE]],
		[
			"a later round of the log overwrote commits",
			[SECOND, "PRAGMA wal_checkpoint(PASSIVE)", UPDATE, UPDATE, UPDATE, UPDATE],
		],
		[
			"two rounds have passed",
			[
				...[SECOND, "PRAGMA wal_checkpoint(PASSIVE)"],
				...[UPDATE, "PRAGMA wal_checkpoint(PASSIVE)"],
				UPDATE,
			],
		],
		["the index was rebuilt", [SECOND, "kill", UPDATE, "PRAGMA wal_checkpoint(PASSIVE)"]],
		["something else wrote to the file", ["write"]],
	])("reads everything if commits may be unknown: %s", async (_, steps) => {
		let { root, child, before } = await begin();
		const file = `${root}/x.db`;
		for (const step of steps) {
			if (step === "write") overwrite(file);
			else if (step === "kill") {
				await child.kill("SIGKILL");
				child = startNode(TELLTALE, file);
				await child.line();
			} else await tell(child, step);
		}
		const picture = await next(root, before);
		expect(picture.read).toBe(picture.bytes.length);
	});

	// @id sqlite-pages-rebuilt-index
	test("reads everything if the count of commits began at 0: the index may have been rebuilt", async () => {
		let { root, child } = await begin();
		const file = `${root}/x.db`;
		const again = async () => {
			await child.kill("SIGKILL");
			child = startNode(TELLTALE, file);
			await child.line();
			await tell(child, "PRAGMA wal_autocheckpoint = 0; SELECT count(*) FROM t");
		};
		await again();
		await settle(file);
		const before = await take(root, undefined);
		if (before === undefined) throw new Error("it must be readable in place");
		await child.kill("SIGKILL");
		overwrite(file);
		await again();
		await tell(child, UPDATE);
		await tell(child, "PRAGMA wal_checkpoint(PASSIVE)");
		const picture = await next(root, before);
		expect(picture.read).toBe(picture.bytes.length);
	});

	/** Changes the last page, as no SQLite does. */
	function overwrite(file: string): void {
		const bytes = readFileSync(file);
		const fd = openSync(file, "r+");
		writeSync(fd, Buffer.alloc(8, 0xee), 0, 8, bytes.length - 8);
		closeSync(fd);
	}

	test("is refused in rollback mode, and for a file that is not a database", async () => {
		const { root } = places();
		using db = new DatabaseSync(`${root}/x.db`);
		db.exec("CREATE TABLE t(id)");
		expect(await readPagesInPlace(root, "x.db", 0)).toBeUndefined();
		writeFileSync(`${root}/text`, "x".repeat(200_000));
		expect(await readPagesInPlace(root, "text", 0)).toBeUndefined();
		expect(await readPagesInPlace(root, "absent", 0)).toBeUndefined();
	});
});
