import {
	appendFileSync,
	chmodSync,
	closeSync,
	copyFileSync,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { openclaw } from "./profiles/openclaw.ts";
import {
	chunkBitsFor,
	companionOf,
	isCompanion,
	isPinned,
	isSqlite,
	isSqliteHeader,
	pin,
	type SqliteSnapshot,
	snapshotSqlite,
	walFingerprint,
} from "./sqlite.ts";
import { readStable } from "./stable-read.ts";
import { lstatPath } from "./stat.ts";

/** A workspace and a private directory next to it. */
function places(): { root: string; temp: string } {
	const directory = testDirectory();
	mkdirSync(`${directory}/workspace`);
	mkdirSync(`${directory}/temp`, { mode: 0o700 });
	return { root: `${directory}/workspace`, temp: `${directory}/temp` };
}

/** The files below a directory that this process has open. */
function openBelow(directory: string): string[] {
	const places = readdirSync("/proc/self/fd").map((fd) => {
		try {
			return readlinkSync(`/proc/self/fd/${fd}`);
		} catch {
			return "";
		}
	});
	return places.filter((place) => place.startsWith(`${directory}/`));
}

function createDatabase(file: string, setup = ""): void {
	const db = new DatabaseSync(file);
	db.exec(
		`PRAGMA synchronous = OFF; ${setup}; BEGIN; CREATE TABLE t(id INTEGER PRIMARY KEY, text); CREATE INDEX by_text ON t(text)`,
	);
	const insert = db.prepare("INSERT INTO t(text) VALUES (?)");
	for (let i = 0; i < 300; i++) insert.run(`row ${i} ${"x".repeat(i % 200)}`);
	db.exec("DELETE FROM t WHERE id % 7 = 0; COMMIT; ALTER TABLE t ADD COLUMN more");
	db.close();
}

async function snapshot(...args: Parameters<typeof snapshotSqlite>): Promise<SqliteSnapshot> {
	const result = await snapshotSqlite(...args);
	if (result.kind !== "snapshot") throw new Error(`${result.kind}: ${result.reason}`);
	return result;
}

/** The bytes of a snapshot, which is then disposed of. */
async function snapshotBytes(...args: Parameters<typeof snapshotSqlite>): Promise<Buffer> {
	const taken = await snapshot(...args);
	const bytes = readFileSync(taken.file);
	expect(bytes.length).toBe(taken.sizeBytes);
	taken.dispose();
	return bytes;
}

function query(file: string, sql: string): Record<string, unknown>[] {
	const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
	try {
		return db.prepare(sql).all();
	} finally {
		db.close();
	}
}

const SETUP = "PRAGMA encoding = 'UTF-16le'; PRAGMA user_version = 7; PRAGMA application_id = 9";
const COUNTERS = [24, 40, 92, 96] as const;

/** Offsets at which two files of one size differ. */
function differences(a: Buffer, b: Buffer): number[] {
	expect(a.length).toBe(b.length);
	return [...a.keys()].filter((offset) => a[offset] !== b[offset]);
}

describe("a quiet database", () => {
	const shapes = ["delete", "truncate", "persist"].flatMap((journal) =>
		[512, 65_536].flatMap((pageSize) => [0, 2].map((vacuum) => ({ journal, pageSize, vacuum }))),
	);
	test.each(shapes)(
		"is copied as the bytes of its file (journal_mode $journal, page_size $pageSize, auto_vacuum $vacuum)",
		async ({ journal, pageSize, vacuum }) => {
			const { root, temp } = places();
			createDatabase(
				`${root}/x.db`,
				`PRAGMA page_size = ${pageSize}; PRAGMA auto_vacuum = ${vacuum}; PRAGMA journal_mode = ${journal}; ${SETUP}`,
			);
			const file = readFileSync(`${root}/x.db`);
			expect(differences(await snapshotBytes(root, "x.db", temp), file)).toEqual([]);
			// Cleaning that finds nothing to clean changes nothing.
			const look = (copy: DatabaseSync) => void copy.prepare("SELECT count(*) FROM t").get();
			expect(differences(await snapshotBytes(root, "x.db", temp, look), file)).toEqual([]);
			expect(differences(readFileSync(`${root}/x.db`), file)).toEqual([]);
			expect(readdirSync(temp)).toEqual([]);
		},
	);

	test("in WAL mode gives the same copy before and after a checkpoint, equal to its file except four header fields", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`, `PRAGMA journal_mode = wal; ${SETUP}`);
		const db = new DatabaseSync(`${root}/x.db`);
		db.exec("INSERT INTO t(text) VALUES ('in the WAL')");
		const before = await snapshotBytes(root, "x.db", temp);
		db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		expect(differences(await snapshotBytes(root, "x.db", temp), before)).toEqual([]);
		db.close();
		expect(differences(await snapshotBytes(root, "x.db", temp), before)).toEqual([]);
		const look = (copy: DatabaseSync) => void copy.prepare("SELECT count(*) FROM t").get();
		expect(differences(await snapshotBytes(root, "x.db", temp, look), before)).toEqual([]);
		expect(COUNTERS.map((offset) => before.readUInt32BE(offset))).toEqual([1, 1, 1, 1]);
		const file = readFileSync(`${root}/x.db`);
		const inCounters = (at: number) => COUNTERS.some((offset) => at >= offset && at < offset + 4);
		expect(differences(before, file).every(inCounters)).toBe(true);
		expect(differences(before, file)).not.toEqual([]);
	});
});

describe("a database in use", () => {
	test("gives the same bytes twice, with its WAL's rows, and leaves no trace next to it", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`, "PRAGMA journal_mode = wal");
		const child = startNode(
			`const db = new DatabaseSync(args[0]);
			db.exec("INSERT INTO t(text) VALUES ('only in the WAL')");
			say("written");
			await line();`,
			`${root}/x.db`,
		);
		await child.line();
		const first = await snapshot(root, "x.db", temp);
		const second = await snapshot(root, "x.db", temp);
		expect(readFileSync(first.file).equals(readFileSync(second.file))).toBe(true);
		expect(statSync(first.file).mode & 0o777).toBe(0o600);
		expect(`${first.directory}/${first.name}`).toBe(first.file);
		expect(query(first.file, "SELECT count(*) AS n FROM t WHERE text = 'only in the WAL'")).toEqual(
			[{ n: 1 }],
		);
		first.dispose();
		second.dispose();
		expect(readdirSync(temp)).toEqual([]);
	});

	test.each(["wal", "delete"])(
		"is whole at every moment of a writer at full speed (journal_mode %s)",
		async (journal) => {
			const { root, temp } = places();
			const file = `${root}/x.db`;
			createDatabase(file, `PRAGMA journal_mode = ${journal}`);
			// Two tables that are equal after every transaction. Small, so that pages are constantly
			// freed and reused, with checkpoints during snapshots.
			const child = startNode(
				`const db = new DatabaseSync(args[0], { timeout: 10000 });
			db.exec("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 20; CREATE TABLE u(id INTEGER PRIMARY KEY, text); DELETE FROM t");
			const insert = ["t", "u"].map((table) => db.prepare("INSERT INTO " + table + "(id, text) VALUES (?, ?)"));
			const forget = ["t", "u"].map((table) => db.prepare("DELETE FROM " + table + " WHERE id < ?"));
			say("started");
			for (let id = 1; ; id++) {
				db.exec("BEGIN IMMEDIATE");
				for (const one of insert) one.run(id, "x".repeat((id * 37) % 900));
				for (const one of forget) one.run(id - 300);
				db.exec("COMMIT");
			}`,
				file,
			);
			await child.line();
			let newest = 0;
			for (let round = 0; round < 20; round++) {
				const [committed] = query(file, "SELECT coalesce(max(id), 0) AS id FROM u");
				const taken = await snapshot(root, "x.db", temp);
				const [copied] = query(
					taken.file,
					"SELECT (SELECT group_concat(id ORDER BY id) FROM t) AS t, (SELECT group_concat(id ORDER BY id) FROM u) AS u, (SELECT max(id) FROM u) AS id",
				);
				expect(query(taken.file, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
				expect(copied?.t).toBe(copied?.u);
				newest = Number(copied?.id);
				expect(newest).toBeGreaterThanOrEqual(Number(committed?.id));
				taken.dispose();
			}
			expect(newest).toBeGreaterThan(0);
		},
	);

	test("is waited for, then reported as locked; the event loop runs meanwhile", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`);
		const child = startNode(
			`const db = new DatabaseSync(args[0]);
			db.exec("BEGIN EXCLUSIVE");
			say("locked");
			await line();
			db.exec("COMMIT");
			say("released");
			await line();`,
			`${root}/x.db`,
		);
		await child.line();
		let turns = 0;
		const count = setInterval(() => {
			turns += 1;
		}, 5);
		// As if it were being written: otherwise it would be copied in its present state.
		const future = Date.now() / 1000 + 3600;
		utimesSync(`${root}/x.db`, future, future);
		expect(await snapshotSqlite(root, "x.db", temp, undefined, { busyMs: 200 })).toMatchObject({
			kind: "locked",
		});
		clearInterval(count);
		expect(turns).toBeGreaterThan(3);
		expect(readdirSync(temp)).toEqual([]);
		const waiting = snapshot(root, "x.db", temp, undefined, { busyMs: 20_000 });
		child.tell("release");
		expect(await child.line()).toBe("released");
		(await waiting).dispose();
	});

	test("is not changed by other readers of this process while a snapshot runs", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`);
		const db = new DatabaseSync(`${root}/x.db`);
		db.exec(
			"PRAGMA synchronous = OFF; CREATE TABLE big(b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO big SELECT zeroblob(4000) FROM n",
		);
		db.close();
		const stat = lstatPath(root, "x.db");
		if (stat === undefined) throw new Error("not written");
		const running = snapshot(root, "x.db", temp);
		const beside = snapshot(root, "x.db", temp);
		expect(isPinned(stat)).toBe(true);
		expect(isSqlite(root, "x.db")).toBe(true);
		expect(await readStable(root, "x.db", 1 << 14, () => true)).toMatchObject({
			kind: "unreadable",
		});
		for (const taken of [await running, await beside]) {
			expect(query(taken.file, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
			taken.dispose();
		}
		expect(isPinned(stat)).toBe(false);
	});
});

describe("a database whose writer was killed", () => {
	test("inside a transaction that had reached the file is rolled back in the copy, and not changed itself", async () => {
		const { root, temp } = places();
		const file = `${root}/x.db`;
		createDatabase(file);
		const before = query(file, "SELECT id, text FROM t ORDER BY id");
		const child = startNode(
			`const db = new DatabaseSync(args[0]);
			db.exec("PRAGMA synchronous = OFF; PRAGMA cache_size = 1; BEGIN; UPDATE t SET text = 'torn ' || text");
			say("in the middle");
			await line();`,
			file,
		);
		await child.line();
		await child.kill("SIGKILL");
		expect(statSync(`${file}-journal`).size).toBeGreaterThan(512);
		const files = () => [readFileSync(file), readFileSync(`${file}-journal`)];
		const left = files();
		const taken = await snapshot(root, "x.db", temp);
		expect(query(taken.file, "SELECT id, text FROM t ORDER BY id")).toEqual(before);
		expect(query(taken.file, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
		taken.dispose();
		expect(readdirSync(temp)).toEqual([]);
		expect(files().every((bytes, i) => bytes.equals(left[i] ?? Buffer.alloc(0)))).toBe(true);
	});

	test("is refused if its journal names another file as super-journal, which is left alone", async () => {
		const { root, temp } = places();
		const file = `${root}/x.db`;
		createDatabase(file);
		const child = startNode(
			`const db = new DatabaseSync(args[0]);
			db.exec("PRAGMA synchronous = OFF; PRAGMA cache_size = 1; BEGIN; UPDATE t SET text = 'torn ' || text");
			say("in the middle");
			await line();`,
			file,
		);
		await child.line();
		await child.kill("SIGKILL");
		// As SQLite writes it: page number, name, its length, the sum of its bytes, magic.
		const victim = `${temp}.victim`;
		writeFileSync(victim, "");
		const name = Buffer.from(victim);
		const tail = Buffer.alloc(16);
		tail.writeUInt32BE(name.length, 0);
		tail.writeUInt32BE(
			name.reduce((sum, byte) => sum + byte, 0),
			4,
		);
		Buffer.from("d9d505f920a163d7", "hex").copy(tail, 8);
		appendFileSync(`${file}-journal`, Buffer.concat([Buffer.alloc(4), name, tail]));
		expect((await snapshotSqlite(root, "x.db", temp)).kind).toBe("corrupt");
		expect(existsSync(victim)).toBe(true);
		expect(readdirSync(temp)).toEqual([]);
		rmSync(victim);
	});

	test("keeps the commits in its WAL", async () => {
		const { root, temp } = places();
		const file = `${root}/x.db`;
		createDatabase(file, "PRAGMA journal_mode = wal");
		const child = startNode(
			`const db = new DatabaseSync(args[0]); db.exec("INSERT INTO t(text) VALUES ('last words')"); say("written"); await line();`,
			file,
		);
		await child.line();
		await child.kill("SIGKILL");
		const taken = await snapshot(root, "x.db", temp);
		expect(query(taken.file, "SELECT count(*) AS n FROM t WHERE text = 'last words'")).toEqual([
			{ n: 1 },
		]);
		taken.dispose();
	});
});

describe("cleaning", () => {
	test("makes two idle snapshots of an OpenClaw gateway equal, and removes every trace of the lease", async () => {
		const { root, temp } = places();
		const file = `${root}/openclaw.sqlite`;
		createDatabase(
			file,
			"PRAGMA auto_vacuum = 2; PRAGMA journal_mode = wal; PRAGMA synchronous = OFF; CREATE TABLE state_leases(key TEXT PRIMARY KEY, owner TEXT, until INTEGER)",
		);
		const gateway = new DatabaseSync(file);
		const clean = (copy: DatabaseSync) => openclaw.cleanSqlite?.("state/openclaw.sqlite", copy);
		const heartbeats: Buffer[] = [];
		for (const host of ["host-one-of-a-kind", "host-one-of-a-kind", "another-host-altogether"]) {
			gateway
				.prepare("INSERT OR REPLACE INTO state_leases VALUES ('gateway-owner', ?, ?)")
				.run(host, heartbeats.length);
			heartbeats.push(await snapshotBytes(root, "openclaw.sqlite", temp, clean));
		}
		const [first] = heartbeats;
		expect(heartbeats.every((bytes) => first?.equals(bytes))).toBe(true);
		expect(first?.includes("host-")).toBe(false);
		expect(gateway.prepare("SELECT owner FROM state_leases").all()).toEqual([
			{ owner: "another-host-altogether" },
		]);
		gateway.close();
		expect(readdirSync(temp)).toEqual([]);
	});

	test("leaves nothing behind if it fails", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`);
		const failing = snapshotSqlite(root, "x.db", temp, () => {
			throw new Error("a bug");
		});
		await expect(failing).rejects.toMatchObject({
			code: "INTERNAL",
			cause: expect.objectContaining({ message: "a bug" }),
		});
		expect(readdirSync(temp)).toEqual([]);
	});
});

describe("a snapshot that fails", () => {
	test("tells the reasons apart, and leaves no file behind", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`);
		writeFileSync(`${root}/empty`, "");
		writeFileSync(`${root}/text`, "no database".repeat(100));
		writeFileSync(`${root}/magic`, `SQLite format 3\0${"x".repeat(5_000)}`);
		mkdirSync(`${root}/dir`);
		symlinkSync("x.db", `${root}/link`);
		// The schema's own page is not a valid page.
		copyFileSync(`${root}/x.db`, `${root}/damaged`);
		const fd = openSync(`${root}/damaged`, "r+");
		writeSync(fd, Buffer.alloc(400, 0xff), 0, 400, 100);
		closeSync(fd);
		const kindOf = async (name: string) => (await snapshotSqlite(root, name, temp)).kind;
		expect(await kindOf("absent")).toBe("gone");
		expect(await kindOf("empty")).toBe("not-a-database");
		expect(await kindOf("text")).toBe("not-a-database");
		expect(await kindOf("magic")).toBe("not-a-database");
		expect(await kindOf("dir")).toBe("not-a-database");
		expect(await kindOf("link")).toBe("not-a-database");
		expect(await kindOf("damaged")).toBe("corrupt");
		expect(readdirSync(temp)).toEqual([]);
	});

	test("reports a missing permission", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`);
		chmodSync(`${root}/x.db`, 0);
		chmodSync(temp, 0o777);
		expect(await asOrdinaryUser(() => snapshotSqlite(root, "x.db", temp))).toMatchObject({
			kind: "unreadable",
		});
		expect(readdirSync(temp)).toEqual([]);
	});

	test("reports a missing directory for the copy", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`);
		await expect(snapshotSqlite(root, "x.db", `${temp}/absent`)).rejects.toMatchObject({
			code: "STATE_DIR_UNUSABLE",
		});
	});
});

