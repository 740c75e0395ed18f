/**
 * Opens files of a workspace whose owner may move, replace and link things at the same time.
 *
 * An open file is the one at its path below the workspace, reached through no link. O_NOFOLLOW
 * guards only the last name, so the kernel is asked afterwards for the open file's location. Not
 * guaranteed without /proc: the path is then trusted.
 *
 * POSIX advisory locks belong to a process and an inode. Closing ANY descriptor of the file drops
 * them all. So snapshots register each inode that they have a SQLite handle on, and a descriptor of
 * such a file is closed after the last handle.
 */
import {
	closeSync,
	constants,
	existsSync,
	fstatSync,
	openSync,
	readdirSync,
	readlinkSync,
	realpathSync,
} from "node:fs";
import { encodePath, fsPath, type Root } from "../path.ts";
import { lstatPath, type Stat, toStat } from "./stat.ts";

export interface OpenFile {
	readonly kind: "open";
	/** Close it with `closeGuarded`, or hand it over to `pin`. */
	readonly fd: number;
	/** Taken right after the file was opened. */
	readonly stat: Stat;
}

export type OpenRefusal =
	| { readonly kind: "gone" }
	/** It is elsewhere: a directory in its path is a link. */
	| { readonly kind: "outside" }
	/** Another file replaced it at each attempt; `stat` is of the newest. */
	| { readonly kind: "replaced"; readonly stat: Stat }
	/** Not a regular file; or a missing permission, or an IO error. */
	| { readonly kind: "irregular" | "unreadable"; readonly reason: string }
	/** A snapshot has this database open at the moment; only with `refusePinned`. */
	| { readonly kind: "held" };

/** O_NONBLOCK: if a FIFO replaced the file, opening it must not wait for a writer. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Attempts to open a file that is replaced again and again. */
const ATTEMPTS = 8;

/**
 * Opens the regular file at `path` for reading.
 * @param refusePinned do not open a file that a snapshot has open
 */
export function openGuarded(root: Root, path: string, refusePinned = true): OpenFile | OpenRefusal {
	let opened: OpenFile | OpenRefusal = { kind: "gone" };
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		opened = openOnce(root, path, refusePinned);
		if (opened.kind !== "replaced" && opened.kind !== "outside") break;
	}
	return opened;
}

function openOnce(root: Root, path: string, refusePinned: boolean): OpenFile | OpenRefusal {
	let fd: number | undefined;
	try {
		const named = lstatPath(root, path);
		if (named === undefined) return { kind: "gone" };
		if (named.type !== "file") return irregular(named);
		if (refusePinned && isPinned(named)) return { kind: "held" };
		fd = openSync(fsPath(root, path), FLAGS);
		const stat = toStat(fstatSync(fd, { bigint: true }));
		const refusal = refusalOf(root, path, fd, stat, refusePinned);
		if (refusal === undefined) return { kind: "open", fd, stat };
		closeGuarded(fd);
		return refusal;
	} catch (error) {
		if (fd !== undefined) closeGuarded(fd);
		const { code, message } = error as NodeJS.ErrnoException;
		if (code === "ENOENT" || code === "ENOTDIR") return { kind: "gone" };
		return { kind: "unreadable", reason: message };
	}
}

function refusalOf(
	root: Root,
	path: string,
	fd: number,
	stat: Stat,
	refusePinned: boolean,
): OpenRefusal | undefined {
	if (stat.type !== "file") return irregular(stat);
	if (refusePinned && isPinned(stat)) return { kind: "held" };
	const place = linkOf(fd);
	if (place === undefined || isPlaceOf(place, root, path)) return undefined;
	// It was replaced by a rename ("… (deleted)"), moved away, or never was at its path.
	const named = lstatPath(root, path);
	if (named === undefined) return { kind: "gone" };
	if (named.type !== "file") return irregular(named);
	// A file is mounted here and was replaced at its source. It has no other name, and the path still
	// refers to it.
	if (
		isSameInode(named, stat) &&
		place.subarray(-DELETED.length).equals(DELETED) &&
		isPlaceOf(place.subarray(0, -DELETED.length), root, path)
	)
		return undefined;
	return isSameInode(named, stat) && !place.subarray(-DELETED.length).equals(DELETED)
		? { kind: "outside" }
		: { kind: "replaced", stat: named };
}

const DELETED = Buffer.from(" (deleted)");

function irregular(stat: Stat): OpenRefusal {
	return {
		kind: "irregular",
		reason: `not a regular file: it is ${stat.type === "dir" ? "a directory" : stat.type === "link" ? "a link" : "a socket, FIFO or device"}`,
	};
}

const isSameInode = (a: Stat, b: Stat) => a.ino === b.ino && a.dev === b.dev;

/** The open file's location according to the kernel; undefined if unknown. 3 us. */
function linkOf(fd: number | string): Buffer | undefined {
	try {
		return readlinkSync(`/proc/self/fd/${fd}`, { encoding: "buffer" });
	} catch {
		return undefined;
	}
}

