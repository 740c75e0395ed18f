import { resolve } from "node:path";
import type { FlushResult } from "../capture/flush-result.ts";
import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { commitInSlot, readLog } from "../commit/read-log.ts";
import { onThisDisk, ownTree } from "../commit/roots-in-tree.ts";
import { endSurvivors } from "../daemon/survivors.ts";
import { isBelowAny } from "../disk/check-mounts.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { listTree } from "../history/inspect.ts";
import { lastChange } from "../history/last-change.ts";
import { namesCommit, resolveAt } from "../history/resolve-at.ts";
import { isGlob } from "../history/select-paths.ts";
import { diffTrees, isTouchedDirectory } from "../log/diff-trees.ts";
import type { Head } from "../log/fold.ts";
import { logKey } from "../log/keys.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { parentOf } from "../path.ts";
import { loadTools } from "../restore/load-tools.ts";
import { readBase } from "../restore/plan-disk.ts";
import type { RestoreChange } from "../restore/planned-changes.ts";
import { restorePaths as restoreInPlace } from "../restore/restore-paths.ts";
import type { Moved } from "../restore/restore-work.ts";
import { writePaths } from "../restore/write-paths.ts";
import { durability } from "../session/durability.ts";
import { makeDirectories } from "../workspace/make-directories.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { lstatPath } from "../workspace/stat.ts";
import { ask, withControl } from "./control.ts";
import { whyNotRestored } from "./flush.ts";
import { nearestPath } from "./nearest-path.ts";
import { type OpenWorkspace, type WorkspaceOptions, withWorkspace } from "./options.ts";
import { outsideDirectory } from "./outside-directory.ts";
import { allAdded } from "./plan-restore.ts";
import { typedPath } from "./typed-path.ts";

export interface RestorePathsOptions extends WorkspaceOptions {
	/**
	 * Files, links, or directories with everything below them: as `ls` lists them, or absolute in the
	 * workspace. At least one.
	 */
	readonly paths: readonly string[];
	/**
	 * From which commit: its number, or another form of `AtOptions.at`. Default: the newest; for a
	 * path that is not in it, the last commit that had the path.
	 */
	readonly at?: number | string | undefined;
	/**
	 * Writes to `{to}/{path}` instead, and changes nothing else. A relative path starts at the working
	 * directory. Refused if it is, contains or is in the workspace, an additional root, the store or
	 * the state directory.
	 */
	readonly to?: string | undefined;
	/** With `to`: replaces files with other content, which move to the trash. Default false. */
	readonly force?: boolean;
	/** Only tells what would be done. Default false. */
	readonly dryRun?: boolean;
}

export interface PathsResult {
	/** The commits that the paths come from, by path. */
	readonly from: readonly { readonly path: Path; readonly seq: number }[];
	/** What was done to each path; with `dryRun`, what would be. */
	readonly changes: readonly RestoreChange[];
	/** Where replaced bytes are now. */
	readonly moved: readonly Moved[];
	readonly dryRun: boolean;
	/** The directory that was written to, absolute; missing for the workspace. */
	readonly to?: string;
	/** The commit that holds the change, if a running daemon made it. */
	readonly committed?: number;
	/** Paths that the daemon could not commit, and why. */
	readonly notTaken: readonly { readonly path: string; readonly reason: string }[];
	/** Deletions that wait for a later sweep of the daemon. */
	readonly deferredDeletions: number;
	/** 3 if the daemon could not commit all of it, 4 if another writer owns the workspace; else 0. */
	readonly exitStatus: 0 | 3 | 4;
}

/**
 * Brings single paths back, in place or to another directory, with modes, times and links. A
 * directory becomes what it was: what was added since moves to the trash. Excluded paths stay.
 *
 * In place, a running daemon does it and commits it. Without a daemon nothing is committed: the next
 * flush takes it. Files that a process has open for writing, and databases that are open or beside
 * an agent, are refused.
 * @throws SidecarError PATH_NOT_FOUND, COMMIT_NOT_FOUND, COMMIT_EXPIRED, WORKSPACE_BUSY,
 * WORKSPACE_NOT_RESTORED, TARGET_NOT_EMPTY (a file at `to` with other content), SUPERSEDED, USAGE,
 * WORKSPACE_*, STATE_DIR_UNUSABLE, STORE_*, OBJECT_*, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE
 */
