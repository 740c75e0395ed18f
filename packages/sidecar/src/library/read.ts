/** The verbs that read a log and touch no disk. */
import type { Writable } from "node:stream";
import { type LogRead, readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { type HistoryEntry, history as readHistory } from "../history/history.ts";
import { cat as catFile, findPath, listTree } from "../history/inspect.ts";
import { resolveAt } from "../history/resolve-at.ts";
import type { Entry, Path } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { type LogOptions, openLog, withLog } from "./options.ts";

export interface HistoryOptions extends LogOptions {
	/** Maximum number of commits; default: all. */
	readonly limit?: number | undefined;
}

/**
 * The log's commits, newest first. An unreadable commit carries its error, and does not hide the
 * earlier ones.
 * @throws SidecarError STORE_*, and for a wrong option
 */
export async function* history(options: HistoryOptions = {}): AsyncGenerator<HistoryEntry> {
	const { store, close } = await openLog(options);
	try {
		yield* readHistory(store, options);
	} finally {
		await close();
	}
}

export interface AtOptions extends LogOptions {
	/**
	 * Which commit: its number, an ISO time (UTC unless it names a zone), or how long ago, such as
	 * `2h`. Default: the newest.
	 */
	readonly at?: number | string | undefined;
}

export interface LsOptions extends AtOptions {
	/** Only this file, or this directory and everything below it. Default: the whole tree. */
	readonly path?: string | undefined;
}

export interface Listing {
	/** The commit that was listed; 0 for an empty log. */
	readonly seq: number;
	/** Ordered by the bytes of the paths; without the workspace itself. */
	readonly entries: readonly (readonly [Path, Entry])[];
}

/**
 * Lists the tree of a commit. Includes what superseded writers quarantined, below `.recovered/`.
 * @throws SidecarError PATH_NOT_FOUND, COMMIT_NOT_FOUND, COMMIT_EXPIRED, STORE_*, OBJECT_*,
 * FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE, and for a wrong option
 */
export async function ls(options: LsOptions = {}): Promise<Listing> {
	return await withLog(options, async ({ store }) => {
		return await readAt(store, options, async ({ head }) => ({
			seq: head.seq,
			entries:
				options.path === undefined
					? listTree(head.tree, "")
					: listTree(head.tree, requirePath(head, options.path)),
		}));
	});
}

export interface CatOptions extends AtOptions {
	/** A file's path in the workspace. */
	readonly path: string;
	/** Receives the bytes; it is not ended. */
	readonly to: Writable;
}

/**
 * Writes a file's bytes as of a commit to a stream, each MiB checked before it is written.
 * @returns bytes written
 * @throws SidecarError PATH_NOT_FOUND (also for a directory or a link), and as `ls`; the stream's
 * own errors, unchanged
 */
export async function cat(options: CatOptions): Promise<number> {
	return await withLog(options, async ({ store }) => {
		return await readAt(store, options, async (read) =>
			catFile(store, read, requirePath(read.head, options.path), options.to, options.signal),
		);
	});
}

/** Reads a commit and what `use` needs of it. */
export async function readAt<T>(
	store: ObjectStore,
	{ at, signal }: AtOptions,
	use: (read: LogRead) => Promise<T>,
): Promise<T> {
	const seq = at === undefined ? undefined : await resolveAt(store, String(at), signal);
	const read = async () => use(await readLog(store, { at: seq, signal }));
	return await readEarlier(store, seq, read, signal);
}

function requirePath({ tree, seq }: LogRead["head"], typed: string): Path {
	const path = findPath(tree, typed);
	if (path !== undefined) return path;
	throw new SidecarError("PATH_NOT_FOUND", {
		value: typed,
		reason: seq === 0 ? "the log is empty" : `not in commit ${seq}`,
	});
}
