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
	/** Processor time of the last flush. */
	readonly lastFlushCostMs: number;
}

/** An expensive flush delays the next one, so that capturing stays below a tenth of one core. */
const COST_FACTOR = 9;
/** But never longer than this: a kill -9 loses at most one cadence. */
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

/** A rescan of the whole tree waits until its own cost is below 0.2 % of a core. */
export function sweepDelayMs(intervalMs: number, lastSweepCostMs: number): number {
	return Math.max(intervalMs, lastSweepCostMs * 500);
}

/**
 * Where notifications miss changes, only a rescan finds them. It takes 60 ms for a tree of 10,000
 * files.
 */
const UNWATCHED_SWEEP_MS = 5_000;
/** A rescan takes at most a twentieth of the time. */
const UNWATCHED_FACTOR = 20;

/** @param lookMs how long the last rescan took, without its commit */
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
 * Has the workspace been unchanged long enough to count as idle? The limit is ten seconds, or one
 * rescan interval if that is shorter. Repacking takes about 2 s, and an interrupted one leaves
 * useless packs. So none begins between the writes of a working agent. OpenClaw renews its lease
 * every 30 s.
 */
export function isIdle(unchangedForMs: number, sweepIntervalMs: number): boolean {
	return unchangedForMs >= Math.min(IDLE_MS, sweepIntervalMs);
}

/** How long to wait after the `failures`-th consecutive failed flush: 1 s, doubling to 30 s. */
export function retryDelayMs(failures: number): number {
	return Math.min(30_000, 1000 * 2 ** Math.max(0, failures - 1));
}

/**
 * Between two commits of a superseded writer: each takes a slot that the owner may be about to
 * fill.
 */
const SUPERSEDED_PAUSE_MS = 30_000;

/** The minimum time between the end of one flush and the start of the next, whatever changed. */
export function leastPauseMs(failures: number, isSuperseded: boolean): number {
	return failures > 0 ? retryDelayMs(failures) : isSuperseded ? SUPERSEDED_PAUSE_MS : 0;
}

/**
 * The earliest time at which the changes in a flush can have happened.
 * @param announcedMs the first notification since the last commit
 * @param lastSweepMs for a flush that rescans: when the previous rescan began
 * @param isWatchedInPart notifications miss changes, so a rescan may find a change older than any
 * that was announced
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
