/**
 * Transaction-consistent copies of databases that other processes write.
 *
 * How: one read transaction is opened on the live file. It waits for a writer's lock, within a
 * limit. Then SQLite's online backup copies the pages that the transaction sees, in one step.
 * Without the transaction, and in smaller steps, a backup starts over at each commit of another
 * process. It never ends beside a busy writer (bench: 11 s of CPU, nothing copied), and spins if it
 * meets a lock. The copy is private; only the copy is cleaned.
 *
 * Guaranteed: every commit that ended before the call is in the copy. Two copies of an unchanged
 * database have the same bytes, even if its WAL was checkpointed in between. The copy of a database
 * in rollback mode has exactly the bytes of its file, until it is cleaned. The copy of a database
 * in WAL mode differs from its file in four header fields, even if the WAL is empty (`COUNTERS`).
 * Also guaranteed if the system has /proc: the copied file, its WAL and its journal are at their
 * paths in the workspace, reached through no link. SQLite opens by name, so a name swapped at that
 * moment can make it open, and close again, a file elsewhere. A database that another process keeps
 * locked (`locking_mode = EXCLUSIVE`) is copied in the state that a kill of that process would
 * leave, once it stops changing. Not guaranteed: that the copy is sound. A damaged page is copied
 * unchanged; only what SQLite itself refuses is `corrupt`.
 *
 * Left behind in the workspace: opening a WAL database creates an empty "-wal" and a "-shm" next to
 * it, if they are missing. So a database that no process has open is copied as a file, if it does
 * not change meanwhile. These files are never stored. They are not removed either, because a
 * process may just have opened the database.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import { fsPath, type Root } from "../path.ts";
import { copyDescriptor } from "./copy-descriptor.ts";
import {
	closeGuarded,
	descriptors,
	isInPlace,
	type OpenFile,
	type OpenRefusal,
	openGuarded,
	pin,
	wasOpened,
} from "./guarded-open.ts";
import { readFully } from "./read-fully.ts";
import {
	COMPANIONS,
	filesOf,
	isOlderThanATick,
	isSqliteHeader,
	isStable,
	isWalMode,
	readHead,
	SQLITE_HEADER_BYTES,
	WAL_HEADER_BYTES,
} from "./sqlite-file.ts";
import { lstatPath, type Stat, sameStat, statOf, toStat } from "./stat.ts";

export { isPinned, pin } from "./guarded-open.ts";
export * from "./sqlite-file.ts";

export interface SqliteSnapshot {
	readonly kind: "snapshot";
	/** Absolute path of the copy, mode 0600: `name` in `directory`. */
	readonly file: string;
	readonly directory: string;
	readonly name: string;
	readonly sizeBytes: number;
	/** Removes the copy. */
	dispose(): void;
}

/**
 * `locked`: another process held it for longer than the limit, and its files kept changing, so try
 * again. `corrupt`: SQLite refuses its content. `not-a-database`: no header, or a header followed
 * by nothing that SQLite can read. `gone`: no such file. `unreadable`: permissions, IO errors, or
 * reached through a link.
 */
export interface SqliteRefusal {
	readonly kind: "locked" | "corrupt" | "not-a-database" | "gone" | "unreadable";
	readonly reason: string;
}

export interface SnapshotOptions {
	/** How long to wait for a writer's lock; default 2,000 ms. The event loop runs meanwhile. */
	readonly busyMs?: number;
}

/** One attempt blocks the thread for at most this long; longer waits are spread over attempts. */
const ATTEMPT_MS = 10;
/** Between two attempts. */
const PAUSE_MS = 25;
/** A lock held for longer than this may never be released. */
const PATIENCE_MS = 250;
/** Attempts to reopen a database that was replaced meanwhile. */
const MAX_OPENED = 3;
/** The largest possible number of pages. node:sqlite refuses -1, SQLite's own "all". */
const ONE_STEP = 0x7fffffff;