export async function restorePaths(options: RestorePathsOptions): Promise<PathsResult> {
	if (options.paths.length === 0) throw new SidecarError("USAGE", { reason: "no path is named" });
	const { to, force = false, dryRun = false } = options;
	if (force && to === undefined)
		throw new SidecarError("USAGE", {
			value: "--force",
			reason: "it is for --to: in place, replaced files are always kept in the trash",
		});
	return await withWorkspace(options, async (opened) => {
		const newest = (await readLog(opened.store, { signal: opened.signal })).head;
		const from = await findPaths(opened, options, newest);
		const groups = new Map<number, Path[]>();
		for (const { path, seq } of from) groups.set(seq, [...(groups.get(seq) ?? []), path]);
		const result = { from, dryRun, notTaken: [], deferredDeletions: 0 };
		if (to !== undefined) {
			const directory = resolve(to);
			const written = await toDirectory(opened, groups, { directory, force, dryRun });
			return { ...result, ...written, to: directory, exitStatus: 0 };
		}
		return { ...result, ...(await inPlace(opened, groups, newest, dryRun)) };
	});
}

/** Which commit each path comes from. @throws SidecarError PATH_NOT_FOUND */
async function findPaths(
	{ store, root, signal }: OpenWorkspace,
	{ paths, at, to }: RestorePathsOptions,
	newest: Head,
): Promise<PathsResult["from"]> {
	const seq = at === undefined ? newest.seq : await resolveAt(store, String(at), signal);
	const { tree } =
		seq === newest.seq
			? newest
			: await readEarlier(
					store,
					seq,
					async () => (await readLog(store, { at: seq, signal })).head,
					signal,
				);
	// In place, what is quarantined has no place.
	const here = to === undefined ? ownTree(tree, root) : onThisDisk(tree, root);
	const found: { path: Path; seq: number }[] = [];
	for (const typed of paths) {
		const { path, isThere } = typedPath(root, here, typed);
		if (isThere) {
			found.push({ path, seq });
			continue;
		}
		const removal =
			at === undefined
				? await lastChange(store, (each) => each === path || each.startsWith(`${path}/`), signal)
				: undefined;
		if (removal === undefined || removal.differences.every(({ kind }) => kind !== "removed"))
			throw new SidecarError("PATH_NOT_FOUND", {
				value: typed,
				...(isGlob(typed)
					? {
							reason: "restore takes paths, not patterns",
							remedy: `name the paths that \`openclaw-sidecar find ${JSON.stringify(typed)}\` lists`,
						}
					: at === undefined
						? {
								reason: `no commit that is left has it${nearestPath(here.keys(), typed)}`,
								remedy: (await namesCommit(store, typed, signal))
									? `it names a commit or a time: write --at ${JSON.stringify(typed)}`
									: "`openclaw-sidecar ls` lists the paths",
							}
						: {
								reason: `not in commit ${seq}${nearestPath(here.keys(), typed)}`,
								remedy:
									"name an earlier or later time with --at; without --at, the last version is restored",
							}),
			});
		found.push({ path, seq: removal.before });
	}
	return found;
}

type Done = Pick<PathsResult, "changes" | "moved" | "committed" | "exitStatus"> &
	Partial<Pick<PathsResult, "notTaken" | "deferredDeletions">>;

interface DaemonAnswer {
	readonly changes: readonly RestoreChange[];
	readonly moved: readonly Moved[];
	readonly flushed: FlushResult & { readonly superseded: boolean };
}

async function inPlace(
	opened: OpenWorkspace,
	groups: ReadonlyMap<number, readonly Path[]>,
	newest: Head,
	dryRun: boolean,
): Promise<Done> {
	const { settings, root } = opened;
	const { stateDir, workspace } = settings;
	const isBesideAgent = (await ask(stateDir, workspace, "status")) !== undefined;
	const answers: DaemonAnswer[] = [];
	if (isBesideAgent && !dryRun) {
		for (const [at, paths] of groups) {
			const { store, signal } = opened;
			const id = (await commitInSlot(store, logKey(at), signal))?.id;
			const log = { store: store.url, commit: { seq: at, id } };
			const answer = await ask<DaemonAnswer>(stateDir, workspace, "restore", { ...log, at, paths });
			if (answer === undefined)
				throw new SidecarError("WORKSPACE_BUSY", {
					value: workspace,
					reason: "its daemon has just ended",
					remedy: "run this again",
				});
			answers.push(answer);
		}
		return togetherByDaemon(answers);
	}
	requireDirectory(root);
	const { marker, tree } = await readBase(opened, newest, requireDirectory(root));
	const reason = whyNotRestored(newest.seq, { marker, hasBase: tree !== undefined });
	if (reason !== undefined)
		throw new SidecarError("WORKSPACE_NOT_RESTORED", {
			value: workspace,
			reason,
			remedy: "write the paths elsewhere with --to DIR, or run `openclaw-sidecar restore` first",
		});
	requireNewest(newest, tree, groups);
	const tools = await loadTools();
	const restoreAll = async () => {
		const done: { changes: RestoreChange[]; moved: Moved[] } = { changes: [], moved: [] };
		for (const [at, paths] of groups) {
			const label = newRestoreId(thisEnvironment);
			const only = { paths: new Set(paths), isRecursive: true };
			const how = { ...opened, ...tools, label, at, only, isBesideAgent, dryRun };
			const { changes, moved } = await restoreInPlace(how);
			done.changes.push(...changes);
			done.moved.push(...moved);
		}
		return { ...done, exitStatus: 0 as const };
	};
	if (dryRun) return await restoreAll();
	return await withControl(stateDir, workspace, "restoring", async () => {
		await endSurvivors({ ...opened, stateDir, workspace });
		return await restoreAll();
	});
}

