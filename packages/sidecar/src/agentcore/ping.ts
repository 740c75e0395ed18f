/**
 * The answer to `GET /ping`, as a pure state machine.
 *
 * The platform ends a machine that has been Healthy for longer than the idle timeout, counted from
 * `time_of_last_update`, but not one that is HealthyBusy. So the time is that of the last CHANGE of
 * the status. The present time in each answer would keep a machine alive forever; without a time
 * the platform ends a busy machine. The time is set at the first check, never at the start of the
 * process: the platform copies a running process into fresh machines, where a time from before the
 * copy looks like a long idle period.
 *
 * Guarantees: Busy while a workspace is restored, a request is in flight, or a drain runs. From
 * Busy it becomes Healthy only when everything is durable. NOT guaranteed: that a change the agent
 * makes by itself, while Healthy, is shown before it is `BACKGROUND_MS` old. OpenClaw touches its
 * database every 30 s; if each write were shown, no idle machine would ever end. A drain covers
 * those seconds.
 */
import type { Phase } from "../daemon/lifecycle.ts";

export interface Work {
	readonly phase: Phase;
	/** Requests without a complete answer. */
	readonly requests: number;
	/** How long something has not been durable, ms; undefined if everything is. */
	readonly notDurableForMs: number | undefined;
}

export interface PingState {
	readonly isBusy: boolean;
	/** Whole seconds since the epoch: when the status last changed. */
	readonly sinceS: number;
}

/** More than the longest delay of a flush by the cadence (5 s): a longer one is stuck or large. */
export const BACKGROUND_MS = 10_000;

export function isBusy({ phase, requests, notDurableForMs }: Work, wasBusy: boolean): boolean {
	if (phase === "restoring" || phase === "draining" || requests > 0) return true;
	if (notDurableForMs === undefined) return false;
	return wasBusy || notDurableForMs >= BACKGROUND_MS;
}

/**
 * @param state undefined: never checked since this machine began or woke
 * @param nowMs wall clock, ms since the epoch
 */
export function nextPing(state: PingState | undefined, work: Work, nowMs: number): PingState {
	const nowS = Math.floor(nowMs / 1000);
	const busy = isBusy(work, state?.isBusy ?? false);
	if (state === undefined || state.isBusy !== busy) return { isBusy: busy, sinceS: nowS };
	// The clock was set back: the time of a change cannot be in the future.
	return state.sinceS > nowS ? { ...state, sinceS: nowS } : state;
}

export interface PingAnswer {
	readonly status: "Healthy" | "HealthyBusy";
	readonly time_of_last_update: number;
}

export function pingAnswer({ isBusy, sinceS }: PingState): PingAnswer {
	return { status: isBusy ? "HealthyBusy" : "Healthy", time_of_last_update: sinceS };
}
