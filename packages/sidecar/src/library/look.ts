/** The verbs that look for a path in the log. They read, and touch no disk. */
import { readLog } from "../commit/read-log.ts";
import { printable, SidecarError } from "../errors.ts";
import {
	type CommitChanges,
	type CommitChangesOptions,
	commitChanges,
	type MissingCommits,
} from "../history/commit-changes.ts";
import { type ContentDifference, compareContent } from "../history/compare-content.ts";
import { readEarlier } from "../history/expired.ts";
import {
	type FoundPath,
	findDeleted,
	type PathChange,
	pathHistory as readPathHistory,
} from "../history/path-history.ts";
import { namesCommit as namesCommitIn, resolveAt } from "../history/resolve-at.ts";
import { isGlob, matchGlobs, matchPaths } from "../history/select-paths.ts";
import { resolveSince } from "../history/since.ts";
import { parseWhen, WHEN_FORMS } from "../history/when.ts";
import { diffTrees, isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import type { Path } from "../log/types.ts";
import { baseOf, compareBytes } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import { countRows } from "./count-rows.ts";
import { type LogOptions, openLog } from "./options.ts";
import { pathInLog } from "./typed-path.ts";

export interface ChangesOptions extends LogOptions {
	/**
	 * Only what changed after this moment, or after this commit, in the notation of `at`; a day means
	 * from its beginning. Default: everything.
	 */
	readonly since?: number | string | undefined;
}

/**
 * What each commit changed, newest first, with every path before and after. Reports commits that
 * change nothing, such as a fence, with no differences.
 *
 * Costs one GET of 16 KiB for each commit, 32 at once, and a second one for larger manifests: about
 * 20 s for 10,000 commits in S3, and memory for two trees. Stops when the caller does.
 * @throws SidecarError STORE_*, and for a wrong option
 */
export async function* changes(
	options: ChangesOptions = {},
): AsyncGenerator<CommitChanges | MissingCommits> {
	yield* withOpenLog(options, async function* (store) {
		yield* commitChanges(store, await sinceOf(store, options));
	});
}

export interface PathHistoryOptions extends ChangesOptions {
	/**
	 * Files, directories with everything below them, or globs (`*.md` at any depth, `notes/**`),
	 * relative to the workspace, or absolute in the workspace or in an additional root.
	 */
	readonly paths: readonly string[];
	/** Default: false. */
	readonly ignoreCase?: boolean | undefined;
}

/**
 * When paths changed, newest first: created, changed, only mode or time, deleted, renamed. Follows
 * a renamed file to its former name. Commits that retention deleted are reported as `missing`; the
 * change before such a gap is compared with the state after it.
 *
 * Costs as much as `changes`.
 * @throws SidecarError STORE_*, and for a wrong option
 */
export async function* pathHistory(
	options: PathHistoryOptions,
): AsyncGenerator<PathChange | MissingCommits> {
	const { paths, ignoreCase } = options;
	yield* withOpenLog(options, async function* (store, inLog) {
		const selects = matchPaths(inLog(paths), { ignoreCase });
		yield* readPathHistory(store, selects, await sinceOf(store, options));
	});
}

export interface FindOptions extends ChangesOptions {
	/** As in `pathHistory`, but only what matches itself, not what is below it. */
	readonly globs: readonly string[];
	/** Default: false. */
	readonly ignoreCase?: boolean | undefined;
	/** Find paths that the newest commit does not have. Default: those that it has. */
	readonly deleted?: boolean | undefined;
}

/**
 * Finds paths: those of the newest commit, ordered by their bytes, or those that are gone, the last
 * deleted first. With `since`: those that were added or changed, or deleted, after that.
 *
 * The newest commit costs as much as `ls`; with `since` or `deleted`, as much as `changes` and
 * `ls`.
 * @throws SidecarError STORE_*, OBJECT_*, and for a wrong option
 */
export async function* find(options: FindOptions): AsyncGenerator<FoundPath | MissingCommits> {
	const { globs, ignoreCase, deleted = false, since, signal } = options;
	yield* withOpenLog(options, async function* (store, inLog) {
		const selects = matchGlobs(inLog(globs), { ignoreCase });
		const { head } = await readLog(store, { signal });
		const until = { ...(await sinceOf(store, options)), from: head.seq };
		if (deleted) {
			yield* findDeleted(store, selects, (path) => head.tree.has(path), until);
			return;
		}
		const changed = since === undefined ? undefined : await changedPaths(store, until);
		const paths = [...(changed ?? head.tree.keys())].filter((path) => path !== "" && selects(path));
		for (const path of paths.sort(compareBytes)) {
			const entry = head.tree.get(path);
			if (entry === undefined) continue;
			yield { path, entry, seq: head.seq, deletedIn: undefined, renamedTo: undefined };
		}
	});
}

async function changedPaths(
	store: ObjectStore,
	options: CommitChangesOptions,
): Promise<ReadonlySet<Path>> {
	const paths = new Set<Path>();
	for await (const item of commitChanges(store, options)) {
		if (item.type === "missing" || item.previousSeq === undefined) continue;
		for (const each of item.differences) if (!isTouchedDirectory(each)) paths.add(each.path);
	}
	return paths;
}

export interface DiffContentsOptions extends LogOptions {
	/** As in `diff`. */
	readonly from: number | string;
	readonly to?: number | string | undefined;
	/** As in `pathHistory`. Default: all. */
	readonly paths?: readonly string[] | undefined;
	/** Default: false. */
	readonly ignoreCase?: boolean | undefined;
}

export interface PathContentDifference {
	/** The commits that are compared. */
	readonly from: number;
	readonly to: number;
	readonly difference: PathDifference;
	/** Undefined if no file's bytes differ: a directory, a link, or only a mode or a time. */
	readonly content: ContentDifference | undefined;
}

/**
 * Compares the content of paths in two commits: text as a unified diff, SQLite databases by the
 * number of rows of each table, anything else only by its size. Ordered by the bytes of the paths.
 *
 * Text of up to 4 MiB and databases of up to 64 MiB are compared, one path at a time in memory. A
 * database is opened read-only by a process of its own, from a private temporary copy. One that cannot
 * be counted within 5 seconds is `binary`.
 * @throws SidecarError PATH_NOT_FOUND if neither commit has any of the paths, COMMIT_NOT_FOUND,
 * COMMIT_EXPIRED, STORE_*, OBJECT_*, and for a wrong option
 */
export async function* diffContents(
	options: DiffContentsOptions,
): AsyncGenerator<PathContentDifference> {
	const { from, to, paths, ignoreCase, signal } = options;
	yield* withOpenLog(options, async function* (store, inLog) {
		const at = async (when: number | string | undefined) => {
			const seq = when === undefined ? undefined : await resolveAt(store, String(when), signal);
			return await readEarlier(store, seq, () => readLog(store, { at: seq, signal }), signal);
		};
		const [before, after] = [await at(from), await at(to)];
		const selects = paths === undefined ? () => true : matchPaths(inLog(paths), { ignoreCase });
		const isAny = [before, after].some(({ head }) => [...head.tree.keys()].some(selects));
		if (!isAny && paths !== undefined)
			throw new SidecarError("PATH_NOT_FOUND", {
				value: paths.join(" "),
				reason: `neither in commit ${before.head.seq} nor in commit ${after.head.seq}`,
				remedy: `\`openclaw-sidecar ls\` and \`find --deleted\` list paths; to name a commit, ${WHEN_FORMS}`,
			});
		const reader = {
			...{ store, countRows, signal },
			startsBefore: before.starts,
			startsAfter: after.starts,
		};
		for (const difference of diffTrees(before.head.tree, after.head.tree)) {
			if (!selects(difference.path)) continue;
			const older = Math.min(before.head.seq, after.head.seq);
			const compare = async () => await compareContent(reader, difference);
			const content = await readEarlier(store, older, compare, signal);
			yield { from: before.head.seq, to: after.head.seq, difference, content };
		}
	});
}

/** As `namesCommit` of `history/`; opens the store only if the text alone does not tell. @internal */
export async function namesCommit({
	at,
	...options
}: LogOptions & { readonly at: string }): Promise<boolean> {
	const when = parseWhen(at);
	if (when?.kind !== "words") return when !== undefined;
	const { store, close } = await openLog(options);
	try {
		return await namesCommitIn(store, at, options.signal);
	} finally {
		await close();
	}
}

/** Paths that a message suggests. */
const SUGGESTIONS = 3;

/**
 * `did you mean notes/MEMORY.md?`: paths of the newest commit with the same name, otherwise those
 * whose name contains it, whatever their case. Empty if there are none, or for globs.
 * @internal
 */
export async function similarPaths(options: LogOptions, typed: readonly string[]): Promise<string> {
	const names = typed
		.filter((each) => !isGlob(each))
		.map((each) => baseOf(each.replace(/\/+$/, "")))
		.filter((name) => name !== "" && name !== ".");
	const globs = names.map((name) => `**/*${name.replace(/[\\\]}]/g, "\\$&")}*`);
	const same: Path[] = [];
	const containing: Path[] = [];
	const folded = new Set(names.map((name) => name.toLowerCase()));
	if (globs.length > 0)
		for await (const each of find({ ...options, globs, ignoreCase: true })) {
			if ("type" in each) continue;
			(folded.has(baseOf(each.path).toLowerCase()) ? same : containing).push(each.path);
			if (same.length >= SUGGESTIONS) break;
		}
	const found = (same.length > 0 ? same : containing).slice(0, SUGGESTIONS);
	return found.length === 0
		? ""
		: `did you mean ${found.map((path) => printable(path)).join(" or ")}?`;
}

/**
 * The error for paths that no commit has.
 * @internal
 */
export async function unknownPath(
	options: LogOptions,
	paths: readonly string[],
): Promise<SidecarError> {
	const suggestion =
		(await similarPaths(options, paths)) ||
		"`openclaw-sidecar find` looks for names, with --deleted for those that are gone";
	return new SidecarError("PATH_NOT_FOUND", {
		value: paths.join(" "),
		reason: "no commit has it",
		remedy: `${suggestion}; paths are relative to the workspace`,
	});
}

async function* withOpenLog<T>(
	options: LogOptions,
	use: (store: ObjectStore, inLog: (typed: readonly string[]) => string[]) => AsyncGenerator<T>,
): AsyncGenerator<T> {
	const { store, settings, close } = await openLog(options);
	try {
		yield* use(store, (typed) => typed.map((each) => pathInLog(settings, each)));
	} finally {
		await close();
	}
}

/** Where the changes that count end. */
async function sinceOf(
	store: ObjectStore,
	{ since, signal }: ChangesOptions,
): Promise<CommitChangesOptions> {
	return since === undefined
		? { signal }
		: { ...(await resolveSince(store, String(since), signal)), signal };
}
