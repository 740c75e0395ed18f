/**
 * Compares the whole workspace with the head at intervals, because a notification can be lost, and
 * uses idle moments to repack. Each sweep reports what is not durable yet.
 */
import { toSidecarError } from "../errors.ts";
import type { SessionOptions } from "../session/session.ts";
import { isIdle, sweepDelayMs, unwatchedSweepDelayMs } from "./cadence.ts";
import { dirtyBytes } from "./dirty-bytes.ts";
import type { FlushLoop } from "./flush-loop.ts";

export interface SweepOptions extends Pick<SessionOptions, "store" | "root" | "logger"> {
	readonly sweepIntervalMs: number;
}

export class Sweeps {
	readonly #flushes: FlushLoop;
	readonly #options: SweepOptions;
	#timer: NodeJS.Timeout | undefined;
	/** The kernel may run out of watches at any time. */
	#isOften = false;
	#measuredRequests = 0;

	constructor(flushes: FlushLoop, options: SweepOptions) {
		this.#flushes = flushes;
		this.#options = options;
	}

	start(): void {
		this.#schedule(0);
	}

	/** Call it after each flush: from the first unwatched directory on, sweeps come more often. */
	flushed(): void {
		if (!this.#flushes.session.isWatchedInPart || this.#isOften) return;
		this.#isOften = true;
		this.#schedule(0);
	}

	stop(): void {
		clearTimeout(this.#timer);
	}

	#schedule(lastCostMs: number): void {
		clearTimeout(this.#timer);
		if (this.#flushes.isClosed) return;
		this.#timer = setTimeout(() => void this.#sweep(), this.#delayMs(lastCostMs)).unref();
	}

	#delayMs(lastCostMs: number): number {
		const { session } = this.#flushes;
		const { sweepIntervalMs } = this.#options;
		if (!session.isWatchedInPart) return sweepDelayMs(sweepIntervalMs, lastCostMs);
		return unwatchedSweepDelayMs(sweepIntervalMs, lastCostMs, session.lastSweep.ms);
	}

	async #sweep(): Promise<void> {
		const startedMs = performance.now();
		await this.#flushes.flush(true);
		const costMs = performance.now() - startedMs;
		if (this.#flushes.isClosed) return;
		this.#measure();
		await this.#repackWhenIdle();
		this.#schedule(costMs);
	}

	/** For metrics: what is dirty now, and the requests to the store since the last report. */
	#measure(): void {
		const { store, root, logger } = this.#options;
		const { list, get, put } = store.requests;
		const storeRequests = list + get + put - this.#measuredRequests;
		this.#measuredRequests += storeRequests;
		const paths = this.#flushes.session.waitingPaths;
		logger.debug("durability.measured", {
			lagMs: Math.round(this.#flushes.notDurableForMs() ?? 0),
			dirtyFiles: paths.length,
			dirtyBytes: dirtyBytes(root, paths),
			storeRequests,
		});
	}

	/** After a sweep that found nothing to do. */
	async #repackWhenIdle(): Promise<void> {
		const { session, unchangedForMs } = this.#flushes;
		const { sweepIntervalMs, logger } = this.#options;
		if (!session.isRepackDue || session.large.paths.length > 0) return;
		if (!isIdle(unchangedForMs, sweepIntervalMs)) return;
		const startMs = performance.now();
		await this.#flushes.whileUnchanged(async (signal) => {
			try {
				const result = await session.repack(signal);
				if (result.kind === "unknown") this.#flushes.changed();
				if (result.kind !== "committed") return;
				const { seq, objects, bytes } = result;
				const ms = Math.round(performance.now() - startMs);
				logger.info("repack.committed", { seq, objects, bytes, ms });
			} catch (error) {
				if (!signal.aborted) logger.warn("repack.failed", { error: toSidecarError(error) });
			}
		});
	}
}