/**
 * Copies the database at `path` below `root` into a new file below `tempDir`.
 *
 * @param tempDir an existing private directory outside the workspace
 * @param clean removes from the copy what must not outlive this machine
 * @throws SidecarError WORKSPACE_DISK_FULL if `tempDir` has no room, STATE_DIR_UNUSABLE if no file
 * can be made in it, INTERNAL if `clean` itself fails
 */
export async function snapshotSqlite(
	root: Root,
	path: string,
	tempDir: string,
	clean?: (copy: DatabaseSync) => void,
	options: SnapshotOptions = {},
): Promise<SqliteSnapshot | SqliteRefusal> {
	const name = `${randomBytes(12).toString("hex")}.sqlite`;
	const file = join(tempDir, name);
	const dispose = () => removeDatabase(file);
	createPrivate(file, tempDir);
	try {
		const refusal = await copyLive(root, path, file, options.busyMs ?? 2_000);
		if (refusal !== undefined) {
			dispose();
			return refusal;
		}
		if (clean !== undefined) cleanCopy(file, clean);
		return {
			kind: "snapshot",
			file,
			directory: tempDir,
			name,
			sizeBytes: statSync(file).size,
			dispose,
		};
	} catch (error) {
		dispose();
		return refusalFor(error, tempDir);
	}
}

/**
 * A database, with a descriptor opened by this process as well. It tells which file SQLite must
 * have opened.
 */
export interface Source {
	readonly root: Root;
	readonly path: string;
	readonly guard: OpenFile;
}

async function copyLive(
	root: Root,
	path: string,
	file: string,
	busyMs: number,
): Promise<SqliteRefusal | undefined> {
	for (let attempt = 0; attempt < MAX_OPENED; attempt++) {
		const guard = openGuarded(root, path, false);
		if (guard.kind !== "open") return refusalOf(guard);
		const release = pin(guard.stat, guard.fd);
		try {
			return await copyGuarded({ root, path, guard }, file, busyMs);
		} catch (error) {
			if (!(error instanceof Replaced)) throw error;
		} finally {
			release();
		}
	}
	return REPLACED;
}

async function copyGuarded(
	source: Source,
	file: string,
	busyMs: number,
): Promise<SqliteRefusal | undefined> {
	const header = readHead(source.guard.fd, SQLITE_HEADER_BYTES);
	if (!isSqliteHeader(header)) return { kind: "not-a-database", reason: "no SQLite header" };
	if (await copyClosed(source, header, file)) return undefined;
	const until = performance.now() + busyMs;
	for (;;) {
		clear(file);
		try {
			const live = await openForReading(source, Math.min(busyMs, PATIENCE_MS));
			if (live === undefined) return OUTSIDE;
			try {
				await backup(live, file, { rate: ONE_STEP });
			} finally {
				live.close();
			}
			break;
		} catch (error) {
			// Next to a database in WAL mode SQLite creates files, or writes to them, even to read it.
			if (!isHotJournal(error) && !isBusy(error) && !mayNotWrite(error)) throw error;
			const refusal = await copyStill(source, file);
			if (refusal?.kind !== "locked" || performance.now() > until) return refusal;
			await delay(PAUSE_MS);
		}
	}
	if (isUnchangedRollbackMode(source, header)) writeCounters(file, header);
	else if (isWalMode(header)) writeCounters(file, ONES);
	return undefined;
}

const OUTSIDE: SqliteRefusal = { kind: "unreadable", reason: "reached through a link" };
const REPLACED: SqliteRefusal = {
	kind: "locked",
	reason: "it was replaced each time it was opened",
};

function refusalOf(refusal: OpenRefusal): SqliteRefusal {
	switch (refusal.kind) {
		case "gone":
			return { kind: "gone", reason: "no such file" };
		case "outside":
			return OUTSIDE;
		case "irregular":
			return { kind: "not-a-database", reason: refusal.reason };
		case "unreadable":
			return { kind: "unreadable", reason: refusal.reason };
		default:
			return REPLACED;
	}
}

