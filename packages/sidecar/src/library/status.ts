import type { DaemonStatus } from "../daemon/daemon.ts";
import { status as readStatus, type Status } from "../sync/status.ts";
import { statOf } from "../workspace/stat.ts";
import { ask } from "./control.ts";
import { type Coverage, coverageOf } from "./coverage.ts";
import { type WorkspaceOptions, withWorkspace } from "./options.ts";

/** What the process that looks after the workspace says of itself; a command that restores or flushes says its phase only. */
export type DaemonReport = Pick<DaemonStatus, "pid"> & { readonly phase: DaemonStatus["phase"] | "flushing" | "recovering" } & Partial<
		Omit<DaemonStatus, "pid" | "phase">
	>;

export interface WorkspaceStatus extends Status {
	/** Where the log lies: the store's URL and the namespace below it. */
	readonly logUrl: string;
	/** Absolute. */
	readonly workspace: string;
	/** Everything on this disk is in the log, but for what is left out by choice. */
	readonly isDurable: boolean;
	/** What settings and links name and nothing keeps, and what is left out: `isDurable` says nothing of it. Undefined: there is no workspace. */
	readonly coverage: Coverage | undefined;
	/** Undefined: nobody looks after the workspace on this machine. */
	readonly daemon: DaemonReport | undefined;
}

/**
 * What the log holds, and whether it holds everything on this disk. Reads the workspace; commits and restores nothing.
 * @throws SidecarError STORE_*, OBJECT_*, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE, WORKSPACE_*, STATE_DIR_UNUSABLE, and for a wrong option
 */
export async function status(options: WorkspaceOptions = {}): Promise<WorkspaceStatus> {
	return await withWorkspace(options, async ({ settings, store, roots, profile, privateDir }) => {
		const { stateDir, workspace, onSecret } = settings;
		const daemon = await ask<DaemonReport>(stateDir, workspace, "status");
		const found = await readStatus({
			store,
			root: roots,
			profile,
			privateDir,
			onSecret,
			...(options.signal && { signal: options.signal }),
		});
		// The daemon's choice may be another than this call's.
		const byDaemon = new Map(daemon?.excluded?.map((file) => [file.path, file]));
		const notDurable = found.notDurable.filter(({ path }) => !byDaemon.has(path));
		const excluded = [...new Map([...found.excluded.map((file) => [file.path, file] as const), ...byDaemon]).values()];
		const coverage = statOf(workspace) === undefined ? undefined : coverageOf(roots, profile);
		return { logUrl: store.url, workspace, isDurable: notDurable.length === 0, daemon, coverage, ...found, notDurable, excluded };
	});
}
