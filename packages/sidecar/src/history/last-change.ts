import { SidecarError } from "../errors.ts";
import { isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import { quarantineWriter, RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { Path } from "../log/types.ts";
import { parentOf } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import { type CommitChanges, commitChanges } from "./commit-changes.ts";

/** The last commit that changed something, and what. */
export interface LastChange {
	readonly seq: number;
	/** The commit with the state before it. */
	readonly before: number;
	/** Never empty. With the directories whose time alone changed. */
	readonly differences: readonly PathDifference[];
}

/**
 * Finds the last commit that changed the workspace, or one of the paths that `concerns` selects.
 * Commits that open or close a log, that only move content to other packs, or that only touch the
 * times of directories change nothing. Quarantined paths do not count.
 * @returns undefined if no commit did
 * @throws SidecarError COMMIT_NOT_FOUND if it is the log's first content, COMMIT_EXPIRED if
 * retention deleted the state before it, STORE_*
 */
export async function lastChange(
	store: ObjectStore,
	concerns: (path: Path) => boolean,
	signal?: AbortSignal,
	/** Looks only at commits after this one. */
	after?: number,
): Promise<LastChange | undefined> {
	for await (const item of commitChanges(store, { after, signal })) {
		if (item.type === "missing") continue;
		const differences = item.differences.filter(({ path }) => !isRecovered(path) && concerns(path));
		if (differences.every(isTouchedDirectory)) continue;
		const { seq } = item.info;
		if (item.previousSeq === 0 || isFirstContent(item)) throw nothingBefore(seq);
		if (item.previousSeq === undefined)
			throw new SidecarError("COMMIT_EXPIRED", {
				value: String(seq),
				reason: "it is the oldest state that is left",
			});
		return { seq, before: item.previousSeq, differences };
	}
	return undefined;
}

/** Nothing but the workspace itself was there before. */
function isFirstContent({ differences, entries }: CommitChanges): boolean {
	const added = differences.filter(({ kind, path }) => kind === "added" || path === "");
	return added.length === differences.length && added.length >= entries;
}

function isBelowAny(path: Path, paths: ReadonlySet<Path>): boolean {
	for (let at = path; at !== ""; at = parentOf(at)) if (paths.has(at)) return true;
	return paths.has("");
}

function isRecovered(path: Path): boolean {
	return path === RECOVERED_DIRECTORY || quarantineWriter(path) !== undefined;
}

/** To undo the first content would empty the workspace, which nobody means. */
function nothingBefore(seq: number): SidecarError {
	return new SidecarError("COMMIT_NOT_FOUND", {
		value: String(seq),
		reason: "it is the first content of the log, so there is no earlier state",
		remedy: "delete what you do not want yourself; the history keeps it",
	});
}

/** What is missing on the disk, but in no commit yet. */
export interface Waiting {
	/** Paths whose deletion the deletion brake defers; the newest commit has them. */
	readonly missing: Iterable<Path>;
	/** The newest commit before the other changes of this disk were committed. */
	readonly after: number;
	/** The newest commit. */
	readonly head: number;
}

/** What is brought back, and the change that it undoes. */
export interface Undo {
	/**
	 * The commit of the change; 0 if no commit has it, undefined for a restore that undoes none.
	 */
	readonly undone: number | undefined;
	/** The commit before the change. */
	readonly at: number;
	/** For an undo, exactly the paths that the change touched. */
	readonly only: { readonly paths: ReadonlySet<Path>; readonly isRecursive: boolean };
}

/**
 * Deletions that wait for the deletion brake belong to what is in no commit yet, together with
 * commits after `waiting.after`. If there are any, nothing older is undone.
 * @param paths these and everything below them; none: the whole workspace
 * @throws SidecarError COMMIT_NOT_FOUND if nothing ever changed them, or nothing was before;
 * COMMIT_EXPIRED if the state just before the change is gone: an older one would undo more; as
 * `lastChange`
 */
export async function undoOf(
	store: ObjectStore,
	paths: readonly Path[],
	signal?: AbortSignal,
	waiting?: Waiting,
): Promise<Undo & { readonly undone: number }> {
	const wanted = new Set(paths);
	const concerns = (path: Path) => wanted.size === 0 || isBelowAny(path, wanted);
	const missing = [...(waiting?.missing ?? [])].filter(concerns);
	if (waiting !== undefined && missing.length > 0) {
		const saved = await lastChange(store, concerns, signal, waiting.after);
		const touched = saved?.differences.map(({ path }) => path) ?? [];
		return {
			undone: saved?.seq ?? 0,
			at: saved?.before ?? waiting.head,
			only: { paths: new Set([...touched, ...missing]), isRecursive: false },
		};
	}
	const change = await lastChange(store, concerns, signal);
	if (change === undefined)
		throw new SidecarError(paths.length === 0 ? "COMMIT_NOT_FOUND" : "PATH_NOT_FOUND", {
			value: paths.length === 0 ? store.url : paths.join(", "),
			reason: "no commit changed it",
			remedy: "`openclaw-sidecar history` lists the commits that are left",
		});
	if (change.before !== change.seq - 1)
		throw new SidecarError("COMMIT_EXPIRED", {
			value: String(change.seq),
			reason: `the state just before it is gone; the next older one that is left is commit ${change.before}`,
			remedy:
				paths.length === 0
					? `\`openclaw-sidecar rollback --to ${change.before}\` goes back to that commit`
					: `\`openclaw-sidecar restore PATH --at ${change.before}\` brings back that version`,
		});
	return {
		undone: change.seq,
		at: change.before,
		only: { paths: new Set(change.differences.map(({ path }) => path)), isRecursive: false },
	};
}
