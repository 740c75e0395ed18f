import type { FlushResult } from "../capture/flush-result.ts";
import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { endSurvivors } from "../daemon/survivors.ts";
import { SidecarError } from "../errors.ts";
import { undoOf } from "../history/last-change.ts";
import type { Path, Tree } from "../log/types.ts";
import { loadTools } from "../restore/load-tools.ts";
import type { RestoreChange } from "../restore/planned-changes.ts";
import { type PathsRestored, restorePaths } from "../restore/restore-paths.ts";
import type { Moved } from "../restore/restore-work.ts";
import { durability } from "../session/durability.ts";
import { ask, withControl } from "./control.ts";
import { flushOnce } from "./flush.ts";
import { type OpenWorkspace, type WorkspaceOptions, withWorkspace } from "./options.ts";
import { takeOver } from "./take-over.ts";
import { typedPath } from "./typed-path.ts";

export interface UndoOptions extends WorkspaceOptions {
	/**
	 * Only the last change of these files, links or directories: as `ls` lists them, or absolute in
	 * the workspace. Default: the last change of the whole workspace.
	 */
	readonly paths?: readonly string[];
	/** Only tells what would be done. Default false. */
	readonly dryRun?: boolean;
	/** How long to wait for a writer that still seems to be running, ms. Default 5,000. */
	readonly handoverWaitMs?: number;
}

export interface UndoResult {
	/**
	 * The commit whose change was undone. 0 if that is a change of this disk that no commit has: with
	 * `dryRun`, and for missing files whose deletion was deferred.
	 */
	readonly undone: number;
	/** The paths are again as in this commit. */
	readonly at: number;
	readonly changes: readonly RestoreChange[];
	readonly moved: readonly Moved[];
	readonly dryRun: boolean;
	/** Which process did it: the daemon that owns the workspace, or this process in one shot. */
	readonly by: "daemon" | "this process";
	/** The undo's own commit; missing with `dryRun`, and if nothing was left to change. */
	readonly seq?: number;
	/** Paths that could not be committed, and why. */
	readonly notTaken: readonly { readonly path: string; readonly reason: string }[];
	/** Deletions of the undo that wait for a later sweep of the daemon. */
	readonly deferredDeletions: number;
	/** 0, 3 if something could not be committed, 4 if another writer took the workspace over. */
	readonly exitStatus: 0 | 3 | 4;
}

/**
 * Brings the workspace, or some of its paths, back to before their last change, as a new commit. A
 * second undo takes the first one back, because it is the last change then.
 *
 * Changes that are not in the log yet are committed first. So they are what is undone, and history
 * keeps them. Deletions that the deletion brake defers are not committed: the files come back. Only
 * the paths of the change are touched.
 * @throws SidecarError COMMIT_NOT_FOUND (no earlier state), PATH_NOT_FOUND, COMMIT_EXPIRED,
 * WORKSPACE_BUSY (an open file, a database beside an agent), WORKSPACE_NOT_RESTORED, NOT_DURABLE,
 * SUPERSEDED, WORKSPACE_*, STATE_DIR_UNUSABLE, STORE_*, OBJECT_*, FORMAT_UNKNOWN, TREE_UNSAFE
 */
export async function undo(options: UndoOptions = {}): Promise<UndoResult> {
	return await withWorkspace(options, async (opened) => {
		const { stateDir, workspace } = opened.settings;
		const { head } = await readLog(opened.store, { signal: opened.signal });
		const paths = (options.paths ?? []).map(
			(typed) => typedPath(opened.root, head.tree, typed).path,
		);
		if (options.dryRun === true) return await tryUndo(opened, paths);
		const log = { store: opened.store.url, commit: { seq: head.seq, id: head.id } };
		const answer = await ask<DaemonAnswer>(stateDir, workspace, "restore", { ...log, paths });
		if (answer !== undefined) {
			const { at, undone, changes, moved, flushed } = answer;
			return {
				...{ undone, at, changes, moved, dryRun: false, by: "daemon" as const },
				...ending(flushed, flushed.superseded),
			};
		}
		return await withControl(stateDir, workspace, "restoring", async () => {
			await endSurvivors({ ...opened, stateDir, workspace });
			return await undoInOneShot(opened, paths);
		});
	});
}

