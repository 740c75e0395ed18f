/**
 * Determines the true state of a workspace. A watcher's events are only hints; a scan finds the
 * changes that were never announced.
 *
 * How: depth first, synchronous readdir and lstat in slices of a few milliseconds, with the event
 * loop running between them. 4-5 us an entry, as fast as `find`; asynchronous calls cost 1.5 to 2.5
 * times as much. Each directory is listed in one call (100,000 names: 60 ms).
 *
 * Guarantees: links are never followed. Other file systems are entered. Entries that vanish
 * meanwhile are left out. Paths that could not be inspected are reported, so that their absence
 * from the result never counts as a deletion.
 * Not guaranteed: one moment in time. An entry that moves during a scan may be seen at both places
 * or at neither.
 */

import { SidecarError } from "../errors.ts";
import { joinPath, mainOf, ROOTS_DIRECTORY, type Root } from "../path.ts";
import type { Filter } from "./filter.ts";
import { readNames } from "./read-names.ts";
import { Slice } from "./slice.ts";
import { lstatPath, type Stat, statOf } from "./stat.ts";
import { whyNotStored } from "./why-not-stored.ts";

/**
 * `unreadable`: nothing is known about the path or anything below it. `other-type`: a socket, a
 * FIFO or a device; it exists and is never stored. `reserved`: the workspace's own directory
 * contains the name that is reserved for additional roots.
 */
export interface Problem {
	readonly path: string;
	readonly reason: "unreadable" | "other-type" | "reserved";
	/** The system's error code for `unreadable`: EACCES, EIO, ENAMETOOLONG. */
	readonly code?: string;
}

export interface ScanOptions {
	/**
	 * Only this directory (included) and everything below it; default "", the whole workspace. The
	 * result is empty if it does not exist.
	 */
	readonly below?: string;
	/** Longest time to block the event loop, ms; default 5. */
	readonly sliceMs?: number;
	readonly signal?: AbortSignal | undefined;
}

/** What a walk reports. Slices of the event loop run in between. */
export interface Visitor {
	/** A file, a directory or a link, "" for the workspace itself; a directory before its content. */
	onEntry(path: string, stat: Stat): void;
	/**
	 * Everything in the directory was reported, or it could not be listed. `isGone`: it vanished
	 * after it was reported.
	 */
	onListed(directory: string, isGone: boolean): void;
}

export interface ScanResult {
	/**
	 * Files, directories and links, "" for the workspace itself. A directory precedes its content.
	 */
	readonly stats: Map<string, Stat>;
	readonly problems: Problem[];
}

/** Entries between two checks of the clock: well under 1 ms. */
const ENTRIES_PER_LOOK = 64;

/**
 * @param root absolute
 * @throws SidecarError as `walk`
 */
export async function scan(
	root: Root,
	filter: Filter,
	options: ScanOptions = {},
): Promise<ScanResult> {
	const stats = new Map<string, Stat>();
	const onListed = (directory: string, isGone: boolean) => {
		if (isGone) stats.delete(directory);
	};
	const onEntry = (path: string, stat: Stat) => void stats.set(path, stat);
	return { stats, problems: await walk(root, filter, { onEntry, onListed }, options) };
}

/**
 * A scan that keeps nothing: its memory does not grow with the tree.
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE (of the workspace itself); the
 * signal's reason
 */
export async function walk(
	root: Root,
	filter: Filter,
	visitor: Visitor,
	options: ScanOptions = {},
): Promise<Problem[]> {
	const { below = "", sliceMs = 5, signal } = options;
	const problems: Problem[] = [];
	const pending: string[] = [];
	const visit = (path: string) => {
		const stat = look(root, path, problems);
		if (stat === undefined || !isStored(root, path, stat, filter, problems)) return;
		visitor.onEntry(path, stat);
		if (stat.type === "dir") pending.push(path);
	};

	signal?.throwIfAborted();
	if (below === "") requireDirectory(root);
	if (below === "" && hasReservedName(root))
		problems.push({ path: ROOTS_DIRECTORY, reason: "reserved" });
	visit(below);
	const slice = new Slice(sliceMs);
	for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
		const names = list(root, directory, problems);
		if (names === undefined) {
			visitor.onListed(directory, directory !== "");
			continue;
		}
		for (let i = 0; i < names.length; i++) {
			visit(joinPath(directory, names[i] ?? ""));
			if (i % ENTRIES_PER_LOOK === 0 && slice.isOver) await slice.next(signal);
		}
		visitor.onListed(directory, false);
	}
	const unreadableRoot = problems.find(
		({ path, reason }) => path === "" && reason === "unreadable",
	);
	if (unreadableRoot !== undefined)
		throw new SidecarError("WORKSPACE_UNREADABLE", {
			value: mainOf(root),
			reason: unreadableRoot.code ?? "EIO",
		});
	return problems;
}

/**
 * Tells which paths are unknown to a scan: the unreadable ones and all below them. Their absence is
 * not a deletion.
 */
export function hiddenBy(problems: readonly Problem[]): (path: string) => boolean {
	const unreadable = new Set(
		problems.filter(({ reason }) => reason === "unreadable").map(({ path }) => path),
	);
	if (unreadable.size === 0) return () => false;
	return (path) => {
		if (unreadable.has(path) || unreadable.has("")) return true;
		for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
			if (unreadable.has(path.slice(0, slash))) return true;
		}
		return false;
	};
}

/** Should this entry be stored? Reports entries that are left out because of their type. */
function isStored(
	root: Root,
	path: string,
	stat: Stat,
	filter: Filter,
	problems: Problem[],
): boolean {
	const why = whyNotStored(root, path, stat, filter);
	if (why === "special") problems.push({ path, reason: "other-type" });
	return why === undefined;
}

function look(root: Root, path: string, problems: Problem[]): Stat | undefined {
	try {
		return lstatPath(root, path);
	} catch (error) {
		problems.push(unreadable(path, error));
		return undefined;
	}
}

/** The names in a directory; undefined if it has vanished, empty if it cannot be read. */
function list(root: Root, path: string, problems: Problem[]): string[] | undefined {
	try {
		return readNames(root, path);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT" || code === "ENOTDIR") return undefined;
		problems.push(unreadable(path, error));
		return [];
	}
}

function unreadable(path: string, error: unknown): Problem {
	return { path, reason: "unreadable", code: (error as NodeJS.ErrnoException).code ?? "EIO" };
}

/**
 * Does the workspace's own directory contain the name that is reserved for additional roots? Such
 * an entry is never stored.
 */
export function hasReservedName(root: Root): boolean {
	try {
		return typeof root !== "string" && statOf(`${root.main}/${ROOTS_DIRECTORY}`) !== undefined;
	} catch {
		// The workspace itself is unreadable then, which is reported separately.
		return false;
	}
}

/** @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE */
export function requireDirectory(root: Root): Stat {
	let stat: Stat | undefined;
	try {
		stat = lstatPath(root, "");
	} catch (cause) {
		throw new SidecarError("WORKSPACE_UNREADABLE", { value: mainOf(root), cause });
	}
	if (stat?.type === "dir") return stat;
	throw new SidecarError("WORKSPACE_NOT_DIRECTORY", {
		value: mainOf(root),
		...(stat === undefined ? { reason: "it does not exist" } : {}),
	});
}
