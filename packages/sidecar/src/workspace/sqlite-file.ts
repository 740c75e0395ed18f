/** SQLite databases as files: identified by their header, never by their name. */
import type { Root } from "../path.ts";
import { closeGuarded, openGuarded } from "./guarded-open.ts";
import { readFully } from "./read-fully.ts";
import { lstatPath, type Stat } from "./stat.ts";

const MAGIC = Buffer.from("SQLite format 3\0", "latin1");

/** Size of the database header. */
export const SQLITE_HEADER_BYTES = 100;
/**
 * Of a write-ahead log. SQLite writes a new header with new salts before it overwrites the first
 * frame.
 */
export const WAL_HEADER_BYTES = 32;

/** The first word of a write-ahead log's index. */
const WAL_INDEX_VERSION = 3_007_000;

/**
 * log2 of the chunk size: 14 (16 KiB) for a database, whose changes are scattered pages; 20 (1 MiB)
 * for anything else.
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
 * Is there a SQLite database at `path`? Not cached: a check costs about 15 us, and a file can
 * become a database under the same name. False if it is empty, unreadable or missing. An empty file
 * that will be a database becomes one with its first commit.
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
	return head.subarray(0, readFully(fd, head, 0));
}

/** The suffixes of the files that belong to a database. */
export const COMPANIONS = ["-wal", "-shm", "-journal"] as const;

/** A database's file and all files that may belong to it. */
export function filesOf(path: string): readonly string[] {
	return ["", ...COMPANIONS].map((suffix) => path + suffix);
}

/**
 * The path of the database that a file with this name would accompany: "a/x.db" for "a/x.db-wal",
 * "-shm" and "-journal"; undefined for other names. `isSqlite` decides whether it does: a user's
 * "notes-journal" is an ordinary file.
 */
export function companionOf(path: string): string | undefined {
	for (const suffix of COMPANIONS) {
		if (path.endsWith(suffix) && path.length > suffix.length) return path.slice(0, -suffix.length);
	}
	return undefined;
}

/**
 * Is `path` a write-ahead log, a log's index, or a rollback journal next to its SQLite database?
 * Those are never stored. Of any other database, such as an encrypted one, only the index is left
 * out: its log belongs to it (see `file-set.ts`).
 */
export function isCompanion(root: Root, path: string): boolean {
	const database = companionOf(path);
	if (database === undefined) return false;
	return isSqlite(root, database) || (path.endsWith("-shm") && isIndexOf(root, path, database));
}

/** By SQLite's own header, which encryption leaves unchanged. */
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
 * A clock tick of the kernel's file times is up to 10 ms. Within 20 ms of a write, another write
 * can leave all times unchanged.
 */
const STABLE_AFTER_NS = 20_000_000n;

/** Would another write change this time? */
export const isOlderThanATick = (timeNs: bigint) =>
	BigInt(Date.now()) * 1_000_000n - timeNs > STABLE_AFTER_NS;

/** Would another write change its times? The ctime counts too: a rename, a new owner. */
export function isStable({ mtimeNs, ctimeNs }: Stat): boolean {
	return isOlderThanATick(mtimeNs > ctimeNs ? mtimeNs : ctimeNs);
}

/** Per process: makes each string of a young write differ from all others of this process. */
let unstable = 0;

/**
 * One string for the state of a database: its own stat and that of its write-ahead log. Equal
 * strings mean that nothing was committed in between. A reader may have touched "-shm" or left an
 * empty "-wal". SQLite as root changes the log's ctime when it hands the log over to the database's
 * owner, so only its mtime counts. While a write is younger than 20 ms the string equals no other,
 * because the next write might not be visible. "" if the file is missing.
 */
export function walFingerprint(root: Root, path: string): string {
	const database = lstatPath(root, path);
	if (database === undefined) return "";
	const wal = lstatPath(root, `${path}-wal`);
	const frames = wal === undefined || wal.size === 0 ? undefined : wal;
	const newest =
		frames !== undefined && frames.mtimeNs > database.ctimeNs ? frames.mtimeNs : database.ctimeNs;
	const parts = [
		`${inText(database)}:${database.ctimeNs}`,
		frames === undefined ? "-" : inText(frames),
	];
	if (!isOlderThanATick(newest)) parts.push(`unstable-${process.pid}-${++unstable}`);
	return parts.join(" ");
}

const inText = (stat: Stat) => `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
