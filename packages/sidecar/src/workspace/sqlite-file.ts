/** SQLite databases as files: told by their header, never by their name. */
import { readSync } from "node:fs";
import type { Root } from "../path.ts";
import { closeGuarded, openGuarded } from "./guarded-open.ts";
import { lstatPath, type Stat } from "./stat.ts";

const MAGIC = Buffer.from("SQLite format 3\0", "latin1");

/** Size of the database header. */
export const SQLITE_HEADER_BYTES = 100;
/**
 * Of a write-ahead log; it is written anew, with other salts, before the first frame is
 * overwritten.
 */
export const WAL_HEADER_BYTES = 32;

/** The first word of an index of a write-ahead log. */
const WAL_INDEX_VERSION = 3_007_000;

/**
 * log2 of the chunk size: 14 (16 KiB) for a database, whose changes are pages here and there; 20 (1
 * MiB) for anything else.
 */
export type ChunkBits = 14 | 20;

export function isSqliteHeader(head: Buffer): boolean {
	return head.length >= MAGIC.length && head.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) === 0;
}

/** Byte 18, the write version: 1 in rollback mode, 2 in WAL mode. */
export function isWalMode(header: Buffer): boolean {
	return header[18] === 2;
}

/** The chunk size for a file that begins with `head` (16 bytes are enough). */
export function chunkBitsFor(head: Buffer): ChunkBits {
	return isSqliteHeader(head) ? 14 : 20;
}

/**
 * Is there a SQLite database at `path`? Not remembered: looking costs about 15 us, and a file can
 * become a database under an unchanged name. False where it is empty, unreadable or gone; an empty
 * file that will be a database is one with its first commit.
 */
export function isSqlite(root: Root, path: string): boolean {
	try {
		const opened = openGuarded(root, path);
		if (opened.kind !== "open") return opened.kind === "held";
		try {
			return (
				opened.stat.size >= SQLITE_HEADER_BYTES && isSqliteHeader(readHead(opened.fd, MAGIC.length))
			);
		} finally {
			closeGuarded(opened.fd);
		}
	} catch {
		return false;
	}
}

/** The first bytes of an open file. */
export function readHead(fd: number, length: number): Buffer {
	const head = Buffer.alloc(length);
	return head.subarray(0, readSync(fd, head, 0, length, 0));
}

/** What follows the name of a database in the names of the files that belong to it. */
export const COMPANIONS = ["-wal", "-shm", "-journal"] as const;

/** A database's file and all that may belong to it. */
export function filesOf(path: string): readonly string[] {
	return ["", ...COMPANIONS].map((suffix) => path + suffix);
}

/**
 * The path of the database that a file named like this would accompany: "a/x.db" for "a/x.db-wal",
 * "-shm" and "-journal"; undefined for other names. Whether it does is for `isSqlite` to say: a
 * user's "notes-journal" is a file of its own.
 */
export function companionOf(path: string): string | undefined {
	for (const suffix of COMPANIONS) {
		if (path.endsWith(suffix) && path.length > suffix.length) return path.slice(0, -suffix.length);
	}
	return undefined;
}

/**
 * Is `path` a write-ahead log, an index of one, or a rollback journal of a SQLite database beside
 * it? Those are never stored. Of any other database, such as an encrypted one, only the index is
 * left out: its log belongs to it (see `file-set.ts`).
 */
export function isCompanion(root: Root, path: string): boolean {
	const database = companionOf(path);
	if (database === undefined) return false;
	return isSqlite(root, database) || (path.endsWith("-shm") && isIndexOf(root, path, database));
}

/** By SQLite's own header, which encryption leaves as it is. */
function isIndexOf(root: Root, path: string, database: string): boolean {
	try {
		if (lstatPath(root, database)?.type !== "file") return false;
		const opened = openGuarded(root, path);
		if (opened.kind !== "open") return false;
		try {
			const head = readHead(opened.fd, 4);
			return (
				head.length === 4 &&
				(head.readUInt32LE(0) === WAL_INDEX_VERSION || head.readUInt32BE(0) === WAL_INDEX_VERSION)
			);
		} finally {
			closeGuarded(opened.fd);
		}
	} catch {
		return false;
	}
}

/**
 * A clock tick of the kernel's file times is up to 10 ms; within 20 ms of a write another one can
 * leave all times as they are.
 */
const SETTLED_AFTER_NS = 20_000_000n;

/** Would one more write show in such a time? */
export const isOlderThanATick = (timeNs: bigint) =>
	BigInt(Date.now()) * 1_000_000n - timeNs > SETTLED_AFTER_NS;

/** Would one more write show in its times? The ctime too: a rename, a new owner. */
export function isSettled({ mtimeNs, ctimeNs }: Stat): boolean {
	return isOlderThanATick(mtimeNs > ctimeNs ? mtimeNs : ctimeNs);
}

let unsettled = 0;

/**
 * One string for the state of a database: its own stat and that of its write-ahead log. Equal
 * strings = no commit in between, even though reading it in the meantime touched "-shm", left an
 * empty "-wal" behind, or (SQLite as root hands the log over to the database's owner) moved the
 * log's ctime; so only its mtime counts. While a write is younger than 20 ms the string is equal to
 * no other, since the next one might not show. "" where there is no file.
 */
export function walFingerprint(root: Root, path: string): string {
	const database = lstatPath(root, path);
	if (database === undefined) return "";
	const wal = lstatPath(root, `${path}-wal`);
	const frames = wal === undefined || wal.size === 0 ? undefined : wal;
	const newest =
		frames !== undefined && frames.mtimeNs > database.ctimeNs ? frames.mtimeNs : database.ctimeNs;
	const isOld = isOlderThanATick(newest);
	if (!isOld) unsettled += 1;
	const parts = [
		`${inText(database)}:${database.ctimeNs}`,
		frames === undefined ? "-" : inText(frames),
	];
	if (!isOld) parts.push(`unsettled-${process.pid}-${unsettled}`);
	return parts.join(" ");
}

const inText = (stat: Stat) => `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