describe("a database elsewhere", () => {
	/** A workspace with data/x.db, and another user's data of the same name outside it. */
	function withOther(setup: string): ReturnType<typeof places> & { other: string } {
		const { root, temp } = places();
		const other = `${testDirectory()}/data`;
		for (const [directory, text] of [
			[`${root}/data`, "mine"],
			[other, "secret"],
		] as const) {
			mkdirSync(directory);
			createDatabase(`${directory}/x.db`, setup);
			const db = new DatabaseSync(`${directory}/x.db`);
			db.exec(`UPDATE t SET text = '${text} ' || id`);
			db.close();
		}
		return { root, temp, other };
	}

	test("is refused if a directory in its path is a link", async () => {
		const { root, temp, other } = withOther("");
		symlinkSync(other, `${root}/linked`);
		expect(await snapshotSqlite(root, "linked/x.db", temp)).toEqual({
			kind: "unreadable",
			reason: "reached through a link",
		});
		expect(isSqlite(root, "linked/x.db")).toBe(false);
		expect([root, other].flatMap(openBelow)).toEqual([]);
		expect(readdirSync(temp)).toEqual([]);
	});

	test("is accepted if the root itself is reached through a link", async () => {
		const { root, temp } = withOther("PRAGMA journal_mode = wal");
		symlinkSync(root, `${temp}/root`);
		(await snapshot(`${temp}/root`, "data/x.db", temp)).dispose();
	});

	test.each(["delete", "wal"])(
		"is never copied while directory and link are swapped at full speed (journal_mode %s)",
		async (journal) => {
			const { root, temp, other } = withOther(`PRAGMA journal_mode = ${journal}`);
			// Another process uses the other one: there are commits in its WAL.
			const theirs = startNode(
				`const db = new DatabaseSync(args[0]); db.exec("UPDATE t SET text = 'secret!'"); say("open"); await line();`,
				`${other}/x.db`,
			);
			await theirs.line();
			const child = startNode(
				`const [root, other] = args;
			const put = () => { try { fs.symlinkSync(other, root + "/data"); } catch {} };
			say("started");
			for (;;) {
				fs.renameSync(root + "/data", root + "/aside");
				put();
				for (const until = performance.now() + Math.random() / 4; performance.now() < until; );
				fs.rmSync(root + "/data");
				fs.renameSync(root + "/aside", root + "/data");
				for (const until = performance.now() + Math.random() / 4; performance.now() < until; );
			}`,
				root,
				other,
			);
			await child.line();
			const kinds = new Map<string, number>();
			// At least 400 rounds, and more until both outcomes occurred: a slow machine's scheduler
			// decides which comes first.
			const met = () => kinds.has("snapshot") && kinds.has("unreadable");
			for (let round = 0; round < 400 || (round < 20_000 && !met()); round++) {
				const taken = await snapshotSqlite(root, "data/x.db", temp, undefined, { busyMs: 0 });
				kinds.set(taken.kind, (kinds.get(taken.kind) ?? 0) + 1);
				if (taken.kind !== "snapshot") continue;
				expect(readFileSync(taken.file).includes("secret")).toBe(false);
				taken.dispose();
			}
			expect(kinds.get("snapshot")).toBeGreaterThan(0);
			expect(kinds.get("unreadable")).toBeGreaterThan(0);
			expect([root, other].flatMap(openBelow)).toEqual([]);
			expect(readdirSync(temp)).toEqual([]);
		},
	);

	// @id sqlite-replaced
	test("may replace it: the new one is copied completely", async () => {
		const { root, temp } = withOther("");
		const child = startNode(
			`say("started");
			for (;;) { fs.copyFileSync(args[0], args[0] + ".new"); fs.renameSync(args[0] + ".new", args[0]); }`,
			`${root}/data/x.db`,
		);
		await child.line();
		const kinds = new Set<string>();
		for (let round = 0; round < 200; round++) {
			const taken = await snapshotSqlite(root, "data/x.db", temp, undefined, { busyMs: 0 });
			kinds.add(taken.kind);
			if (taken.kind !== "snapshot") continue;
			expect(query(taken.file, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
			taken.dispose();
		}
		expect(kinds).toContain("snapshot");
		expect(kinds).not.toContain("gone");
	});
});

describe("our own descriptors", () => {
	test("are closed only after the last handle on the file, whose locks they would drop", async () => {
		const { root } = places();
		createDatabase(`${root}/x.db`);
		const stat = lstatPath(root, "x.db");
		if (stat === undefined) throw new Error("not written");
		const live = new DatabaseSync(`${root}/x.db`, { readOnly: true });
		let release = () => {};
		// Opened before the snapshot began, and closed while that runs.
		const read = await readStable(root, "x.db", 1 << 14, () => {
			live.exec("BEGIN");
			live.prepare("SELECT count(*) FROM sqlite_schema").get();
			release = pin(stat);
			return false;
		});
		expect(read.kind).toBe("unstable");
		const child = startNode(
			`const db = new DatabaseSync(args[0]);
			try { db.exec("BEGIN EXCLUSIVE"); say("written"); } catch { say("locked"); }`,
			`${root}/x.db`,
		);
		expect(await child.line()).toBe("locked");
		await child.ended;
		live.close();
		release();
		expect(openBelow(root)).toEqual([]);
	});
});

describe("the header tells", () => {
	test("which files are databases", () => {
		const { root } = places();
		createDatabase(`${root}/no-suffix`);
		writeFileSync(`${root}/x.sqlite`, "text".repeat(100));
		mkdirSync(`${root}/dir.sqlite`);
		symlinkSync("no-suffix", `${root}/link`);
		expect(
			["no-suffix", "x.sqlite", "dir.sqlite", "link", "absent"].map((path) => isSqlite(root, path)),
		).toEqual([true, false, false, false, false]);
		expect(chunkBitsFor(readFileSync(`${root}/no-suffix`).subarray(0, 16))).toBe(14);
		expect(chunkBitsFor(Buffer.from("text"))).toBe(20);
		expect(isSqliteHeader(Buffer.from("SQLite format 3"))).toBe(false);
	});

	test("nothing while a snapshot has the file open: it then counts as a database", () => {
		const { root } = places();
		writeFileSync(`${root}/x`, "no header".repeat(100));
		const stat = lstatPath(root, "x");
		if (stat === undefined) throw new Error("not written");
		const release = pin(stat);
		expect(isSqlite(root, "x")).toBe(true);
		release();
		expect(isSqlite(root, "x")).toBe(false);
	});

	test("which files accompany a database", () => {
		const { root } = places();
		createDatabase(`${root}/x`);
		expect(
			["x-wal", "x-shm", "x-journal", "y-wal", "x-walk", "x", "-wal"].map((path) =>
				isCompanion(root, path),
			),
		).toEqual([true, true, true, false, false, false, false]);
		expect(companionOf("a/b.db-wal")).toBe("a/b.db");
	});
});

describe("walFingerprint", () => {
	/** The fingerprint, once the last write is old enough to be visible. */
	async function settled(root: string, path: string): Promise<string> {
		for (;;) {
			const fingerprint = walFingerprint(root, path);
			if (!fingerprint.includes("unstable")) return fingerprint;
			await new Promise((resolve) => setImmediate(resolve));
		}
	}

	test("stays equal while others only read, and changes with every commit", async () => {
		const { root, temp } = places();
		createDatabase(`${root}/x.db`, "PRAGMA journal_mode = wal");
		const first = await settled(root, "x.db");
		expect(readdirSync(root)).toEqual(["x.db"]);
		(await snapshot(root, "x.db", temp)).dispose();
		expect(readdirSync(root)).toEqual(["x.db"]);
		expect(await settled(root, "x.db")).toBe(first);
		// Opening it leaves these files, which is no change.
		const reader = new DatabaseSync(`${root}/x.db`, { readOnly: true });
		reader.prepare("SELECT count(*) FROM t").get();
		reader.close();
		expect(readdirSync(root).sort()).toEqual(["x.db", "x.db-shm", "x.db-wal"]);
		expect(await settled(root, "x.db")).toBe(first);
		const seen = new Set([first]);
		const db = new DatabaseSync(`${root}/x.db`);
		for (let i = 1; i <= 3; i++) {
			db.exec("INSERT INTO t(text) VALUES ('x')");
			seen.add(await settled(root, "x.db"));
			expect(seen.size).toBe(i + 1);
			query(`${root}/x.db`, "SELECT * FROM t");
			expect(seen.has(await settled(root, "x.db"))).toBe(true);
		}
		db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		seen.add(await settled(root, "x.db"));
		expect(seen.size).toBe(5);
		db.close();
	});

	test("differs from every other right after a write", () => {
		const { root } = places();
		writeFileSync(`${root}/x.db`, "1");
		appendFileSync(`${root}/x.db`, "2");
		const [first, second] = [walFingerprint(root, "x.db"), walFingerprint(root, "x.db")];
		expect(first).toContain("unstable");
		expect(first).not.toBe(second);
		expect(walFingerprint(root, "absent")).toBe("");
	});
});
