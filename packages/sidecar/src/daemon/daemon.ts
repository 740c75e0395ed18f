/**
 * The daemon: restores, serves and drains one workspace.
 *
 * Guarantees: no agent starts before the gate opens (a verified restore and a won fence). The exit
 * status tells whether everything is durable. Nothing depends on the drain: kill -9 loses at most
 * one cadence.
 */
import { SidecarError } from "../errors.ts";
import type { Moved } from "../restore/restore-work.ts";
import { type PutBack, Session, type SessionOptions } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Agent, AgentUser } from "./agent.ts";
import { agentEnvironment } from "./agent-environment.ts";
import { chownWorkspace } from "./chown-workspace.ts";
import { takeControl } from "./control.ts";
import { drain } from "./drain.ts";
import { FlushLoop, type FlushLoopOptions } from "./flush-loop.ts";
import { Lifecycle, type LifeEvent, type Phase } from "./lifecycle.ts";
import {
	dropNow,
	flushNow,
	type PutBackDone,
	putBackNow,
	type UndoTurnDone,
	undoTurnNow,
} from "./requests.ts";
import { requireProgram } from "./require-program.ts";
import { type AgentOptions, startConfigured } from "./start-configured.ts";
import { endSurvivors } from "./survivors.ts";
import { Sweeps } from "./sweeps.ts";
import { ToldByTerminal } from "./terminal.ts";

export interface DaemonOptions extends SessionOptions, FlushLoopOptions, AgentOptions {
	readonly stateDir: string;
	readonly sweepIntervalMs: number;
	readonly drainTimeoutMs: number;
	/** The lifecycle of the machine that the daemon runs in, which moves it. Default: its own. */
	readonly lifecycle?: Lifecycle;
	/** Called after the restore and before the agent starts, after each commit, and at the end. */
	readonly onDurable?: (session: Session) => void;
	/** Called once the agent runs and all watches are in place. */
	readonly onServing?: (serving: Serving) => void;
	/** Called once, when another writer owns the workspace. */
	readonly onSuperseded?: () => void;
}

/** A running daemon, as seen by the platform adapter. */
export interface Serving {
	/** How long something has not been durable, ms; undefined if everything is. */
	notDurableForMs(): number | undefined;
	/** The machine was frozen: changes went unwatched, and timers are late. */
	wake(): void;
	status(): DaemonStatus;
	/** Commits what is known to have changed. A failure is logged, and retried later. */
	settle(): Promise<void>;
	/**
	 * Brings single paths to an earlier commit, as the request `restore` of other processes.
	 * @throws SidecarError WORKSPACE_BUSY from the drain on, and as `putBackNow`
	 */
	putBack(what: PutBack): Promise<PutBackDone>;
	/**
	 * Takes back the files of the last turn of a conversation.
	 * @returns undefined if no turn of it is found
	 * @throws SidecarError WORKSPACE_BUSY from the drain on, and as `Session.undoTurn`
	 */
	undoTurn(conversation: string): Promise<UndoTurnDone | undefined>;
}

export interface DaemonStatus {
	readonly phase: Phase;
	readonly pid: number;
	readonly headSeq: number;
	readonly writer: string;
	readonly superseded: boolean;
	/** Paths that changed and are not durable yet, and an undecided commit. */
	readonly waiting: number;
	readonly notTaken: readonly { readonly path: string; readonly reason: string }[];
	readonly deferredDeletions: number;
	/** Left out of the log by choice: they hold secrets. */
	readonly excluded: readonly { readonly path: string; readonly reason: string }[];
	readonly lastFlushError: {
		readonly code: string;
		readonly message: string;
		readonly remedy: string;
	} | null;
}

