/** When a flush is due. All times in ms of one monotonic clock. */
export interface CadenceOptions {
	/** Flush once nothing has changed for this long. */
	readonly quietMs: number;
	/** Flush this long after the first change even if changes do not stop. */
	readonly maxDelayMs: number;
}

export interface CadenceState {
	readonly firstChangeMs: number;
	readonly lastChangeMs: number;
	readonly lastFlushEndMs: number;
	/** How long the last flush kept the processor. */
	readonly lastFlushCostMs: number;
}

/**
 * A flush that costs much makes the next one wait, so that capturing stays below a tenth of one
 * core.
 */
const COST_FACTOR = 9;
/** But never longer than this: what is lost by a kill -9 is at most one cadence. */
const MAX_STRETCH_MS = 30_000;

export function flushDueAt(state: CadenceState, options: CadenceOptions): number {
	const due = Math.min(
		state.lastChangeMs + options.quietMs,
		state.firstChangeMs + options.maxDelayMs,
	);
	return Math.max(
		due,
		state.lastFlushEndMs + Math.min(state.lastFlushCostMs * COST_FACTOR, MAX_STRETCH_MS),
	);
}

/** A sweep of the whole tree waits until its own cost is below 0.2 % of a core. */
export function sweepDelayMs(intervalMs: number, lastSweepCostMs: number): number {
	return Math.max(intervalMs, lastSweepCostMs * 500);
}

/**
 * Where notifications miss changes, only a sweep finds them. It takes 60 ms for a tree of 10,000
 * files.
 */
const UNWATCHED_SWEEP_MS = 5_000;
/** A sweep takes at most a twentieth of the time. */
const UNWATCHED_FACTOR = 20;

/** @param lookMs how long the last sweep took, without its commit */
export function unwatchedSweepDelayMs(
	intervalMs: number,
	lastSweepCostMs: number,
	lookMs: number,
): number {
	return Math.min(
		sweepDelayMs(intervalMs, lastSweepCostMs),
		Math.max(UNWATCHED_SWEEP_MS, lookMs * UNWATCHED_FACTOR),
	);
}

const IDLE_MS = 10_000;

/**
 * Is a workspace idle that has not changed for so long? After ten seconds, or a whole sweep
 * interval where that is less. A repacking takes about 2 s; one that is cut off leaves packs for
 * nothing, so none begins between the writes of an agent at work. OpenClaw's lease moves every 30
 * s.
 */
export function isIdle(unchangedForMs: number, sweepIntervalMs: number): boolean {
	return unchangedForMs >= Math.min(IDLE_MS, sweepIntervalMs);
}

/** How long to wait after the `failures`-th flush in a row that failed: 1 s, doubling to 30 s. */
export function retryDelayMs(failures: number): number {
	return Math.min(30_000, 1000 * 2 ** Math.max(0, failures - 1));
}

/**
 * Between two commits of a superseded writer: each takes a slot that the owner may be about to
 * fill.
 */
const SUPERSEDED_PAUSE_MS = 30_000;

/** The least time between the end of one flush and the start of the next, whatever changed. */
export function leastPauseMs(failures: number, isSuperseded: boolean): number {
	return failures > 0 ? retryDelayMs(failures) : isSuperseded ? SUPERSEDED_PAUSE_MS : 0;
}

/**
 * The earliest moment at which the changes that a flush commits can have happened.
 * @param announcedMs the first notification since the last commit
 * @param lastSweepMs of a flush that sweeps: when the sweep before it began
 * @param isWatchedInPart notifications miss changes, so that a sweep may find an older one than was
 * announced
 */
export function changedSince(
	announcedMs: number | undefined,
	lastSweepMs: number | undefined,
	isWatchedInPart: boolean,
): number | undefined {
	if (lastSweepMs === undefined || (announcedMs !== undefined && !isWatchedInPart))
		return announcedMs;
	return Math.min(announcedMs ?? lastSweepMs, lastSweepMs);
}
