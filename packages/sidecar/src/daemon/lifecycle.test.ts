import fc from "fast-check";
import { expect, test } from "vitest";
import { Lifecycle, type LifeEvent, nextPhase, type Phase } from "./lifecycle.ts";

const EVENTS: readonly LifeEvent[] = ["request", "started", "failed", "stop", "end"];
const ORDER: readonly Phase[] = ["waiting", "restoring", "serving", "draining", "gone"];

const after = (events: readonly LifeEvent[]) => events.reduce(nextPhase, "waiting" as Phase);

/** In the order of `EVENTS`: request, started, failed, stop, end. */
const TABLE: readonly (readonly [Phase, ...Phase[]])[] = [
	["waiting", "restoring", "waiting", "waiting", "draining", "gone"],
	["restoring", "restoring", "serving", "waiting", "draining", "gone"],
	["serving", "serving", "serving", "serving", "draining", "gone"],
	["draining", "draining", "draining", "draining", "draining", "gone"],
	["gone", "gone", "gone", "gone", "gone", "gone"],
];

test.each(TABLE)("every event has one outcome while %s", (phase, ...outcomes) => {
	expect(EVENTS.map((event) => nextPhase(phase, event))).toEqual(outcomes);
});

test("a life goes waiting, restoring, serving, draining, gone", () => {
	const lifecycle = new Lifecycle();
	const phases = (["request", "started", "stop", "end"] as const).map((event) => {
		const before = lifecycle.phase;
		lifecycle.move(event);
		return before;
	});
	expect([...phases, lifecycle.phase]).toEqual(ORDER);
});

// @id nothing-starts-before-request
test("nothing starts before a request, and nothing serves that did not start", () => {
	fc.assert(
		fc.property(fc.array(fc.constantFrom(...EVENTS)), (events) => {
			const phase = after(events);
			if (!events.includes("request")) expect(["waiting", "draining", "gone"]).toContain(phase);
			if (phase === "serving")
				expect(events.indexOf("started", events.indexOf("request"))).toBeGreaterThan(-1);
		}),
	);
});

test("only a failed start returns to waiting, and a stopped life never serves again", () => {
	fc.assert(
		fc.property(fc.array(fc.constantFrom(...EVENTS)), (events) => {
			let phase: Phase = "waiting";
			for (const event of events) {
				const next = nextPhase(phase, event);
				if (ORDER.indexOf(next) < ORDER.indexOf(phase))
					expect([phase, event, next]).toEqual(["restoring", "failed", "waiting"]);
				phase = next;
			}
			const stopped = events.findIndex((event) => event === "stop" || event === "end");
			if (stopped !== -1) expect(["draining", "gone"]).toContain(phase);
		}),
	);
});