/** The path no longer leads to the file that the guard opened. */
class Replaced extends Error {}

/**
 * The live database with an open read transaction: the backup copies what it sees now. Undefined if
 * SQLite repeatedly opened another file than the guard.
 */
export async function openForReading(
	source: Source,
	busyMs: number,
): Promise<DatabaseSync | undefined> {
	const until = performance.now() + busyMs;
	for (;;) {
		// From here to the check of what was opened, nothing else runs in this thread.
		const before = descriptors();
		const live = openLive(source);
		let isRight = false;
		try {
			isRight = wasOpened(before, source.root, source.path, source.guard.stat);
			if (isRight) {
				live.exec("BEGIN");
				live.prepare("SELECT count(*) FROM sqlite_schema").get();
				// SQLite opens the write-ahead log by name too, at the first read. Its index may be shared
				// with another handle, and holds no content.
				const isWal = live.prepare("PRAGMA journal_mode").get()?.journal_mode === "wal";
				isRight = !isWal || wasOpened(before, source.root, `${source.path}-wal`);
				// If the file was replaced in between, the log would be another database's.
				if (isRight && isInPlace(source.root, source.path, source.guard)) return live;
			}
		} catch (error) {
			live.close();
			if (!isBusy(error) || performance.now() > until) throw error;
			await delay(PAUSE_MS);
			continue;
		}
		live.close();
		if (!isInPlace(source.root, source.path, source.guard)) throw new Replaced();
		// Or SQLite reused a descriptor that it kept for another snapshot of this file. The end of that
		// snapshot resolves it.
		if (performance.now() > until) return undefined;
		await delay(PAUSE_MS);
	}
}

function openLive({ root, path, guard }: Source): DatabaseSync {
	try {
		return new DatabaseSync(fsPath(root, path), { readOnly: true, timeout: ATTEMPT_MS });
	} catch (error) {
		if (!isInPlace(root, path, guard)) throw new Replaced();
		throw error;
	}
}

/**
 * Takes the state that a kill of its writer at this moment would leave. For a database whose writer
 * died inside a transaction, which only a connection with write access can roll back. Also for a
 * database that another process keeps locked.
 *
 * Database, WAL and journal are copied as files, and SQLite recovers the copy: it drops frames
 * without their commit and rolls back a journal. The copy is one moment if neither the database nor
 * the journal changed meanwhile. A WAL may grow: it is not overwritten before its header changes.
 */
async function copyStill(source: Source, file: string): Promise<SqliteRefusal | undefined> {
	clear(file);
	const refusal = (await copyFiles(source, file)) ?? recoverCopy(file);
	// As the backup leaves them.
	if (refusal === undefined && isWalMode(readHeadOf(file))) writeCounters(file, ONES);
	return refusal;
}

/**
 * @returns false if a process has it open, or it keeps changing. A recently written database is
 * accepted one clock tick later.
 */
async function copyClosed(source: Source, header: Buffer, file: string): Promise<boolean> {
	for (let attempt = 0; attempt < 2 && isClosed(source, header); attempt++) {
		if (attempt > 0) await delay(PAUSE_MS);
		if ((await copyStill(source, file)) === undefined) return true;
	}
	return false;
}

/**
 * In WAL mode, and no process has it open. If we opened it, it would get an empty log and an index,
 * which its agent does not expect. If the agent replaced the file at that moment, it would take
 * them for those of the new file.
 */
function isClosed({ root, path }: Source, header: Buffer): boolean {
	return isWalMode(header) && lstatPath(root, `${path}-shm`) === undefined;
}

function clear(file: string): void {
	truncateSync(file);
	for (const suffix of COMPANIONS) rmSync(file + suffix, { force: true });
}

function readHeadOf(file: string): Buffer {
	const fd = openSync(file, "r");
	try {
		return readHead(fd, SQLITE_HEADER_BYTES);
	} finally {
		closeSync(fd);
	}
}

