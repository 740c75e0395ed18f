/**
 * The files of a database without SQLite's header, such as an SQLCipher database: the database
 * itself, its write-ahead log and its journal. The sidecar cannot checkpoint such a database. It
 * stores the log too, and copies all of these files as of one moment.
 *
 * How: all files are copied into a private directory. The copies belong to one moment if no stat
 * changed meanwhile and every file was older than one clock tick before. A log with SQLite's own
 * header may grow: SQLite drops everything after the last complete commit when it opens the
 * database.
 * Not guaranteed: consistency across files without these names, such as the files of LMDB, RocksDB
 * or a maildir.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Root } from "../path.ts";
import { copyDescriptor } from "./copy-descriptor.ts";
import { closeGuarded, type OpenFile, openGuarded } from "./guarded-open.ts";
import { companionOf, isSqlite, isStable, readHead, WAL_HEADER_BYTES } from "./sqlite-file.ts";
import { lstatPath, type Stat, sameStat } from "./stat.ts";

/** The log's index is not included: SQLite rebuilds it when it opens the database. */
const STORED_SUFFIXES = ["-wal", "-journal"] as const;

/** The database that the file belongs to by its name. For any other file, the path itself. */
export function mainFileOf(root: Root, path: string): string {
	const main = companionOf(path);
	if (main === undefined || path.endsWith("-shm") || !isFile(root, main) || isSqlite(root, main))
		return path;
	return main;
}

/** The paths of the other possible files of its set, whether or not they exist. */
export function besides(main: string): readonly string[] {
	return STORED_SUFFIXES.map((suffix) => main + suffix);
}

/**
 * Every existing file of the set, the database first. Only the path itself for a standalone file or
 * a SQLite database.
 */
export function filesOfSet(root: Root, main: string): readonly string[] {
	const beside = besides(main).filter((path) => isFile(root, path));
	return beside.length === 0 || isSqlite(root, main) ? [main] : [main, ...beside];
}

function isFile(root: Root, path: string): boolean {
	try {
		return lstatPath(root, path)?.type === "file";
	} catch {
		return false;
	}
}

export interface SetCopy {
	readonly kind: "copied";
	readonly directory: string;
	readonly files: readonly {
		readonly path: string;
		/** Of the copy, in `directory`. */
		readonly name: string;
		/** Of the original. */
		readonly stat: Stat;
		/** The original had already grown when the copy was made. */
		readonly isOlder: boolean;
	}[];
	dispose(): void;
}

const PATIENCE_MS = 2_000;
/**
 * For this long, waits for a set that was unchanged for `STILL_MS`. Then accepts a set that is
 * unchanged during the copy, or in which only the log grows.
 */
const STRICT_MS = 500;
const STILL_MS = 100;
const PAUSE_MS = 25;

/**
 * Copies a set as of one moment.
 * @param paths as returned by `filesOfSet`
 * @returns the reason, if the set never stopped changing or cannot be read
 * @throws NodeJS.ErrnoException if `tempDir` has no room
 */
export async function copySet(
	root: Root,
	paths: readonly string[],
	tempDir: string,
	patienceMs = PATIENCE_MS,
): Promise<SetCopy | { readonly kind: "refused"; readonly reason: string }> {
	const started = performance.now();
	const names = new Map(paths.map((path) => [path, `${randomBytes(12).toString("hex")}.set`]));
	const dispose = () => {
		for (const name of names.values()) rmSync(join(tempDir, name), { force: true });
	};
	let isCopied = false;
	try {
		for (;;) {
			const age = performance.now() - started;
			const copied = await copyOnce(root, paths, tempDir, names, age > STRICT_MS);
			if (copied === "unreadable")
				return { kind: "refused", reason: "a file of its database cannot be read" };
			if (copied !== "moved") {
				isCopied = true;
				return { kind: "copied", directory: tempDir, files: copied, dispose };
			}
			if (age > patienceMs) {
				const [main, ...beside] = paths.map((path) => path.slice(path.lastIndexOf("/") + 1));
				return {
					kind: "refused",
					reason: `${main} and ${beside.join(", ")} kept changing, so no copy would be consistent`,
				};
			}
			await delay(PAUSE_MS);
		}
	} finally {
		if (!isCopied) dispose();
	}
}

async function copyOnce(
	root: Root,
	paths: readonly string[],
	tempDir: string,
	names: ReadonlyMap<string, string>,
	mayGrow: boolean,
): Promise<SetCopy["files"] | "moved" | "unreadable"> {
	const opened = new Map<string, OpenFile>();
	try {
		for (const path of paths) {
			const file = openGuarded(root, path);
			if (file.kind === "unreadable" || file.kind === "outside") return "unreadable";
			if (file.kind !== "open") return "moved";
			opened.set(path, file);
		}
		const heads = new Map(
			[...opened].map(([path, { fd }]) => [path, readHead(fd, WAL_HEADER_BYTES)]),
		);
		const grows = (path: string) =>
			mayGrow && path.endsWith("-wal") && isWalHeader(heads.get(path));
		for (const [path, { stat }] of opened)
			if (!grows(path) && !(mayGrow ? isStable(stat) : isStillFor(stat, STILL_MS))) return "moved";
		for (const [path, { fd }] of opened)
			await copyDescriptor(fd, join(tempDir, names.get(path) as string));
		const files: { path: string; name: string; stat: Stat; isOlder: boolean }[] = [];
		for (const [path, { fd, stat }] of opened) {
			const now = lstatPath(root, path);
			const isStill = now !== undefined && sameStat(stat, now);
			const isSameLog =
				now?.ino === stat.ino &&
				grows(path) &&
				readHead(fd, WAL_HEADER_BYTES).equals(heads.get(path) as Buffer);
			if (!isStill && !isSameLog) return "moved";
			files.push({ path, name: names.get(path) as string, stat, isOlder: !isStill });
		}
		const [main = ""] = paths;
		const isWhole = besides(main).every(
			(path) => opened.has(path) || lstatPath(root, path) === undefined,
		);
		return isWhole ? files : "moved";
	} finally {
		for (const { fd } of opened.values()) closeGuarded(fd);
	}
}

function isStillFor({ mtimeNs, ctimeNs }: Stat, ms: number): boolean {
	return BigInt(Date.now() - ms) * 1_000_000n > (mtimeNs > ctimeNs ? mtimeNs : ctimeNs);
}

/** https://sqlite.org/fileformat2.html#walformat; encryption leaves this header unchanged. */
function isWalHeader(head: Buffer | undefined): boolean {
	return head?.length === WAL_HEADER_BYTES && head.readUInt32BE(0) >>> 1 === 0x377f0682 >>> 1;
}
