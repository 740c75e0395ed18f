/** The phase of a machine's life; nothing of a user's exists in it before `restoring`. */
export type Phase = "waiting" | "restoring" | "serving" | "draining" | "gone";

export type LifeEvent = "request" | "started" | "failed" | "stop" | "end";

const NEXT: Readonly<Record<Phase, Partial<Record<LifeEvent, Phase>>>> = {
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