/**
 * The real location of each root, read once. Per process: every reader of a root must use the same
 * one, whichever opened it first. A root that later becomes a link could otherwise lead
 * anywhere its owner likes, with the rights of this process.
 */
const realRoots = new Map<string, string>();

/**
 * Records the real locations of a workspace's existing directories. Call it before any process can
 * run that could replace them with links.
 */
export function noteRealPlaces(directories: readonly string[]): void {
	for (const directory of directories)
		if (existsSync(directory)) realRoots.set(directory, realpathSync.native(directory));
}

function isPlaceOf(place: Buffer, root: Root, path: string): boolean {
	if (typeof root !== "string") {
		const located = root.locate(path);
		return located !== undefined && isPlaceOf(place, ...located);
	}
	// Most descriptors refer to unrelated files: no need to ask for the root's current location.
	if (!place.subarray(-path.length).equals(encodePath(path).subarray(-path.length))) return false;
	if (!realRoots.has(root)) noteRealPlaces([root]);
	const base = realRoots.get(root);
	return base !== undefined && place.equals(encodePath(`${base === "/" ? "" : base}/${path}`));
}

/** Descriptors of this process and their locations. */
export type Descriptors = ReadonlyMap<number, Buffer>;

/** The open descriptors of this process; undefined if the kernel does not tell. About 3 us each. */
export function descriptors(): Descriptors | undefined {
	let names: string[];
	try {
		names = readdirSync("/proc/self/fd");
	} catch {
		return undefined;
	}
	const open = new Map<number, Buffer>();
	for (const name of names) {
		// The directory's own descriptor is closed by now; the next file may get its number.
		const place = linkOf(name);
		if (place !== undefined) open.set(Number(name), place);
	}
	return open;
}

/**
 * A descriptor that this process, such as SQLite in it, has open at `path`. Do not close it.
 */
export function descriptorAt(root: Root, path: string): number | undefined {
	for (const [fd, place] of descriptors() ?? []) if (isPlaceOf(place, root, path)) return fd;
	return undefined;
}

/**
 * Was a file opened at `path` since `before`? Assumed true if the kernel does not tell.
 * @param file it must be this file. A descriptor that SQLite kept for another handle on it and
 * reused is then accepted, provided that nothing else was opened
 */
export function wasOpened(
	before: Descriptors | undefined,
	root: Root,
	path: string,
	file?: Stat,
): boolean {
	const now = before === undefined ? undefined : descriptors();
	if (before === undefined || now === undefined) return true;
	const guards = file === undefined ? undefined : heldOpen.get(inodeKey(file))?.waiting;
	let kept = false;
	let others = 0;
	for (const [fd, place] of now) {
		const isRight =
			isPlaceOf(place, root, path) &&
			(file === undefined || isSameInode(toStat(fstatSync(fd, { bigint: true })), file));
		const old = before.get(fd);
		// Compare by number alone: a rename of a directory above changes an old descriptor's location,
		// also from wrong to right.
		if (old === undefined && isRight) return true;
		if (old?.equals(place) !== true) others += 1;
		else if (isRight && file !== undefined && guards?.includes(fd) !== true) kept = true;
	}
	return kept && others === 0;
}

/** Is the open file still the one at its path? */
export function isInPlace(root: Root, path: string, { fd, stat }: OpenFile): boolean {
	const place = linkOf(fd);
	const named = lstatPath(root, path);
	return (
		named !== undefined &&
		isSameInode(named, stat) &&
		(place === undefined || isPlaceOf(place, root, path))
	);
}

interface Held {
	holders: number;
	/** Descriptors to close after the last holder. */
	readonly waiting: number[];
}

/** Per process, as POSIX locks are: closing any descriptor of a file drops them all. */
const heldOpen = new Map<string, Held>();

const inodeKey = (stat: { readonly dev: bigint; readonly ino: bigint }) =>
	`${stat.dev}:${stat.ino}`;

/**
 * Registers an open SQLite handle on this inode, until the returned function is called.
 * @param fd a descriptor of the file, closed after the last holder
 */
export function pin(stat: Stat, fd?: number): () => void {
	const key = inodeKey(stat);
	const held = heldOpen.get(key) ?? { holders: 0, waiting: [] };
	heldOpen.set(key, held);
	held.holders += 1;
	if (fd !== undefined) held.waiting.push(fd);
	return () => {
		held.holders -= 1;
		if (held.holders > 0) return;
		heldOpen.delete(key);
		for (const one of held.waiting) closeSync(one);
	};
}

/**
 * Does this process have a SQLite handle on the file? Then it must not be opened by other means.
 */
export function isPinned(stat: Stat): boolean {
	return heldOpen.size > 0 && heldOpen.has(inodeKey(stat));
}

/**
 * Closes a descriptor of a workspace file: now, or after the last snapshot that has the file open.
 */
export function closeGuarded(fd: number): void {
	const held =
		heldOpen.size === 0 ? undefined : heldOpen.get(inodeKey(fstatSync(fd, { bigint: true })));
	if (held === undefined) closeSync(fd);
	else held.waiting.push(fd);
}
