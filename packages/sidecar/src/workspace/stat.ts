import { type BigIntStats, lstatSync } from "node:fs";
import { fsPath, ROOTS_DIRECTORY, type Root } from "../path.ts";

export type FileType = "file" | "dir" | "link" | "other";

/** What the kernel says about a path, links not followed. */
export interface Stat {
	/** "other" is a socket, a FIFO or a device. */
	readonly type: FileType;
	/** Permission bits, 0-0o7777. */
	readonly mode: number;
	/** Bytes. */
	readonly size: number;
	readonly mtimeNs: bigint;
	/** Set by the kernel alone: no program can turn it back. */
	readonly ctimeNs: bigint;
	readonly ino: bigint;
	readonly dev: bigint;
	/** Who owns it. */
	readonly uid: number;
	/** When it came to be; 0 where the file system does not say. */
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
 * The stat of what lies at `path` below `root`; undefined where there is nothing (ENOENT, ENOTDIR).
 * About 4 us.
 * @throws NodeJS.ErrnoException EACCES, ENAMETOOLONG, EIO and the like: then nothing is known, not
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

/** The file at `path` has more names than this one: what is set there is set for all of them. */
export function hasOtherNames(root: Root, path: string): boolean {
	const place = typeof root === "string" ? ([root, path] as const) : root.locate(path);
	const stats =
		place === undefined ? undefined : lstatSync(fsPath(...place), { throwIfNoEntry: false });
	return stats?.isFile() === true && stats.nlink > 1;
}

/**
 * The directory of additional roots, which is on no disk: always the same, so that it is never a
 * change.
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
 * True where nothing the kernel reports has changed. A rewrite of the same size within one clock
 * tick (up to 10 ms) escapes it.
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

/** A stat younger than this when it was read may hide a later write of the same clock tick. */
const RACY_NS = 20_000_000n;

/** May a write that came after this stat have left it as it is? */
export function isRacy(stat: Stat): boolean {
	return BigInt(Date.now()) * 1_000_000n - stat.mtimeNs < RACY_NS;
}

/**
 * Which file or directory this is, whatever became of it. An inode's number alone is given to the
 * next one as soon as it is free.
 */
export function identityOf(stat: Stat): string {
	return `${stat.dev}:${stat.ino}:${stat.birthNs}`;
}