const MOVES: SqliteRefusal = {
	kind: "locked",
	reason: "another process holds a lock on it, and it kept changing",
};

async function copyFiles(
	{ root, path, guard }: Source,
	file: string,
): Promise<SqliteRefusal | undefined> {
	const beside = [
		openGuarded(root, `${path}-wal`, false),
		openGuarded(root, `${path}-journal`, false),
	] as const;
	try {
		if (beside.some(({ kind }) => kind !== "open" && kind !== "gone")) return OUTSIDE;
		const [wal, journal] = beside;
		const before = toStat(fstatSync(guard.fd, { bigint: true }));
		// A younger one may be written again without a change of its times.
		if (!isStable(before) || (journal.kind === "open" && !isOlderThanATick(journal.stat.mtimeNs)))
			return MOVES;
		const walHeader = wal.kind === "open" ? readHead(wal.fd, WAL_HEADER_BYTES) : undefined;
		await copyDescriptor(guard.fd, file);
		if (wal.kind === "open") await copyDescriptor(wal.fd, `${file}-wal`);
		if (journal.kind === "open") await copyDescriptor(journal.fd, `${file}-journal`);
		const now = lstatPath(root, path);
		const isStill =
			now !== undefined &&
			sameStat(before, now) &&
			isSameContent(journal, lstatPath(root, `${path}-journal`)) &&
			isSameLog(wal, walHeader, lstatPath(root, `${path}-wal`));
		return isStill ? undefined : MOVES;
	} finally {
		for (const opened of beside) if (opened.kind === "open") closeGuarded(opened.fd);
	}
}

/**
 * Except its ctime: SQLite as root hands a journal over to the database's owner whenever it checks
 * one.
 */
function isSameContent(opened: OpenFile | OpenRefusal, now: Stat | undefined): boolean {
	if (opened.kind !== "open") return now === undefined;
	const { ino, size, mtimeNs } = opened.stat;
	return now !== undefined && now.ino === ino && now.size === size && now.mtimeNs === mtimeNs;
}

function isSameLog(
	opened: OpenFile | OpenRefusal,
	header: Buffer | undefined,
	now: Stat | undefined,
): boolean {
	if (opened.kind !== "open" || header === undefined) return now === undefined;
	return now?.ino === opened.stat.ino && readHead(opened.fd, WAL_HEADER_BYTES).equals(header);
}

function recoverCopy(file: string): SqliteRefusal | undefined {
	const journal = statOf(`${file}-journal`);
	if (journal !== undefined && namesSuperJournal(`${file}-journal`))
		return { kind: "corrupt", reason: "its journal names a super-journal" };
	const copy = new DatabaseSync(file);
	try {
		copy.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF");
		copy.prepare("SELECT count(*) FROM sqlite_schema").get();
		if (copy.prepare("PRAGMA journal_mode").get()?.journal_mode === "wal")
			copy.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		// A journal kept in memory leaves no trace: the file may then contain half a transaction.
		else if (
			journal === undefined &&
			copy.prepare("PRAGMA quick_check(1)").get()?.quick_check !== "ok"
		)
			return MOVES;
		return undefined;
	} finally {
		copy.close();
	}
}

const SUPER_JOURNAL_MAGIC = Buffer.from("d9d505f920a163d7", "hex");

/**
 * A journal may end with the name of a super-journal, which SQLite removes after a rollback. The
 * agent can write the journal and name any path, so the removal would happen with our rights. A
 * single database never has one.
 */
function namesSuperJournal(journal: string): boolean {
	const end = Buffer.alloc(SUPER_JOURNAL_MAGIC.length);
	const fd = openSync(journal, "r");
	try {
		readFully(fd, end, Math.max(0, statSync(journal).size - end.length));
	} finally {
		closeSync(fd);
	}
	return end.equals(SUPER_JOURNAL_MAGIC);
}

