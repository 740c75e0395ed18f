/**
 * Returns to an earlier commit by making a new one: nothing is rewritten, and the rollback can
 * itself be rolled back.
 *
 * Order: take the tree over (restore and fence, as every start does), commit what is not durable on
 * this disk, make the disk exactly the earlier commit, commit that. The last commit is the
 * rollback. If it is interrupted before, the next restore brings back the newest commit. The
 * rollback is an ordinary capture, so it refers only to content of the newest commit. Everything
 * else is stored again, even if an older commit still has it: retention may be about to delete that
 * content.
 */
import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { ownTree, withRoots } from "../commit/roots-in-tree.ts";
import { endSurvivors } from "../daemon/survivors.ts";
import { SidecarError } from "../errors.ts";
import { aboutTurn, resolveBetweenTurns } from "../history/between-turns.ts";
import { readEarlier } from "../history/expired.ts";
import { diffTrees, isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import { rootPath } from "../path.ts";
import { loadTools } from "../restore/load-tools.ts";
import { restore as restoreTree } from "../restore/restore.ts";
import type { Moved } from "../restore/restore-work.ts";
import { durability } from "../session/durability.ts";
import { withControl } from "./control.ts";
import { flushOnce } from "./flush.ts";
import { type OpenWorkspace, type WorkspaceOptions, withWorkspace } from "./options.ts";
import { takeOver } from "./take-over.ts";

export interface RollbackOptions extends WorkspaceOptions {
	/**
	 * The commit whose tree becomes the newest: its number, or another form of `AtOptions.at`.
	 */
	readonly to: number | string;
	/** How long to wait for a writer that still seems to be running, ms. Default 5,000. */
	readonly handoverWaitMs?: number;
}

export interface RollbackResult {
	/** The commit whose tree is the newest again. */
	readonly to: number;
	/**
	 * The newest before the rollback; it holds the changes on this disk that were not durable before.
	 */
	readonly from: number;
	/** The rollback's own commit. */
	readonly seq: number;
	/** Paths that the rollback added or changed, and removed. */
	readonly changed: number;
	readonly removed: number;
	/** What the rollback changed, ordered by the bytes of the paths. */
	readonly changes: readonly PathDifference[];
	/** Bytes sent. */
	readonly bytes: number;
	/**
	 * Where bytes of this disk were moved to make room. They are in commit `from` too, unless they
	 * could not be read.
	 */
	readonly moved: readonly Moved[];
	/**
	 * Where the new tree differs from that of `to`: excluded paths, paths that could not be captured,
	 * and modes and times that cannot be set here or for which the profile is stricter.
	 */
	readonly differences: readonly PathDifference[];
	/** A turn of the agent was running at the commit that was asked for. */
	readonly note?: string;
	/** Another writer took the tree over meanwhile: nothing was rolled back for it. */
	readonly superseded: boolean;
	/**
	 * 0, 3 if names, types or content differ from those of `to`, 4 superseded. Differences only in
	 * modes and times are just listed.
	 */
	readonly exitStatus: 0 | 3 | 4;
}

/**
 * Makes the tree of an earlier commit the newest, on this disk and in the log. Quarantined data of
 * superseded writers stays.
 *
 * @throws SidecarError WORKSPACE_BUSY if a daemon owns the directory: stop it first;
 * WORKSPACE_NOT_RESTORED, COMMIT_NOT_FOUND, COMMIT_EXPIRED, WORKSPACE_*, STATE_DIR_UNUSABLE,
 * STORE_*, OBJECT_*, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE, and for a wrong option
 */
export async function rollback(options: RollbackOptions): Promise<RollbackResult> {
	return await withWorkspace(options, async (opened) => {
		const { stateDir, workspace } = opened.settings;
		return await withControl(stateDir, workspace, "restoring", async () => {
			await endSurvivors({ ...opened, stateDir, workspace });
			return await rollBackTo(opened, options.to);
		});
	});
}

async function rollBackTo(opened: OpenWorkspace, at: number | string): Promise<RollbackResult> {
	const { store, root, logger, signal } = opened;
	const resolved = await resolveBetweenTurns(store, String(at), signal);
	const to = resolved.seq;
	const note = aboutTurn(resolved);
	if (note !== undefined) logger.warn("rollback.turn", { ...resolved });
	const target = (await readEarlier(store, to, () => readLog(store, { at: to, signal }), signal))
		.head.tree;
	const session = await takeOver(opened);
	const saved = await flushOnce(session, signal);
	const from = session.head.seq;
	if (session.isSuperseded)
		return {
			...NOTHING,
			to,
			from,
			seq: from,
			moved: session.restored.moved,
			superseded: true,
			exitStatus: 4,
		};
	if (saved.deferred.length > 0) logger.warn("rollback.not-saved", { paths: saved.deferred });

	const before = ownTree(session.head.tree, root);
	const tools = await loadTools();
	const bringTo = async (at?: number) => {
		const label = newRestoreId(thisEnvironment);
		const restored = await restoreTree({
			...opened,
			...tools,
			label,
			...(at !== undefined && { at }),
		});
		await restored.finish(true);
		return restored;
	};
	const restored = await bringTo(to);
	const result = await flushOnce(session, signal, { deletionsAreMeant: true }).catch(
		async (error: unknown) => {
			if (!(error instanceof SidecarError) || error.code !== "SECRET_FOUND") throw error;
			// The newest commit has all that this disk had, so the disk can go back to it.
			await bringTo();
			throw new SidecarError("SECRET_FOUND", {
				...(error.value !== undefined && { value: error.value }),
				reason: `commit ${to} contains it; the disk is unchanged, and nothing was rolled back`,
				remedy: "roll back with --on-secret warn or exclude, or choose another commit",
				cause: error,
			});
		},
	);
	const superseded = session.isSuperseded;
	// A root that this disk does not have, or that did not exist then, is unchanged.
	const knownThen = ownTree(target, root);
	const now = withRoots(ownTree(session.head.tree, root), (name) => knownThen.has(rootPath(name)));
	// A commit without a tree, such as a log's first, says nothing about the workspace's own
	// directory, which stays.
	const differences = diffTrees(knownThen, now).filter(
		({ kind, path }) => kind !== "added" || path !== "",
	);
	const changes = diffTrees(before, ownTree(session.head.tree, root)).filter(
		(each) => !isTouchedDirectory(each),
	);
	const notDurable = differences.filter(isOfSubstance).length;
	const { changed, removed, bytes } = result.kind === "committed" ? result : NOTHING;
	logger.info("rollback.finished", {
		to,
		from,
		seq: session.head.seq,
		changed,
		removed,
		differences: differences.length,
		kind: "security",
	});
	return {
		...{ to, from, seq: session.head.seq, changed, removed, changes, bytes, differences },
		superseded,
		moved: [...session.restored.moved, ...restored.moved],
		...(note !== undefined && { note }),
		exitStatus: durability({ notDurable, deferredDeletions: result.deferredDeletions, superseded })
			.exitStatus,
	};
}

/**
 * Only a directory's owner can set its mode or time, and a profile may restrict the mode of a
 * secret. Neither is a failure.
 */
function isOfSubstance(difference: PathDifference): boolean {
	return (
		difference.kind !== "changed" ||
		difference.aspects.some((aspect) => aspect === "type" || aspect === "content")
	);
}

const NOTHING = { changed: 0, removed: 0, bytes: 0, changes: [], differences: [] } as const;
