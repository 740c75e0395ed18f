import { type DaemonEnd, type DaemonOptions, runDaemon } from "../daemon/daemon.ts";
import { ONE_PROCESS } from "../openclaw/config.ts";
import { type Coverage, coverageOf } from "./coverage.ts";
import { coverageTeller } from "./coverage-teller.ts";
import { startModel, withoutModelKey } from "./model.ts";
import {
	type Expectation,
	type OpenWorkspace,
	type WorkspaceOptions,
	withWorkspace,
} from "./options.ts";
import type { StartReceipt } from "./start-receipt.ts";

export interface RunOptions extends WorkspaceOptions {
	/** Aborting it drains and ends the run; before the gate has opened it ends at once. */
	readonly signal?: AbortSignal | undefined;
	/**
	 * The agent: a program and its arguments. Default: none, and the run continues until `signal`.
	 */
	readonly command?: readonly string[];
	/**
	 * The variables the agent may get; never the sidecar's settings and AWS credentials. Default
	 * `process.env`.
	 */
	readonly env?: NodeJS.ProcessEnv;
	/**
	 * Names of `env` that the agent gets in addition to what any program needs, or prefixes followed
	 * by `*`, joined by commas. Default `*`: all.
	 */
	readonly agentEnv?: string;
	/**
	 * `UID:GID`: runs the agent as another user, who becomes the owner of the workspace. Needs root.
	 * Default: the sidecar's own user.
	 */
	readonly agentUser?: string;
	/**
	 * Where what the agent prints goes: `log`, as `agent.output` events, or `inherit`, to our stdout
	 * and stderr. Default `inherit`.
	 */
	readonly agentOutput?: "log" | "inherit";
	/** The agent's stdout goes to our stderr, because stdout has another use. Default false. */
	readonly agentToStderr?: boolean;
	/**
	 * This process belongs to the sidecar alone, as the command's does: orphans of the agent become
	 * its children, SIGUSR1 and SIGUSR2 are passed on. Default false.
	 */
	readonly ownsProcess?: boolean;
	readonly expect?: Expectation;
	/** Time limit of the last flushes together, ms. Default 8,000. */
	readonly drainTimeoutMs?: number;
	/** A change is committed once nothing has changed for this long, ms. Default 1,000. */
	readonly quietMs?: number;
	/**
	 * A change is committed this long after the first one even if changes do not stop, ms. Default
	 * 5,000.
	 */
	readonly maxDelayMs?: number;
	/** How long to wait for a writer that still seems to be running, ms. Default 5,000. */
	readonly handoverWaitMs?: number;
	/** How often the whole workspace is compared with the last commit, ms. Default 60,000. */
	readonly sweepIntervalMs?: number;
	/**
	 * Where the agent's model requests go: `off`, `bedrock-runtime`, `bedrock-mantle`, or a provider's
	 * URL. Default: docs/model.md.
	 */
	readonly modelUpstream?: string;
	/** Of the model endpoint on the loopback interface. Default `18787`. */
	readonly modelPort?: string;
	/** `env:NAME` or `file:/path`, where the key of a provider's URL is. */
	readonly modelKey?: string;
	/** Ids, or beginnings followed by `*`, joined by commas. Default: every model. */
	readonly modelIds?: string;
	/** E.g. `5M`. Default: no limit. */
	readonly modelDailyTokens?: string;
	/** Called once the workspace is restored, before the agent starts. */
	readonly onReceipt?: (receipt: StartReceipt) => void;
}

/**
 * How a run ended. `isDurable` covers the workspace and its roots; `coverage` lists what is outside
 * them and what is excluded.
 */
export type RunEnd = {
	readonly kind: "ended";
	readonly coverage: Coverage | undefined;
} & DaemonEnd;

/**
 * `not-started`: the signal came before the gate opened. No agent was started, and at most an empty
 * commit was written.
 */
export type RunResult = RunEnd | { readonly kind: "not-started"; readonly exitStatus: 0 };

/**
 * Restores the workspace, starts the agent, commits changes, and drains at the end.
 *
 * @throws SidecarError if the gate could not be opened or the agent not started: WORKSPACE_BUSY,
 * AGENT_NOT_STARTED, and as `restore`
 */
export async function run(options: RunOptions = {}): Promise<RunResult> {
	const stop = options.signal ?? new AbortController().signal;
	return await withWorkspace(options, async (opened) => {
		try {
			await using model = await startModel(opened, options.env ?? process.env, undefined);
			const given = daemonOptions(options, opened);
			const agentVariables = { ...given.agentVariables, ...model?.variables };
			const daemon = { ...given, agentVariables };
			return runEnd(options, opened, await runDaemon(daemon, stop));
		} catch (error) {
			if (!stop.aborted || !isAbort(error, stop.reason)) throw error;
			opened.logger.info("run.stopped-before-start", { workspace: opened.settings.workspace });
			return { kind: "not-started", exitStatus: 0 };
		}
	});
}

/** Short, because a drain leaves little time to count. */
const COUNTING_MS = 500;

export function runEnd(
	{ env }: RunOptions,
	{ root, profile }: OpenWorkspace,
	end: DaemonEnd,
): RunEnd {
	let coverage: Coverage | undefined;
	try {
		coverage = coverageOf(root, profile, env, COUNTING_MS);
	} catch {
		// The ignore file cannot be read, which was reported, or the workspace is gone.
	}
	return { kind: "ended", ...end, coverage };
}

export function daemonOptions(options: RunOptions, opened: OpenWorkspace): DaemonOptions {
	const { settings, root, profile, logger } = opened;
	const [uid, gid] = settings.agentUser?.split(":").map(Number) ?? [];
	const env = withoutModelKey(options.env ?? process.env, settings);
	return {
		...settings,
		...opened,
		onDurable: coverageTeller({ roots: root, profile, env, logger, onReceipt: options.onReceipt }),
		command: options.command ?? [],
		env,
		agentEnv: settings.agentEnv?.split(",") ?? ["*"],
		agentVariables: profile.name === "openclaw" ? ONE_PROCESS : {},
		logAgentOutput: settings.agentOutput === "log",
		agentToStderr: options.agentToStderr ?? false,
		ownsProcess: options.ownsProcess ?? false,
		agentUser: uid === undefined || gid === undefined ? undefined : { uid, gid },
	};
}

/**
 * Is the error a result of the signal? It may be the signal's reason itself, an AbortError of
 * Node's, or the cause of another error.
 */
function isAbort(error: unknown, reason: unknown): boolean {
	for (let at = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
		if (at === reason || (at instanceof Error && at.name === "AbortError")) return true;
	}
	return false;
}