function cleanCopy(file: string, clean: (copy: DatabaseSync) => void): void {
	// Foreign keys off: cleaning removes only the rows it names. No fsync, no shared memory: no other
	// process uses the copy.
	const copy = new DatabaseSync(file, { enableForeignKeyConstraints: false });
	try {
		copy.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF");
		clean(copy);
	} finally {
		copy.close();
	}
}

/**
 * The backup resets these to 1: bytes 24-27 (file change counter), 40-43 (schema cookie) and 92-95
 * (the change counter for which the size field is valid). It sets 96-99 to its own SQLite version.
 * All other bytes are unchanged. In WAL mode their newest values may be in the WAL, so they are 1
 * there, whether or not the WAL is empty. Otherwise every checkpoint would look like a change.
 */
export const COUNTERS = [24, 40, 92, 96] as const;

const ONES = Buffer.alloc(SQLITE_HEADER_BYTES);
for (const offset of COUNTERS) ONES.writeUInt32BE(1, offset);

/**
 * The file then equals what the backup has read: during our read transaction it cannot have
 * contained anything uncommitted.
 */
function isUnchangedRollbackMode({ root, path, guard }: Source, header: Buffer): boolean {
	const after = lstatPath(root, path);
	return !isWalMode(header) && after !== undefined && sameStat(guard.stat, after);
}

function writeCounters(file: string, header: Buffer): void {
	const fd = openSync(file, "r+");
	try {
		for (const offset of COUNTERS) writeSync(fd, header, offset, 4, offset);
	} finally {
		closeSync(fd);
	}
}

/** SQLite would create it with the mode that the umask leaves. */
function createPrivate(file: string, tempDir: string): void {
	try {
		closeSync(openSync(file, "wx", 0o600));
	} catch (cause) {
		throw new SidecarError(isOutOfSpace(cause) ? "WORKSPACE_DISK_FULL" : "STATE_DIR_UNUSABLE", {
			value: tempDir,
			cause,
		});
	}
}

function removeDatabase(file: string): void {
	for (const each of filesOf(file)) rmSync(each, { force: true });
}

// Result codes, https://sqlite.org/rescode.html
const PERM = 3;
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const PROTOCOL = 15;
const NOTADB = 26;
const READONLY_ROLLBACK = 776;

const codeOf = (error: unknown) => (error as { errcode?: number }).errcode ?? 0;
const isOutOfSpace = (error: unknown) =>
	["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
const isBusy = (error: unknown) => [BUSY, LOCKED, PROTOCOL].includes(codeOf(error) & 0xff);
const mayNotWrite = (error: unknown) =>
	[PERM, READONLY, IOERR, CANTOPEN].includes(codeOf(error) & 0xff);
const isHotJournal = (error: unknown) => codeOf(error) === READONLY_ROLLBACK;

function refusalFor(error: unknown, tempDir: string): SqliteRefusal {
	const reason = error instanceof Error ? error.message : String(error);
	const primary = codeOf(error) & 0xff;
	const system = (error as NodeJS.ErrnoException).code;
	if (primary === FULL || isOutOfSpace(error)) {
		throw new SidecarError("WORKSPACE_DISK_FULL", {
			value: tempDir,
			reason: "no room for the copy of a database",
			cause: error,
		});
	}
	if (isBusy(error)) return { kind: "locked", reason };
	if (primary === CORRUPT) return { kind: "corrupt", reason };
	if (primary === NOTADB) return { kind: "not-a-database", reason };
	if (system === "ENOENT" || system === "ENOTDIR") return { kind: "gone", reason };
	if (
		primary > 0 ||
		system === "EACCES" ||
		system === "EPERM" ||
		system === "EIO" ||
		system === "ELOOP"
	)
		return { kind: "unreadable", reason };
	throw new SidecarError("INTERNAL", {
		reason: "a database could not be copied",
		cause: error,
	});
}
