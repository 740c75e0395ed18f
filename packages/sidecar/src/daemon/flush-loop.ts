/**
 * Flushes one after the other, each when it is due, from the gate to the drain.
 *
 * Guarantees: one flush at a time. A failed flush leaves everything dirty and is retried at growing
 * intervals, like a path that could not be captured. After `close` none begins.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FlushResult } from "../capture/flush-result.ts";
import { undecided } from "../commit/until-resolved.ts";
import { type SidecarError, toSidecarError } from "../errors.ts";
import type { Session } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import {
	type CadenceOptions,
	changedSince,
	flushDueAt,
	leastPauseMs,
	retryDelayMs,
} from "./cadence.ts";

export interface FlushLoopOptions extends CadenceOptions {
	readonly logger: Logger;
	/** Called after each commit. */
	readonly onDurable?: (session: Session) => void;
}

/**
 * About 8 minutes: the daemon stops waiting for a file that failed in this many rounds. The file
 * stays reported, and the drain tries it again.
 */
const HOLD_ROUNDS = 20;

export class FlushLoop {
	readonly session: Session;
	readonly #options: FlushLoopOptions;
	readonly #logger: Logger;
	readonly #onFlushed: () => void;
	#timer: NodeJS.Timeout | undefined;
	#retryTimer: NodeJS.Timeout | undefined;
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
	#failures = 0;
	#lastError: SidecarError | undefined;
	#notTaken = "[]";
	#notTakenRounds = 0;

	/** @param onFlushed called after each flush, whatever its result */
	constructor(session: Session, options: FlushLoopOptions, onFlushed: () => void) {
		this.session = session;
		this.#options = options;
		this.#logger = options.logger;
		this.#onFlushed = onFlushed;
	}

	get isClosed(): boolean {
		return this.#cut.signal.aborted;
	}

	/** Settles when the running flush is over. */
	get idle(): Promise<unknown> {
		return this.#chain;
	}

	/** Why the last flush failed or is undecided; undefined if it succeeded. */
	get lastError(): SidecarError | undefined {
		return this.#lastError;
	}

	/** How long nothing has changed, ms; 0 while a change waits for its flush. */
	get unchangedForMs(): number {
		return this.#firstChangeMs === undefined ? performance.now() - this.#lastChangeMs : 0;
	}

