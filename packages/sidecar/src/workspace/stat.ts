import { type BigIntStats, lstatSync } from "node:fs";
import { fsPath, ROOTS_DIRECTORY, type Root } from "../path.ts";

export type FileType = "file" | "dir" | "link" | "other";

/** The kernel's data about a path, without following links. */
export interface Stat {
	/** "other" is a socket, a FIFO or a device. */
	readonly type: FileType;
	/** Permission bits, 0-0o7777. */
	readonly mode: number;
	/** Bytes. */
	readonly size: number;
	readonly mtimeNs: bigint;
	/** Set by the kernel alone: no program can set it back. */
	readonly ctimeNs: bigint;
	readonly ino: bigint;
	readonly dev: bigint;
	/** Who owns it. */
	readonly uid: number;
	/** Birth time; 0 if the file system does not report one. */
	readonly birthNs: bigint;
}

const TYPES: Readonly<Record<number, FileType>> = {
	0o100000: "file",
	0o040000: "dir",
	0o120000: "link",
};

export function toStat(stats: BigIntStats): Stat {
	const mode = Number(stats.mode);
	return {
		type: TYPES[mode & 0o170000] ?? "other",
		mode: mode & 0o7777,
		size: Number(stats.size),
		mtimeNs: stats.mtimeNs,
		ctimeNs: stats.ctimeNs,
		ino: stats.ino,
		birthNs: stats.birthtimeNs,
		dev: stats.dev,
		uid: Number(stats.uid),
	};
}

const OPTIONS = { bigint: true, throwIfNoEntry: false } as const;

/**
 * The stat of the entry at `path` below `root`; undefined if there is none (ENOENT, ENOTDIR). About
 * 4 us.
 * @throws NodeJS.ErrnoException EACCES, ENAMETOOLONG, EIO and similar: nothing is known then, not
 * even absence
 */
export function lstatPath(root: Root, path: string): Stat | undefined {
	if (typeof root !== "string" && path.startsWith(ROOTS_DIRECTORY)) {
		const place = root.locate(path);
		if (place === undefined)
			return path === ROOTS_DIRECTORY && root.others.size > 0 ? NOWHERE : undefined;
		return statOf(fsPath(...place));
	}
	return statOf(fsPath(root, path));
}

/** Without koffi, restored times are off by up to 238 ns. */
const TIME_TOLERANCE_NS = 1_000n;

export function sameTime(a: bigint, b: bigint): boolean {
	const off = a - b;
	return off <= TIME_TOLERANCE_NS && off >= -TIME_TOLERANCE_NS;
}

/**
 * The file at `path` has other names (hard links): a change of its metadata affects all of them.
 */
export function hasOtherNames(root: Root, path: string): boolean {
	const place = typeof root === "string" ? ([root, path] as const) : root.locate(path);
	const stats =
		place === undefined ? undefined : lstatSync(fsPath(...place), { throwIfNoEntry: false });
	return stats?.isFile() === true && stats.nlink > 1;
}

/**
 * The directory of additional roots, which exists on no disk: constant, so that it never counts as
 * changed.
 */
const NOWHERE: Stat = {
	type: "dir",
	mode: 0o700,
	size: 0,
	mtimeNs: 0n,
	ctimeNs: 0n,
	ino: 0n,
	dev: 0n,
	uid: 0,
	birthNs: 0n,
};

/** The same for an absolute path. */
export function statOf(file: string | Buffer): Stat | undefined {
	try {
		const stats = lstatSync(file, OPTIONS);
		return stats === undefined ? undefined : toStat(stats);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
		throw error;
	}
}

/**
 * True if nothing that the kernel reports has changed. Misses a rewrite of the same size within one
 * clock tick (up to 10 ms).
 */
export function sameStat(a: Stat, b: Stat): boolean {
	return (
		a.ctimeNs === b.ctimeNs &&
		a.mtimeNs === b.mtimeNs &&
		a.size === b.size &&
		a.ino === b.ino &&
		a.dev === b.dev &&
		a.mode === b.mode &&
		a.type === b.type
	);
}

/** A stat younger than this when it was read may hide a later write within the same clock tick. */
const RACY_NS = 20_000_000n;

/** May a write after this stat have left it unchanged? */
export function isRacy(stat: Stat): boolean {
	return BigInt(Date.now()) * 1_000_000n - stat.mtimeNs < RACY_NS;
}

/**
 * Identifies a file or directory, however it changed. The inode number alone is not enough: it is
 * reused as soon as it is free.
 */
export function identityOf(stat: Stat): string {
	return `${stat.dev}:${stat.ino}:${stat.birthNs}`;
}
