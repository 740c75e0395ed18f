/**
 * The daemon: restoring -> serving -> draining -> gone.
 *
 * Guarantees: no agent starts before the gate opens (a verified restore and a won fence). A failed
 * flush is retried and its paths stay dirty. The exit status tells whether everything is durable.
 * Nothing depends on the drain: kill -9 loses at most one cadence.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FlushResult } from "../capture/flush-result.ts";
import { undecided } from "../commit/until-resolved.ts";
import { SidecarError, systemRefusal } from "../errors.ts";
import type { Selection } from "../history/select-quarantined.ts";
import type { Moved } from "../restore/restore-work.ts";
import { Session, type SessionOptions } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Agent, AgentUser } from "./agent.ts";
import {
	type CadenceOptions,
	changedSince,
	flushDueAt,
	isIdle,
	leastPauseMs,
	retryDelayMs,
	sweepDelayMs,
	unwatchedSweepDelayMs,
} from "./cadence.ts";
import { chownWorkspace } from "./chown-workspace.ts";
import { takeControl } from "./control.ts";
import { dirtyBytes } from "./dirty-bytes.ts";
import { drain } from "./drain.ts";
import { type AgentOptions, startConfigured } from "./start-configured.ts";
import { endSurvivors } from "./survivors.ts";
import { ToldByTerminal } from "./terminal.ts";

export interface DaemonOptions extends SessionOptions, CadenceOptions, AgentOptions {
	readonly stateDir: string;
	readonly sweepIntervalMs: number;
	readonly drainTimeoutMs: number;
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
}

export type Phase = "restoring" | "serving" | "draining" | "gone";

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
 * About 8 minutes: the daemon stops waiting for a file that failed in this many rounds. The file
 * stays reported, and the drain tries it again.
 */