export interface DaemonEnd {
	readonly isDurable: boolean;
	readonly superseded: boolean;
	/** Paths of this disk that are not in the log. */
	readonly lost: readonly { readonly path: string; readonly reason: string }[];
	/**
	 * Deletions that were not committed: the log keeps the files, and the next start restores them.
	 */
	readonly deferredDeletions: number;
	/** Left out of the log by choice: they hold secrets. */
	readonly excluded: readonly { readonly path: string; readonly reason: string }[];
	/** Entries that the restore moved away to make room for newer bytes. */
	readonly moved: readonly Moved[];
	readonly headSeq: number;
	readonly writer: string;
	/** Undefined if there was no agent. */
	readonly agentStatus: number | undefined;
	/** 0, 3, 4, or the agent's own status if everything is durable. */
	readonly exitStatus: number;
}

/**
 * Runs until the agent ends or `stop` is aborted. @throws SidecarError if the gate could not be
 * opened
 */
export async function runDaemon(options: DaemonOptions, stop: AbortSignal): Promise<DaemonEnd> {
	const daemon = new Daemon(options);
	return await daemon.run(stop);
}

class Daemon {
	readonly #options: DaemonOptions;
	readonly #logger: Logger;
	readonly #lifecycle: Lifecycle;
	/** From the gate on. */
	#flushes: FlushLoop | undefined;
	#agent: Agent | undefined;
	#toldSuperseded = false;

	constructor(options: DaemonOptions) {
		this.#options = options;
		this.#logger = options.logger;
		this.#lifecycle = options.lifecycle ?? new Lifecycle();
	}

