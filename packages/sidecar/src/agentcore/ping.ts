/**
 * What `GET /ping` says, as a pure state machine.
 *
 * The platform reaps a machine that has been Healthy for longer than the idle timeout, counted from
 * `time_of_last_update`, and leaves one that is HealthyBusy alone. So the time is that of the last
 * CHANGE of the status: the present time in each answer would keep a machine alive for ever, none
 * at all lets the platform reap a busy one. It is set at the first look, never at the start of the
 * process: the platform copies a running process into fresh machines, where a time from before the
 * copy reads as long idleness.
 *
 * Guarantees: Busy while a workspace is restored, a request is in flight, or a drain runs; from
 * Busy it becomes Healthy only when all is durable. NOT guaranteed: that a change the agent makes
 * by itself, while Healthy, is shown before it is `BACKGROUND_MS` old. OpenClaw touches its
 * database every 30 s; were each such write shown, no idle machine would ever end. A drain covers
 * those seconds.
 */
import type { Phase } from "./phase.ts";

export interface Work {
	readonly phase: Phase;
	/** Requests that were not answered to the end. */
	readonly requests: number;
	/** How long something has not been durable, ms; undefined: all is durable. */
	readonly notDurableForMs: number | undefined;
}

export interface PingState {
	readonly isBusy: boolean;
	/** Whole seconds since the epoch: when the status last changed. */
	readonly sinceS: number;
}

/**
 * The longest a flush is put off by the cadence (5 s) and then some: what lasts longer is stuck or
 * large.
 */
export const BACKGROUND_MS = 10_000;

export function isBusy({ phase, requests, notDurableForMs }: Work, wasBusy: boolean): boolean {
	if (phase === "starting" || phase === "draining" || requests > 0) return true;
	if (notDurableForMs === undefined) return false;
	return wasBusy || notDurableForMs >= BACKGROUND_MS;
}

/**
 * @param state undefined: never looked at since this machine began or woke
 * @param nowMs wall clock, ms since the epoch
 */
export function nextPing(state: PingState | undefined, work: Work, nowMs: number): PingState {
	const nowS = Math.floor(nowMs / 1000);
	const busy = isBusy(work, state?.isBusy ?? false);
	if (state === undefined || state.isBusy !== busy) return { isBusy: busy, sinceS: nowS };
	// The clock was set back: a time to come is no time of a change.
	return state.sinceS > nowS ? { ...state, sinceS: nowS } : state;
}

export interface PingAnswer {
	readonly status: "Healthy" | "HealthyBusy";
	readonly time_of_last_update: number;
}

export function pingAnswer({ isBusy, sinceS }: PingState): PingAnswer {
	return { status: isBusy ? "HealthyBusy" : "Healthy", time_of_last_update: sinceS };
}