interface DaemonAnswer extends PathsRestored {
	readonly at: number;
	readonly undone: number;
	readonly flushed: FlushResult & { readonly superseded: boolean };
}

async function undoInOneShot(opened: OpenWorkspace, paths: readonly Path[]): Promise<UndoResult> {
	const { signal, logger } = opened;
	const session = await takeOver(opened);
	const after = session.head.seq;
	const { broughtBack } = session.restored;
	const saved = await flushOnce(session, signal);
	const by = "this process" as const;
	if (session.isSuperseded)
		return {
			...{ undone: 0, at: session.head.seq, changes: [], moved: session.restored.moved },
			...{ dryRun: false, by, notTaken: [], deferredDeletions: 0, exitStatus: 4 },
		};
	if (saved.deferred.length > 0) logger.warn("undo.not-saved", { paths: saved.deferred });
	const done = await session.putBack({ at: undefined, paths, after, broughtBack }, { signal });
	const { at, only, undone = 0, changes: changed, moved } = done;
	const flushed = await flushOnce(session, signal).catch(async (error: unknown) => {
		if (!(error instanceof SidecarError) || error.code !== "SECRET_FOUND") throw error;
		throw await session.takeBack(done, error, { signal });
	});
	const back = [...broughtBack].filter((path) => only.paths.has(path));
	const changes = [...back.flatMap((path) => added(session.head.tree, path)), ...changed];
	logger.info("undo.finished", { undone, at, changes: changes.length });
	return {
		...{ undone, at, changes, dryRun: false, by },
		moved: [...session.restored.moved, ...moved],
		...ending(flushed, session.isSuperseded),
	};
}

/** A path that the start of the session brought back. */
function added(tree: Tree, path: Path): RestoreChange[] {
	const entry = tree.get(path);
	if (entry === undefined) return [];
	const bytes = entry.type === "file" ? entry.size : 0;
	return [{ path, kind: "added", type: entry.type, bytes }];
}

function ending(
	flushed: FlushResult,
	superseded: boolean,
): Pick<UndoResult, "seq" | "notTaken" | "deferredDeletions" | "exitStatus"> {
	if (flushed.kind === "unknown") return { notTaken: [], deferredDeletions: 0, exitStatus: 3 };
	const { deferred, deferredDeletions } = flushed;
	return {
		...(flushed.kind === "committed" && { seq: flushed.seq }),
		notTaken: deferred,
		deferredDeletions,
		exitStatus: durability({ notDurable: deferred.length, deferredDeletions, superseded })
			.exitStatus,
	};
}

/** Changes of this disk that are in no commit would be committed first, and then undone. */
async function tryUndo(opened: OpenWorkspace, paths: readonly Path[]): Promise<UndoResult> {
	const { store, settings, signal } = opened;
	const { stateDir, workspace } = settings;
	const isBesideAgent = (await ask(stateDir, workspace, "status")) !== undefined;
	const by = isBesideAgent ? ("daemon" as const) : ("this process" as const);
	const { head } = await readLog(store, { signal });
	const how = { ...opened, ...(await loadTools()), label: newRestoreId(thisEnvironment) };
	const plan = async (at: number, only: { paths: ReadonlySet<Path>; isRecursive: boolean }) =>
		(await restorePaths({ ...how, at, only, isBesideAgent, dryRun: true })).changes;
	const everything = new Set(paths.length === 0 ? [""] : paths);
	const waiting = await plan(head.seq, { paths: everything, isRecursive: true });
	const result = {
		...{ moved: [], dryRun: true, by, notTaken: [], deferredDeletions: 0 },
		exitStatus: 0 as const,
	};
	if (waiting.length > 0) return { ...result, undone: 0, at: head.seq, changes: waiting };
	const { undone, at, only } = await undoOf(store, paths, signal);
	return { ...result, undone, at, changes: await plan(at, only) };
}
