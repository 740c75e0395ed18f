import { type DaemonEnd, runDaemon } from "../daemon/daemon.ts";
import { type Expectation, type WorkspaceOptions, withWorkspace } from "./options.ts";

export interface RunOptions extends WorkspaceOptions {
	/** Aborting it drains and ends the run; before the gate has opened it ends at once. */
	readonly signal?: AbortSignal;
	/** The agent: a program and its arguments. Default: none, and the run goes on until `signal`. */
	readonly command?: readonly string[];
	/** The agent's environment; the sidecar's own settings and AWS credentials are taken out of it. Default `process.env`. */
	readonly env?: NodeJS.ProcessEnv;
	/** The agent's stdout goes to our stderr, because stdout is for something else. Default false. */
	readonly agentToStderr?: boolean;
	readonly expect?: Expectation;
	/** How long the last flushes together may take, ms. Default 8,000. */
	readonly drainTimeoutMs?: number;
	/** A change is committed once nothing has changed for this long, ms. Default 1,000. */
	readonly quietMs?: number;
	/** A change is committed this long after the first one even if changes do not stop, ms. Default 5,000. */
	readonly maxDelayMs?: number;
	/** How long to wait for a writer that seems to be at work still, ms. Default 5,000. */
	readonly handoverWaitMs?: number;
	/** How often the whole workspace is compared with what is committed, ms. Default 60,000. */
	readonly sweepIntervalMs?: number;
}

/** `not-started`: the signal came before the gate opened; no agent was started, and nothing but perhaps an empty commit was written. */
export type RunResult = ({ readonly kind: "ended" } & DaemonEnd) | { readonly kind: "not-started"; readonly exitStatus: 0 };

/**
 * Restores the workspace, starts the agent, commits what changes, and at the end drains.
 *
 * @throws SidecarError when the gate could not be opened or the agent not started: WORKSPACE_BUSY, AGENT_NOT_STARTED, and as `restore`
 */
export async function run(options: RunOptions = {}): Promise<RunResult> {
	const stop = options.signal ?? new AbortController().signal;
	return await withWorkspace(options, async ({ settings, store, profile, privateDir, log, progress }) => {
		const { workspace, stateDir, expect, drainTimeoutMs, quietMs, maxDelayMs, handoverWaitMs, sweepIntervalMs, onSecret } = settings;
		try {
			const end = await runDaemon(
				{
					store,
					workspace,
					profile,
					privateDir,
					log,
					progress,
					expect,
					onSecret,
					handoverWaitMs,
					stateDir,
					sweepIntervalMs,
					drainTimeoutMs,
					quietMs,
					maxDelayMs,
					command: options.command ?? [],
					env: options.env ?? process.env,
					agentToStderr: options.agentToStderr ?? false,
				},
				stop,
			);
			return { kind: "ended", ...end };
		} catch (error) {
			if (!stop.aborted || !isAbort(error, stop.reason)) throw error;
			log.info("run.stopped-before-start", { workspace });
			return { kind: "not-started", exitStatus: 0 };
		}
	});
}

/** Is the error what became of the signal? Rooms hand it on as it is, as an AbortError of Node's, or as the cause of their own. */
function isAbort(error: unknown, reason: unknown): boolean {
	for (let at = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
		if (at === reason || (at instanceof Error && at.name === "AbortError")) return true;
	}
	return false;
}
