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
 * What the process that looks after the workspace says of itself; a command that restores or
 * flushes says its phase only.
 */
export type DaemonReport = Pick<DaemonStatus, "pid"> & {
	readonly phase: DaemonStatus["phase"] | "flushing" | "recovering";
} & Partial<Omit<DaemonStatus, "pid" | "phase">>;

export interface WorkspaceStatus extends Status, Durability {
	/** Where the log lies: the store's URL and the namespace below it. */
	readonly logUrl: string;
	/** Absolute. */
	readonly workspace: string;
	/** Deletions that are held, by the daemon or by the next start. */
	readonly deferredDeletions: number;
	/** Why a flush refuses this directory; undefined if it does not. */
	readonly notRestored: string | undefined;
	/**
	 * What settings and links name and nothing keeps, and what is left out: `isDurable` says nothing
	 * of it. Undefined: there is no workspace.
	 */
	readonly coverage: Coverage | undefined;
	/** Undefined: nobody looks after the workspace on this machine. */
	readonly daemon: DaemonReport | undefined;
}

/**
 * What the log holds, and whether it holds everything on this disk. Reads the workspace; commits
 * and restores nothing.
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY where there is no workspace, as a flush says it;
 * STORE_*, OBJECT_*, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE, WORKSPACE_*, STATE_DIR_UNUSABLE,
 * and for a wrong option
 */
export async function status(options: WorkspaceOptions = {}): Promise<WorkspaceStatus> {
	return await withWorkspace(options, async (opened) => {
		const { settings, store, root, profile } = opened;
		const { stateDir, workspace } = settings;
		requireDirectory(workspace);
		const daemon = await ask<DaemonReport>(stateDir, workspace, "status");
		const found = await readStatus(opened);
		// The daemon's choice may be another than this call's.
		const byDaemon = new Map(daemon?.excluded?.map((file) => [file.path, file]));
		const notDurable = found.notDurable.filter(({ path }) => !byDaemon.has(path));
		const excluded = [
			...new Map([
				...found.excluded.map((file) => [file.path, file] as const),
				...byDaemon,
			]).values(),
		];
		const coverage = statOf(workspace) === undefined ? undefined : coverageOf(root, profile);
		const deferredDeletions = Math.max(found.unbelieved, daemon?.deferredDeletions ?? 0);
		const notRestored = whyNotRestored(found.log?.seq ?? 0, found);
		const standing = {
			notDurable: notDurable.length,
			deferredDeletions,
			notRestored,
			superseded: daemon?.superseded,
		};
		return {
			logUrl: store.url,
			workspace,
			deferredDeletions,
			notRestored,
			...durability(standing),
			daemon,
			coverage,
			...found,
			notDurable,
			excluded,
		};
	});
}
