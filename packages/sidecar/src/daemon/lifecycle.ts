/**
 * The one lifecycle of a sidecar: waiting -> restoring -> serving -> draining -> gone. A start that
 * failed goes back to waiting.
 *
 * A platform's machine waits for the request that says whose it is, and serves once its agent
 * answers. A daemon that runs alone does not wait, and serves once its agent runs. A machine moves
 * the lifecycle of its daemon, which only reads it.
 */
export type Phase = "waiting" | "restoring" | "serving" | "draining" | "gone";

export type LifeEvent = "request" | "started" | "failed" | "stop" | "end";

const NEXT: Readonly<Record<Phase, Partial<Record<LifeEvent, Phase>>>> = {
	// Before the first request there is nothing of a user's.
	waiting: { request: "restoring", stop: "draining", end: "gone" },
	// The next request retries a failed start.
	restoring: { started: "serving", failed: "waiting", stop: "draining", end: "gone" },
	serving: { stop: "draining", end: "gone" },
	draining: { end: "gone" },
	gone: {},
};

/** The phase after an event; an event without a meaning in a phase changes nothing. */
export function nextPhase(phase: Phase, event: LifeEvent): Phase {
	return NEXT[phase][event] ?? phase;
}

export class Lifecycle {
	#phase: Phase = "waiting";

	get phase(): Phase {
		return this.#phase;
	}

	move(event: LifeEvent): void {
		this.#phase = nextPhase(this.#phase, event);
	}
}
