import type { DaemonStatus } from "../daemon/daemon.ts";
import { type Durability, durability } from "../session/durability.ts";
import { status as readStatus, type Status } from "../session/status.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { statOf } from "../workspace/stat.ts";
import { ask } from "./control.ts";
import { type Coverage, coverageOf } from "./coverage.ts";
import { whyNotRestored } from "./flush.ts";
import { type WorkspaceOptions, withWorkspace } from "./options.ts";

/**
 * What the process that owns the workspace reports about itself; a command that restores or flushes
 * reports its phase only.
 */
export type DaemonReport = Pick<DaemonStatus, "pid"> & {
	readonly phase: DaemonStatus["phase"] | "flushing" | "recovering";
} & Partial<Omit<DaemonStatus, "pid" | "phase">>;

export interface WorkspaceStatus extends Status, Durability {
	/** The log's location: the store's URL and the namespace below it. */
	readonly logUrl: string;
	/** Absolute. */
	readonly workspace: string;
	/** Deletions that are deferred, by the daemon or by the next start. */
	readonly deferredDeletions: number;
	/** Why a flush refuses this directory; undefined if it does not. */
	readonly notRestored: string | undefined;
	/**
	 * Places that settings and links name but are not stored, and excluded paths: `isDurable` does
	 * not cover them. Undefined: there is no workspace.
	 */
	readonly coverage: Coverage | undefined;
	/** Undefined: no process on this machine owns the workspace. */
	readonly daemon: DaemonReport | undefined;
}

/**
 * Reports the content of the log, and whether it has everything on this disk. Reads the workspace;
 * commits and restores nothing.
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY if there is no workspace, like a flush; STORE_*,
 * OBJECT_*, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE, WORKSPACE_*, STATE_DIR_UNUSABLE, and for a
 * wrong option
 */
export async function status(options: WorkspaceOptions = {}): Promise<WorkspaceStatus> {
	return await withWorkspace(options, async (opened) => {
		const { settings, store, root, profile } = opened;
		const { stateDir, workspace } = settings;
		requireDirectory(workspace);
		const daemon = await ask<DaemonReport>(stateDir, workspace, "status");
		const found = await readStatus(opened);
		// The daemon's policy may differ from this call's.
		const byDaemon = new Map(daemon?.excluded?.map((file) => [file.path, file]));
		const notDurable = found.notDurable.filter(({ path }) => !byDaemon.has(path));
		const excluded = [
			...new Map([
				...found.excluded.map((file) => [file.path, file] as const),
				...byDaemon,
			]).values(),
		];
		const coverage = statOf(workspace) === undefined ? undefined : coverageOf(root, profile);
		const deferredDeletions = Math.max(found.deferredDeletions, daemon?.deferredDeletions ?? 0);
		const notRestored = whyNotRestored(found.log?.seq ?? 0, found);
		const standing = {
			notDurable: notDurable.length,
			deferredDeletions,
			notRestored,
			superseded: daemon?.superseded,
		};
		return {
			...found,
			logUrl: store.url,
			workspace,
			deferredDeletions,
			notRestored,
			...durability(standing),
			daemon,
			coverage,
			notDurable,
			excluded,
		};
	});
}