/**
 * A path that changed elsewhere since this disk's commit would be a conflict at the next flush, in
 * which the log wins. @throws SidecarError WORKSPACE_NOT_RESTORED
 */
function requireNewest(
	newest: Head,
	base: Tree | undefined,
	groups: ReadonlyMap<number, readonly Path[]>,
): void {
	if (base === undefined || base === newest.tree) return;
	const wanted = new Set([...groups.values()].flat());
	const other = diffTrees(base, newest.tree).find(
		(each) => !isTouchedDirectory(each) && isBelowAny(each.path, wanted),
	);
	if (other === undefined) return;
	throw new SidecarError("WORKSPACE_NOT_RESTORED", {
		value: other.path,
		reason: `the newest commit, ${newest.seq}, changed it, and this disk has an older state`,
		remedy:
			"run `openclaw-sidecar restore` first, then this again; or write it elsewhere with --to DIR",
	});
}

function togetherByDaemon(answers: readonly DaemonAnswer[]): Done {
	const seqs = answers.flatMap(({ flushed }) =>
		flushed.kind === "committed" ? [flushed.seq] : [],
	);
	const last = answers.at(-1)?.flushed;
	const { deferred, deferredDeletions } =
		last === undefined || last.kind === "unknown" ? { deferred: [], deferredDeletions: 0 } : last;
	const committed = seqs.at(-1);
	return {
		changes: answers.flatMap(({ changes }) => changes),
		moved: answers.flatMap(({ moved }) => moved),
		...(committed !== undefined && { committed }),
		notTaken: deferred,
		deferredDeletions,
		exitStatus: durability({
			notDurable: deferred.length,
			deferredDeletions,
			superseded: last?.superseded,
		}).exitStatus,
	};
}

async function toDirectory(
	opened: OpenWorkspace,
	groups: ReadonlyMap<number, readonly Path[]>,
	how: { readonly directory: string; readonly force: boolean; readonly dryRun: boolean },
): Promise<Pick<PathsResult, "changes" | "moved">> {
	const { store, signal } = opened;
	const { force, dryRun } = how;
	const directory = outsideDirectory(opened, how.directory);
	const tools = await loadTools();
	const done: { changes: RestoreChange[]; moved: Moved[] } = { changes: [], moved: [] };
	for (const [at, paths] of groups) {
		const write = async () => {
			const read = await readLog(store, { at, signal });
			const entries = withParents(read.head.tree, paths);
			if (dryRun && lstatPath(directory, "") === undefined)
				return { changes: allAdded(entries), moved: [] };
			if (!dryRun) makeTarget(directory);
			const label = newRestoreId(thisEnvironment);
			const options = { ...opened, ...tools, label, root: directory, force, dryRun };
			return await writePaths(options, entries, read);
		};
		const { changes, moved } = await readEarlier(store, at, write, signal);
		done.changes.push(...changes);
		done.moved.push(...moved);
	}
	return done;
}

function makeTarget(directory: string): void {
	try {
		makeDirectories(directory);
	} catch (cause) {
		throw new SidecarError("USAGE", {
			value: directory,
			reason: `it cannot be made: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`,
			remedy: "name another directory with --to",
			cause,
		});
	}
}

/** The paths with everything below them, and the directories above them. */
function withParents(tree: Tree, paths: readonly Path[]): Tree {
	const entries = new Map<Path, Entry>();
	for (const path of paths) {
		for (let at = path; at !== ""; at = parentOf(at)) entries.set(at, tree.get(at) as Entry);
		for (const [at, entry] of listTree(tree, path)) entries.set(at, entry);
	}
	return entries;
}