const HOLD_ROUNDS = 20;

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
	readonly #log: Logger;
	#phase: Phase = "restoring";
	#session: Session | undefined;
	#agent: Agent | undefined;
	#timer: NodeJS.Timeout | undefined;
	#sweepTimer: NodeJS.Timeout | undefined;
	/** Flushes run one after the other on this chain. */
	#chain: Promise<unknown> = Promise.resolve();
	/** Aborts a running flush when the drain begins: small files come first then. */
	readonly #cut = new AbortController();
	/** Ends the work of idle moments. */
	#busy = new AbortController();
	#firstChangeMs: number | undefined;
	/** Time since which something has not been durable. */
	#dirtySinceMs: number | undefined;
	/** Paths of a running flush are not counted as waiting elsewhere. */
	#isFlushing = false;
	#lastChangeMs = 0;
	/** No flush has run yet, however short the process runs. */
	#lastFlushEndMs = Number.NEGATIVE_INFINITY;
	#lastFlushCostMs = 0;
	/** The kernel may run out of watches at any time. */
	#sweepsOften = false;
	#failures = 0;
	#lastError: SidecarError | undefined;
	#notTaken = "[]";
	#notTakenRounds = 0;
	#retryTimer: NodeJS.Timeout | undefined;
	#toldSuperseded = false;
	#measuredRequests = 0;

	constructor(options: DaemonOptions) {
		this.#options = options;
		this.#log = options.log;
	}

	async run(stop: AbortSignal): Promise<DaemonEnd> {
		const control = await takeControl(this.#options.stateDir, this.#options.root.main, {
			status: async () => this.#status(),
			flush: async () => await this.#flushNow(),
			drop: async (what) => await this.#dropNow(what),
		});
		try {
			const { stateDir, root } = this.#options;
			const workspace = root.main;
			await endSurvivors({ stateDir, workspace, log: this.#log, signal: stop });
			return await this.#serve(stop);
		} finally {
			clearTimeout(this.#timer);
			clearTimeout(this.#sweepTimer);
			clearTimeout(this.#retryTimer);
			await control.close();
			this.#phase = "gone";
		}
	}

	async #serve(stop: AbortSignal): Promise<DaemonEnd> {
		const { command, agentUser, root, prepareWorkspace } = this.#options;
		const session = await Session.open({ ...this.#options, signal: stop });
		this.#session = session;
		let watcher: Awaited<ReturnType<Session["watch"]>> | undefined;
		try {
			this.#phase = "serving";
			this.#options.onDurable?.(session);
			// The gate is open. The rescan that follows finds what the agent writes before all watches
			// are set.
			if (command.length > 0 && !stop.aborted) {
				try {
					prepareWorkspace?.();
					if (agentUser !== undefined) this.#chownWorkspace(root.directories, agentUser);
					this.#agent = await startConfigured(
						{ ...this.#options, workspace: root.main },
						this.#log,
					);
				} catch (error) {
					// Release the tree: the next writer need not wait for one that never had an agent.
					await session
						.flush({ sweep: true, closed: true, inHurry: true })
						.catch((reason: unknown) => this.#log.warn("drain.failed", { error: reason }));
					throw error;
				}
				this.#log.info("agent.started", { pid: this.#agent.pid, command: command[0] });
			}
			watcher = await session.watch(() => this.#due());
			this.#log.info("watch.started");
			this.#options.onServing?.({
				notDurableForMs: () => this.#notDurableForMs(),
				wake: () => this.#wake(session),
				status: () => this.#status(),
			});
			this.#scheduleSweep(this.#sweepDelay(session, 0));
			await Promise.race([
				aborted(stop),
				...(this.#agent === undefined ? [] : [this.#agent.exited]),
			]);
			const watching = watcher;
			return await this.#end(session, stop, () => watching.close());
		} finally {
			await watcher?.close();
			this.#agent?.kill("SIGKILL");
		}
	}

	#chownWorkspace(directories: readonly string[], user: AgentUser): void {
		const handedOver = chownWorkspace(directories, user);
		this.#log[handedOver.refused > 0 ? "warn" : "info"]("workspace.handed-over", {
			...user,
			...handedOver,
		});
	}

	async #end(
		session: Session,
		stop: AbortSignal,
		stopWatching: () => Promise<void>,
	): Promise<DaemonEnd> {
		this.#phase = "draining";
		clearTimeout(this.#timer);
		clearTimeout(this.#sweepTimer);
		this.#log.info("drain.started", {
			waiting: session.waiting,
			because: stop.aborted ? "signal" : "agent exited",
		});
		this.#cut.abort();
		const drained = await drain({
			session,
			agent: this.#agent,
			isAgentTold: stop.reason instanceof ToldByTerminal,
			timeoutMs: this.#options.drainTimeoutMs,
			log: this.#log,
			// The running flush is aborted, and has ended.
			idle: this.#chain,
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
		this.#log[drained.exitStatus === 0 ? "info" : "error"]("drain.finished", {
			...end,
			ms: drained.ms,
		});
		return end;
	}

	#due(): void {
		const nowMs = performance.now();
		this.#busy.abort();
		this.#lastChangeMs = nowMs;
		this.#dirtySinceMs ??= nowMs;
		if (this.#firstChangeMs !== undefined) return;
		this.#firstChangeMs = nowMs;
		this.#arm();
	}

	/** Not every change resets the timer; if it fires too early, it is set again. */
	#arm(): void {
		if (this.#phase !== "serving" || this.#firstChangeMs === undefined) return;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#fire(), Math.max(0, this.#dueAt() - performance.now()));
	}

	#fire(): void {
		if (this.#dueAt() > performance.now()) return this.#arm();
		void this.#flush(false);
	}

	#dueAt(): number {
		const due = flushDueAt(
			{
				firstChangeMs: this.#firstChangeMs ?? 0,
				lastChangeMs: this.#lastChangeMs,
				lastFlushEndMs: this.#lastFlushEndMs,
				lastFlushCostMs: this.#lastFlushCostMs,
			},
			this.#options,
		);
		return Math.max(
			due,
			this.#lastFlushEndMs + leastPauseMs(this.#failures, this.#session?.isSuperseded === true),
		);
	}

	/** One at a time; a failure leaves everything dirty and the timer set. */
	#flush(sweep: boolean): Promise<FlushResult | undefined> {
		const flushed = this.#chain.then(async () => {
			if (this.#phase !== "serving") return undefined;
			return await this.#flushOnce(this.#session as Session, sweep);
		});
		this.#chain = flushed;
		return flushed;
	}

	async #flushOnce(session: Session, sweep: boolean): Promise<FlushResult | undefined> {
		// Notifications that have arrived are delivered in the next two turns of the event loop.
		if (sweep) for (let turn = 0; turn < 2; turn++) await nextTurn();
		this.#firstChangeMs = undefined;
		this.#isFlushing = true;
		const { readySinceMs = Number.POSITIVE_INFINITY } = session.large;
		const startMs = performance.now();
		const sinceMs = changedSince(
			this.#dirtySinceMs,
			sweep ? session.lastSweep.startedMs : undefined,
			session.isWatchedInPart,
		);
		const cpu = process.cpuUsage();
		try {
			const result = await session.flush({ sweep, signal: this.#cut.signal });
			this.#report(result, startMs, Math.min(sinceMs ?? startMs, readySinceMs));
			this.#failures = result.kind === "unknown" ? this.#failures + 1 : 0;
			// Changes that the rescan found keep their age until they are committed.
			if (result.kind === "unknown") this.#dirtySinceMs ??= sinceMs;
			return result;
		} catch (error) {
			if (this.#cut.signal.aborted) return undefined;
			this.#dirtySinceMs ??= sinceMs;
			this.#failures++;
			this.#lastError = toSidecarError(error);
			this.#log.error("flush.failed", { error: this.#lastError, failures: this.#failures });
			return undefined;
		} finally {
			const { user, system } = process.cpuUsage(cpu);
			// During a transfer, the transfer uses most of the processor time, and it paces itself.
			this.#lastFlushCostMs = session.large.paths.length > 0 ? 0 : (user + system) / 1000;
			this.#lastFlushEndMs = performance.now();
			this.#isFlushing = false;
			this.#followUp(session);
		}
	}

	/** Retries failed paths at growing intervals, and reports them only if the report changed. */
	#followUp(session: Session): void {
		const notTaken = JSON.stringify(session.deferred);
		if (notTaken !== this.#notTaken)
			for (const { path, reason } of session.deferred)
				this.#log.warn("flush.not-taken", { path, reason });
		this.#notTakenRounds = notTaken === this.#notTaken ? this.#notTakenRounds + 1 : 1;
		this.#notTaken = notTaken;
		if (this.#notTakenRounds === HOLD_ROUNDS + 1)
			this.#log.warn("flush.not-taken-for-long", { paths: session.deferred.length });
		if (session.isSuperseded && !this.#toldSuperseded) {
			this.#toldSuperseded = true;
			this.#options.onSuperseded?.();
		}
		if (session.isWatchedInPart && !this.#sweepsOften && this.#phase === "serving") {
			this.#sweepsOften = true;
			this.#scheduleSweep(this.#sweepDelay(session, 0));
		}
		clearTimeout(this.#retryTimer);
		if (session.isDue) this.#due();
		else if (session.deferred.length > 0)
			this.#retryTimer = setTimeout(() => this.#due(), retryDelayMs(this.#notTakenRounds)).unref();
	}

	#report(result: FlushResult, startMs: number, sinceMs = startMs): void {
		const nowMs = performance.now();
		const ms = Math.round(nowMs - startMs);
		if (result.kind === "unknown") {
			this.#lastError = undecided(result.cause);
			this.#log.warn("flush.undecided", { error: result.cause, ms });
			return;
		}
		this.#lastError = undefined;
		// The oldest remaining change is the first one since the flush began.
		this.#dirtySinceMs = this.#firstChangeMs;
		if (result.kind === "nothing") return this.#log.debug("flush.nothing", { ms });
		const { seq, changed, removed, bytes, quarantined } = result;
		this.#log.info("flush.committed", {
			seq,
			changed,
			removed,
			bytes,
			ms,
			lagMs: Math.round(nowMs - sinceMs),
			...(quarantined && { quarantined, kind: "security" }),
		});
		this.#options.onDurable?.(this.#session as Session);
	}

	#scheduleSweep(delayMs: number): void {
		clearTimeout(this.#sweepTimer);
		this.#sweepTimer = setTimeout(async () => {
			const started = performance.now();
			await this.#flush(true);
			const costMs = performance.now() - started;
			if (this.#phase === "serving") this.#measure(this.#session as Session);
			await this.#repackWhenIdle(this.#session as Session);
			if (this.#phase === "serving")
				this.#scheduleSweep(this.#sweepDelay(this.#session as Session, costMs));
		}, delayMs);
		this.#sweepTimer.unref();
	}

	#sweepDelay(session: Session, lastCostMs: number): number {
		const { sweepIntervalMs } = this.#options;
		if (!session.isWatchedInPart) return sweepDelayMs(sweepIntervalMs, lastCostMs);
		return unwatchedSweepDelayMs(sweepIntervalMs, lastCostMs, session.lastSweep.ms);
	}

	/**
	 * After a rescan that found nothing to do. The next change ends it, so that a flush waits for one
	 * commit's answer at most.
	 */
	async #repackWhenIdle(session: Session): Promise<void> {
		if (
			this.#phase !== "serving" ||
			this.#firstChangeMs !== undefined ||
			!session.isRepackDue ||
			session.large.paths.length > 0
		)
			return;
		if (!isIdle(performance.now() - this.#lastChangeMs, this.#options.sweepIntervalMs)) return;
		this.#busy = new AbortController();
		const signal = AbortSignal.any([this.#cut.signal, this.#busy.signal]);
		const startMs = performance.now();
		const repacked = this.#chain.then(async () => await session.repack(signal));
		this.#chain = repacked.catch(() => undefined);
		try {
			const result = await repacked;
			if (result.kind === "committed") {
				const { seq, objects, bytes } = result;
				this.#log.info("repack.committed", {
					seq,
					objects,
					bytes,
					ms: Math.round(performance.now() - startMs),
				});
			} else if (result.kind === "unknown") this.#due();
		} catch (error) {
			if (!signal.aborted) this.#log.warn("repack.failed", { error: toSidecarError(error) });
		}
	}

	#notDurableForMs(): number | undefined {
		const session = this.#session as Session;
		const isWaitedFor =
			this.#isFlushing ||
			session.isDue ||
			(session.deferred.length > 0 && this.#notTakenRounds <= HOLD_ROUNDS);
		const { sinceMs } = session.large;
		if (!isWaitedFor && sinceMs === undefined) return undefined;
		const nowMs = performance.now();
		return nowMs - Math.min(isWaitedFor ? (this.#dirtySinceMs ?? nowMs) : nowMs, sinceMs ?? nowMs);
	}

	/** Hints may have been missed, and hanging connections must not delay it. */
	#wake(session: Session): void {
		session.requestRescan();
		this.#failures = 0;
		this.#due();
	}

	/** For metrics: what is dirty now, and the requests to the store since the last report. */
	#measure(session: Session): void {
		const { list, get, put } = this.#options.store.requests;
		const storeRequests = list + get + put - this.#measuredRequests;
		this.#measuredRequests += storeRequests;
		const paths = session.waitingPaths;
		const lagMs = Math.round(this.#notDurableForMs() ?? 0);
		this.#log.debug("durability.measured", {
			lagMs,
			dirtyFiles: paths.length,
			dirtyBytes: dirtyBytes(this.#options.root, paths),
			storeRequests,
		});
	}

	async #flushNow(): Promise<object> {
		if (this.#phase !== "serving")
			throw new SidecarError("WORKSPACE_BUSY", {
				value: this.#options.root.main,
				reason: `the daemon is ${this.#phase}`,
			});
		const first = await this.#flush(true);
		const result =
			first?.kind === "committed" || first?.kind === "nothing"
				? await this.#withLarge(first)
				: first;
		if (result === undefined)
			throw this.#lastError ?? new SidecarError("NOT_DURABLE", { value: this.#options.root.main });
		if (result.kind === "unknown") throw undecided(result.cause);
		return {
			...result,
			superseded: this.#session?.isSuperseded === true,
			excluded: this.#session?.excluded ?? [],
		};
	}

	/**
	 * Waits for the large files that a flush found, while other flushes continue, and commits them.
	 */
	async #withLarge(
		first: Exclude<FlushResult, { kind: "unknown" }>,
	): Promise<FlushResult | undefined> {
		const session = this.#session as Session;
		const { paths } = session.large;
		if (paths.length === 0) return first;
		await session.large.settled(paths);
		const last = await this.#flush(false);
		if (last?.kind !== "committed" || first.kind !== "committed")
			return last?.kind === "nothing" ? { ...first, deferred: last.deferred } : last;
		const sum = (of: "changed" | "removed" | "bytes") => first[of] + last[of];
		return { ...last, changed: sum("changed"), removed: sum("removed"), bytes: sum("bytes") };
	}

	/** Runs after a flush, so that no commit of this writer is undecided. */
	async #dropNow(what: unknown): Promise<object> {
		const wanted = selectionOf(what);
		await this.#flushNow();
		const dropped = this.#chain.then(
			async () => await (this.#session as Session).dropQuarantined(wanted, { closed: false }),
		);
		this.#chain = dropped.catch(() => undefined);
		return await dropped;
	}

	#status(): DaemonStatus {
		const session = this.#session;
		const error = this.#lastError;
		return {
			phase: this.#phase,
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

/** From another process: nothing in it is trusted. */
function selectionOf(what: unknown): Selection {
	const { writer, path } = (typeof what === "object" && what !== null ? what : {}) as {
		readonly writer?: unknown;
		readonly path?: unknown;
	};
	return {
		...(typeof writer === "string" && { writer }),
		...(typeof path === "string" && { path }),
	};
}

function aborted(signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		if (signal.aborted) resolve();
		else signal.addEventListener("abort", () => resolve(), { once: true });
	});
}

export function toSidecarError(error: unknown): SidecarError {
	if (error instanceof SidecarError) return error;
	const reason = error instanceof Error ? error.message : String(error);
	return systemRefusal(error) ?? new SidecarError("INTERNAL", { reason, cause: error });
}