	async run(stop: AbortSignal): Promise<DaemonEnd> {
		this.#move("request");
		const { stateDir, root } = this.#options;
		const workspace = root.main;
		const control = await takeControl(stateDir, workspace, {
			status: async () => this.#status(),
			flush: async (what) => await flushNow(this.#openFlushes(), workspace, what),
			drop: async (what) => await dropNow(this.#openFlushes(), workspace, what),
			restore: async (what) => await putBackNow(this.#openFlushes(), workspace, what),
		});
		try {
			this.#requireProgram();
			return await this.#serve(stop);
		} finally {
			await control.close();
			this.#move("end");
		}
	}

	#requireProgram(): void {
		const { command, env, agentEnv, agentVariables, root } = this.#options;
		const { env: passed } = agentEnvironment(env, agentEnv);
		requireProgram(command, { ...passed, ...agentVariables }, root.directories);
	}

	async #serve(stop: AbortSignal): Promise<DaemonEnd> {
		const { command, stateDir, root } = this.#options;
		const survivors = { stateDir, workspace: root.main, logger: this.#logger, signal: stop };
		const session = await Session.open({
			...this.#options,
			signal: stop,
			beforeRestore: async () => await endSurvivors(survivors),
		});
		const flushes = new FlushLoop(session, this.#options, () => {
			sweeps.flushed();
			this.#reportSuperseded(session);
		});
		const sweeps = new Sweeps(flushes, this.#options);
		this.#flushes = flushes;
		let watcher: Awaited<ReturnType<Session["watch"]>> | undefined;
		try {
			this.#options.onDurable?.(session);
			// The gate is open. The rescan that follows finds what the agent writes before all watches
			// are set.
			if (command.length > 0 && !stop.aborted)
				this.#agent = await this.#startAgent(session, flushes);
			watcher = await session.watch(() => flushes.changed());
			this.#move("started");
			this.#logger.info("watch.started");
			this.#options.onServing?.({
				notDurableForMs: () => flushes.notDurableForMs(),
				wake: () => flushes.wake(),
				status: () => this.#status(),
				settle: async () => await flushes.settle(),
				putBack: async (what) => await putBackNow(this.#openFlushes(), root.main, what),
				undoTurn: async (conversation) =>
					await undoTurnNow(this.#openFlushes(), root.main, conversation),
			});
			sweeps.start();
			await Promise.race([
				aborted(stop),
				...(this.#agent === undefined ? [] : [this.#agent.exited]),
			]);
			const watching = watcher;
			return await this.#end(flushes, stop, () => watching.close());
		} finally {
			flushes.close();
			sweeps.stop();
			await watcher?.close();
			this.#agent?.kill("SIGKILL");
		}
	}

	async #startAgent(session: Session, flushes: FlushLoop): Promise<Agent> {
		const { command, agentUser, root, prepareWorkspace } = this.#options;
		try {
			prepareWorkspace?.(session.head.annotations);
			if (agentUser !== undefined) this.#chownWorkspace(root.directories, agentUser);
			const agent = await startConfigured({ ...this.#options, workspace: root.main }, this.#logger);
			this.#logger.info("agent.started", { pid: agent.pid, command: command[0] });
			return agent;
		} catch (error) {
			flushes.close();
			await flushes.idle;
			// Close the log, so that the next writer does not wait for one that never had an agent.
			await session
				.flush({ sweep: true, closed: true, inHurry: true })
				.catch((reason: unknown) => this.#logger.warn("drain.failed", { error: reason }));
			throw error;
		}
	}

	/** @throws SidecarError WORKSPACE_BUSY before the gate, and from the drain on */
	#openFlushes(): FlushLoop {
		if (this.#flushes?.isClosed === false) return this.#flushes;
		throw new SidecarError("WORKSPACE_BUSY", {
			value: this.#options.root.main,
			reason: `the daemon is ${this.#lifecycle.phase}`,
		});
	}

	#reportSuperseded({ isSuperseded }: Session): void {
		if (!isSuperseded || this.#toldSuperseded) return;
		this.#toldSuperseded = true;
		this.#options.onSuperseded?.();
	}

	#move(event: LifeEvent): void {
		if (this.#options.lifecycle === undefined) this.#lifecycle.move(event);
	}

	#chownWorkspace(directories: readonly string[], user: AgentUser): void {
		const handedOver = chownWorkspace(directories, user);
		this.#logger[handedOver.refused > 0 ? "warn" : "info"]("workspace.handed-over", {
			...user,
			...handedOver,
		});
	}

	async #end(
		flushes: FlushLoop,
		stop: AbortSignal,
		stopWatching: () => Promise<void>,
	): Promise<DaemonEnd> {
		const { session } = flushes;
		this.#move("stop");
		this.#logger.info("drain.started", {
			waiting: session.waiting,
			because: stop.aborted ? "signal" : "agent exited",
		});
		flushes.close();
		const drained = await drain({
			session,
			agent: this.#agent,
			isAgentTold: stop.reason instanceof ToldByTerminal,
			askToStop: this.#options.askToStop,
			timeoutMs: this.#options.drainTimeoutMs,
			logger: this.#logger,
			// The running flush is aborted, and has ended.
			idle: flushes.idle,
			stopWatching,
		});
		this.#options.onDurable?.(session);
		const agentStatus = this.#agent?.exit?.status;
		const exitStatus = drained.exitStatus || (stop.aborted ? 0 : (agentStatus ?? 0));
		const end: DaemonEnd = {
			isDurable: drained.isDurable,
			superseded: session.isSuperseded,
			lost: drained.lost,
			deferredDeletions: drained.deferredDeletions,
			excluded: session.excluded,
			moved: session.restored.moved,
			headSeq: session.head.seq,
			writer: session.writerId,
			agentStatus,
			exitStatus,
		};
		this.#logger[drained.exitStatus === 0 ? "info" : "error"]("drain.finished", {
			...end,
			ms: drained.ms,
		});
		return end;
	}

	#status(): DaemonStatus {
		const session = this.#flushes?.session;
		const error = this.#flushes?.lastError;
		return {
			phase: this.#lifecycle.phase,
			pid: process.pid,
			headSeq: session?.head.seq ?? 0,
			writer: session?.writerId ?? "",
			superseded: session?.isSuperseded ?? false,
			waiting: session?.waiting ?? 0,
			notTaken: session?.deferred ?? [],
			deferredDeletions: session?.deferredDeletions ?? 0,
			excluded: session?.excluded ?? [],
			lastFlushError:
				error === undefined
					? null
					: { code: error.code, message: error.message, remedy: error.remedy },
		};
	}
}

function aborted(signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		if (signal.aborted) resolve();
		else signal.addEventListener("abort", () => resolve(), { once: true });
	});
}
