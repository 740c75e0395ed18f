/**
 * Opening files of a workspace whose owner may move, replace and link things meanwhile.
 *
 * An open file is the one at its path below the workspace, reached through no link: O_NOFOLLOW
 * guards the last name only, so the kernel is asked afterwards where the open file lies. Not
 * guaranteed where there is no /proc: there the path is believed.
 *
 * The trap here: POSIX advisory locks belong to a process and an inode, and closing ANY descriptor
 * of the file drops them all. So snapshots register the inode they have a SQLite handle on, and a
 * descriptor of such a file is closed after the last handle.
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
	/** To be closed by `closeGuarded`, or handed over to `pin`. */
	readonly fd: number;
	/** Right after it was opened. */
	readonly stat: Stat;
}

export type OpenRefusal =
	| { readonly kind: "gone" }
	/** It lies elsewhere: a directory on the way is a link. */
	| { readonly kind: "outside" }
	/** Every time it was opened another file took its place; `stat` is of the newest. */
	| { readonly kind: "replaced"; readonly stat: Stat }
	/** No regular file; or no permission, an IO error. */
	| { readonly kind: "irregular" | "unreadable"; readonly reason: string }
	/** A snapshot of this database has it open just now; only where that was asked. */
	| { readonly kind: "held" };

/** O_NONBLOCK: opening a FIFO that took the file's place must not wait for a writer. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Opens of a file that is replaced again and again. */
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
	// It was renamed over ("… (deleted)"), moved away, or never was where its path says.
	const named = lstatPath(root, path);
	if (named === undefined) return { kind: "gone" };
	if (named.type !== "file") return irregular(named);
	// A file that is mounted here, and was replaced where it comes from: it has no other name, and is
	// what the path names.
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
		reason: `no regular file but ${stat.type === "dir" ? "a directory" : stat.type === "link" ? "a link" : "a socket, FIFO or device"}`,
	};
}

const isSameInode = (a: Stat, b: Stat) => a.ino === b.ino && a.dev === b.dev;

/** Where the kernel says the open file lies; undefined where it does not say. 3 us. */
function linkOf(fd: number | string): Buffer | undefined {
	try {
		return readlinkSync(`/proc/self/fd/${fd}`, { encoding: "buffer" });
	} catch {
		return undefined;
	}
}

/**
 * Where the kernel says a root lies, asked once: a root that becomes a link later would lead to
 * wherever its owner likes, with the rights of this process.
 */
const realRoots = new Map<string, string>();

/**
 * Notes where the directories of a workspace lie, as far as they are there, before anybody is let
 * in who could put a link in their place.
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
	// Most descriptors are of something else altogether: no need to ask where the root lies by now.
	if (!place.subarray(-path.length).equals(encodePath(path).subarray(-path.length))) return false;
	if (!realRoots.has(root)) noteRealPlaces([root]);
	const base = realRoots.get(root);
	return base !== undefined && place.equals(encodePath(`${base === "/" ? "" : base}/${path}`));
}

/** Descriptors of this process and where they lie. */
export type Descriptors = ReadonlyMap<number, Buffer>;

/** What this process has open; undefined where the kernel does not say. About 3 us for each. */
export function descriptors(): Descriptors | undefined {
	let names: string[];
	try {
		names = readdirSync("/proc/self/fd");
	} catch {
		return undefined;
	}
	const open = new Map<number, Buffer>();
	for (const name of names) {
		// The directory's own descriptor is closed again by now; its number may be the next file's.
		const place = linkOf(name);
		if (place !== undefined) open.set(Number(name), place);
	}
	return open;
}

/**
 * Was a file opened at `path` since `before`? Taken as true where the kernel does not say.
 * @param file it must be this one; then a descriptor that SQLite kept for another handle on it, and
 * used again, will do, provided that nothing else was opened
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
		// By its number alone: an old one's place changes with every rename of a directory above it,
		// from wrong to right too.
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

const heldOpen = new Map<string, Held>();

const inodeKey = (stat: { readonly dev: bigint; readonly ino: bigint }) =>
	`${stat.dev}:${stat.ino}`;

/**
 * Notes that a SQLite handle is open on this inode, until the function it gives is called.
 * @param fd a descriptor of the file, closed when nobody holds it any more
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

/** Has this process a SQLite handle on the file? Then it must not be opened by other means. */
export function isPinned(stat: Stat): boolean {
	return heldOpen.size > 0 && heldOpen.has(inodeKey(stat));
}

/**
 * Closes a descriptor of a workspace file: now, or when no snapshot has that file open any more.
 */
export function closeGuarded(fd: number): void {
	const held =
		heldOpen.size === 0 ? undefined : heldOpen.get(inodeKey(fstatSync(fd, { bigint: true })));
	if (held === undefined) closeSync(fd);
	else held.waiting.push(fd);
}
