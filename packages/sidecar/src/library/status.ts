import type { DaemonStatus } from "../daemon/daemon.ts";
import { type Durability, durability } from "../session/durability.ts";
import { status as readStatus, type Status } from "../session/status.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { statOf } from "../workspace/stat.ts";
import { ask } from "./control.ts";
import { type Coverage, coverageOf } from "./coverage.ts";
import { whyNotRestored } from "./flush.ts";
import { settingsOf, type WorkspaceOptions, withWorkspace } from "./options.ts";
import { withRealWorkspace } from "./workspace-place.ts";

/**
 * What the process that owns the workspace reports about itself; a command that restores or flushes
 * reports its phase only.
 */
export type DaemonReport = Pick<DaemonStatus, "pid"> & {
	readonly phase: DaemonStatus["phase"] | "flushing" | "recovering";
} & Partial<Omit<DaemonStatus, "pid" | "phase">>;

/**
 * `ok`: nothing to do. `attention`: all is durable or will be soon, but there is something to know.
 * `not-safe`: something is on this disk only, and will stay so until somebody acts.
 */
export type Verdict = "ok" | "attention" | "not-safe";

export interface WorkspaceStatus extends Status, Durability {
	readonly verdict: Verdict;
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
		// In this order: the log that is read then has the daemon's fence.
		const answer = await ask<DaemonReport>(stateDir, workspace, "status");
		const found = await readStatus(opened);
		const daemon = answer && withFence(answer, found.log?.owner);
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
		const standingNow = {
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
		return { ...standingNow, verdict: verdictOf(standingNow) };
	});
}

/**
 * A daemon learns from its next commit that another writer owns the tree. The log tells it now.
 * @param owner of a log that was read after the daemon answered
 */
export function withFence(daemon: DaemonReport, owner: string | undefined): DaemonReport {
	// A daemon that restores has no fence yet.
	const isFenced = daemon.writer !== undefined && daemon.writer !== "" && owner !== undefined;
	return isFenced && owner !== daemon.writer ? { ...daemon, superseded: true } : daemon;
}

/** A daemon that commits what changed, without being asked. */
export function isCommitting({ daemon }: Pick<WorkspaceStatus, "daemon">): boolean {
	return (
		daemon?.phase === "serving" &&
		daemon.superseded !== true &&
		!daemon.lastFlushError &&
		!daemon.notTaken?.length
	);
}

function verdictOf(found: Omit<WorkspaceStatus, "verdict">): Verdict {
	const { reasons, quarantined, coverage, daemon } = found;
	const waits = reasons.every((reason) => reason === "deferred" || reason === "not-durable");
	if (!waits || daemon?.lastFlushError) return "not-safe";
	if (reasons.includes("not-durable") && !isCommitting(found)) return "not-safe";
	const hasNews = reasons.length > 0 || quarantined.length > 0 || (coverage?.gaps.length ?? 0) > 0;
	return hasNews ? "attention" : "ok";
}

export interface WatchOptions extends WorkspaceOptions {
	/** Ends the watch: the last status is then read once more. */
	readonly signal: AbortSignal;
	/** @internal Resolves after that time, or when `signal` aborts. */
	readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A daemon answers from memory, so it is asked often. */
const ASK_MS = 1_000;
/** Reading the log costs a LIST, and comparing the disk a scan. */
const READ_MS = 15_000;

/**
 * Statuses, one whenever it may have changed: when the daemon of the workspace reports something
 * else, and every 15 s. The last one is read when `signal` aborts. Reads only.
 * @throws SidecarError as `status`
 */
export async function* watchStatus(options: WatchOptions): AsyncGenerator<WorkspaceStatus> {
	const { signal, sleep = sleepUntilAborted, ...rest } = options;
	const { stateDir, workspace } = withRealWorkspace(settingsOf(options));
	const report = async () => JSON.stringify(await ask(stateDir, workspace, "status"));
	while (!signal.aborted) {
		const before = await report();
		yield await status(rest);
		for (let waitedMs = 0; waitedMs < READ_MS && !signal.aborted; waitedMs += ASK_MS) {
			await sleep(ASK_MS, signal);
			if ((await report()) !== before) break;
		}
	}
	yield await status(rest);
}

async function sleepUntilAborted(ms: number, signal: AbortSignal): Promise<void> {
	const { setTimeout } = await import("node:timers/promises");
	await setTimeout(ms, undefined, { signal }).catch(() => {});
}
