/** The verbs that read a log and touch no disk. */
import type { Writable } from "node:stream";
import { type LogRead, readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { type HistoryEntry, history as readHistory } from "../history/history.ts";
import { cat as catFile, findPath, listTree } from "../history/inspect.ts";
import { resolveAt } from "../history/resolve-at.ts";
import { isGlob, matchGlobs, matchPaths } from "../history/select-paths.ts";
import { resolveSince } from "../history/since.ts";
import type { Entry, Path } from "../log/types.ts";
import { compareBytes, parentOf } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import { nearestPath } from "./nearest-path.ts";
import { type LogOptions, openLog, withLog } from "./options.ts";
import { pathInLog } from "./typed-path.ts";

export interface HistoryOptions extends LogOptions {
	/** Maximum number of commits; default: all. */
	readonly limit?: number | undefined;
	/** Only commits after this one, or since this time, as in `changes`. Default: all. */
	readonly since?: number | string | undefined;
}

/**
 * The log's commits, newest first. An unreadable commit carries its error, and does not hide the
 * earlier ones.
 * @throws SidecarError STORE_*, and for a wrong option
 */
export async function* history(options: HistoryOptions = {}): AsyncGenerator<HistoryEntry> {
	const { store, close } = await openLog(options);
	try {
		const { since, signal } = options;
		const { after = 0, sinceMs = Number.NEGATIVE_INFINITY } =
			since === undefined ? {} : await resolveSince(store, String(since), signal);
		for await (const entry of readHistory(store, { ...options, withTurns: true })) {
			if (entry.seq <= after || entry.timeMs < sinceMs) return;
			yield entry;
		}
	} finally {
		await close();
	}
}

export interface AtOptions extends LogOptions {
	/**
	 * Which commit: its number, at least 4 digits of its ID, a tag, `latest`, `latest~3`, an age such
	 * as `1h30m` or `2 hours ago`, an RFC 3339 time, or a local time such as `2026-11-23 17:04`,
	 * `yesterday 18:00` or `monday`. A day means its last commit. Default: the newest.
	 */
	readonly at?: number | string | undefined;
}

export interface LsOptions extends AtOptions {
	/**
	 * Files, directories and globs, as in `pathHistory`: files, what is in a directory, and what a glob
	 * matches. Default: the workspace.
	 */
	readonly path?: string | readonly string[] | undefined;
	/** Everything below a directory, and the directory itself; or only what is in it. Default: true. */
	readonly recursive?: boolean | undefined;
	/** Whether a glob matches upper and lower case alike. Default: false. */
	readonly ignoreCase?: boolean | undefined;
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
	return await withLog(options, async ({ store, settings }) => {
		const { path = ".", recursive = true, ignoreCase } = options;
		return await readAt(store, options, async ({ head }) => {
			const found = new Map<Path, Entry>();
			for (const typed of typeof path === "string" ? [path] : path)
				for (const [at, entry] of entriesAt(
					head,
					pathInLog(settings, typed),
					recursive,
					ignoreCase,
				))
					found.set(at, entry);
			return { seq: head.seq, entries: [...found].sort(([a], [b]) => compareBytes(a, b)) };
		});
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
	return await withLog(options, async ({ store, settings }) => {
		const path = pathInLog(settings, options.path);
		return await readAt(store, options, async (read) =>
			catFile(store, read, requirePath(read.head, path), options.to, options.signal),
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

function entriesAt(
	head: LogRead["head"],
	typed: string,
	recursive: boolean,
	ignoreCase: boolean | undefined,
): readonly (readonly [Path, Entry])[] {
	const { tree } = head;
	const exact = findPath(tree, typed);
	if (exact === undefined && isGlob(typed)) {
		const matches = (recursive ? matchPaths : matchGlobs)([typed], { ignoreCase });
		const found = [...tree].filter(([path]) => path !== "" && matches(path));
		if (found.length > 0) return found;
	}
	// An empty log has no entry for the workspace.
	const path = exact ?? (typed === "." ? "" : requirePath(head, typed));
	const below = listTree(tree, path);
	if (recursive || (path !== "" && tree.get(path)?.type !== "dir")) return below;
	return below.filter(([at]) => at !== path && parentOf(at) === path);
}

function requirePath({ tree, seq }: LogRead["head"], typed: string): Path {
	const path = findPath(tree, typed);
	if (path !== undefined) return path;
	throw new SidecarError("PATH_NOT_FOUND", {
		value: typed,
		reason:
			seq === 0 ? "the log is empty" : `not in commit ${seq}${nearestPath(tree.keys(), typed)}`,
	});
}