	/** How long something has not been durable, ms; undefined if everything is. */
	notDurableForMs(): number | undefined {
		const { session } = this;
		const isWaitedFor =
			this.#isFlushing ||
			session.isDue ||
			(session.deferred.length > 0 && this.#notTakenRounds <= HOLD_ROUNDS);
		const { sinceMs } = session.large;
		if (!isWaitedFor && sinceMs === undefined) return undefined;
		const nowMs = performance.now();
		return nowMs - Math.min(isWaitedFor ? (this.#dirtySinceMs ?? nowMs) : nowMs, sinceMs ?? nowMs);
	}

	/** Something changed: a flush becomes due. */
	changed(): void {
		const nowMs = performance.now();
		this.#busy.abort();
		this.#lastChangeMs = nowMs;
		this.#dirtySinceMs ??= nowMs;
		if (this.#firstChangeMs !== undefined) return;
		this.#firstChangeMs = nowMs;
		this.#arm();
	}

	/** Hints may have been missed, and hanging connections must not delay it. */
	wake(): void {
		this.session.requestRescan();
		this.#failures = 0;
		this.changed();
	}

	/** A failure is logged, and leaves everything dirty and the timer set. */
	flush(sweep: boolean, deletionsAreMeant = false): Promise<FlushResult | undefined> {
		return this.alone((flush) => flush(sweep, deletionsAreMeant));
	}

	/** Commits what is known to have changed, if anything is. */
	async settle(): Promise<void> {
		if (this.notDurableForMs() !== undefined) await this.flush(false);
	}

	/**
	 * Runs `work` between two flushes. @param work may flush itself, with the function it gets; the
	 * drain waits for it, so it heeds the signal, which `close` aborts
	 */
	alone<T>(work: (flush: FlushLoop["flush"], signal: AbortSignal) => Promise<T>): Promise<T> {
		const flush = async (sweep: boolean, deletionsAreMeant = false) =>
			this.isClosed ? undefined : await this.#flushOnce(sweep, deletionsAreMeant);
		const done = this.#chain.then(() => work(flush, this.#cut.signal));
		this.#chain = done.catch(() => undefined);
		return done;
	}

	/**
	 * Runs `work` between two flushes. The next change aborts its signal, so that a flush waits for
	 * one commit's answer at most.
	 */
	whileUnchanged<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
		this.#busy = new AbortController();
		const signal = AbortSignal.any([this.#cut.signal, this.#busy.signal]);
		return this.alone(async () => await work(signal));
	}

	/** Aborts the running flush, and begins no other. */
	close(): void {
		clearTimeout(this.#timer);
		clearTimeout(this.#retryTimer);
		this.#cut.abort();
	}

	/** Not every change resets the timer; if it fires too early, it is set again. */
	#arm(): void {
		if (this.isClosed || this.#firstChangeMs === undefined) return;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#fire(), Math.max(0, this.#dueAt() - performance.now()));
	}

	#fire(): void {
		if (this.#dueAt() > performance.now()) return this.#arm();
		void this.flush(false);
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
			this.#lastFlushEndMs + leastPauseMs(this.#failures, this.session.isSuperseded),
		);
	}

	async #flushOnce(sweep: boolean, deletionsAreMeant: boolean): Promise<FlushResult | undefined> {
		const { session } = this;
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
			const result = await session.flush({
				sweep,
				deletionsAreMeant,
				signal: this.#cut.signal,
			});
			this.#report(result, startMs, Math.min(sinceMs ?? startMs, readySinceMs));
			this.#failures = result.kind === "unknown" ? this.#failures + 1 : 0;
			// Changes that the rescan found keep their age until they are committed.
			if (result.kind === "unknown") this.#dirtySinceMs ??= sinceMs;
			return result;
		} catch (error) {
			if (this.isClosed) return undefined;
			this.#dirtySinceMs ??= sinceMs;
			this.#failures++;
			this.#lastError = toSidecarError(error);
			this.#logger.error("flush.failed", { error: this.#lastError, failures: this.#failures });
			return undefined;
		} finally {
			const { user, system } = process.cpuUsage(cpu);
			// During a transfer, the transfer uses most of the processor time, and it paces itself.
			this.#lastFlushCostMs = session.large.paths.length > 0 ? 0 : (user + system) / 1000;
			this.#lastFlushEndMs = performance.now();
			this.#isFlushing = false;
			this.#followUp();
		}
	}

	#report(result: FlushResult, startMs: number, sinceMs: number): void {
		const nowMs = performance.now();
		const ms = Math.round(nowMs - startMs);
		if (result.kind === "unknown") {
			this.#lastError = undecided(result.cause);
			this.#logger.warn("flush.undecided", { error: result.cause, ms });
			return;
		}
		this.#lastError = undefined;
		// The oldest remaining change is the first one since the flush began.
		this.#dirtySinceMs = this.#firstChangeMs;
		if (result.kind === "nothing") return this.#logger.debug("flush.nothing", { ms });
		const { seq, changed, removed, bytes, quarantined } = result;
		this.#logger.info("flush.committed", {
			seq,
			changed,
			removed,
			bytes,
			ms,
			lagMs: Math.round(nowMs - sinceMs),
			...(quarantined && { quarantined, kind: "security" }),
		});
		this.#options.onDurable?.(this.session);
	}

	/** Retries failed paths at growing intervals, and reports them only if the report changed. */
	#followUp(): void {
		const { session } = this;
		const { deferred } = session;
		const notTaken = JSON.stringify(deferred);
		if (notTaken !== this.#notTaken)
			for (const { path, reason } of deferred)
				this.#logger.warn("flush.not-taken", { path, reason });
		this.#notTakenRounds = notTaken === this.#notTaken ? this.#notTakenRounds + 1 : 1;
		this.#notTaken = notTaken;
		if (deferred.length > 0 && this.#notTakenRounds === HOLD_ROUNDS + 1)
			this.#logger.warn("flush.not-taken-for-long", { paths: deferred.length });
		this.#onFlushed();
		clearTimeout(this.#retryTimer);
		if (session.isDue) this.changed();
		else if (deferred.length > 0)
			this.#retryTimer = setTimeout(
				() => this.changed(),
				retryDelayMs(this.#notTakenRounds),
			).unref();
	}
}
