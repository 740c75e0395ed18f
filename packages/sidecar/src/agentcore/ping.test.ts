import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Phase } from "../daemon/lifecycle.ts";
import { BACKGROUND_MS, isBusy, nextPing, type PingState, pingAnswer, type Work } from "./ping.ts";

const idle: Work = { phase: "serving", requests: 0, notDurableForMs: undefined };

const arbitraryWork: fc.Arbitrary<Work> = fc.record({
	phase: fc.constantFrom<Phase>("waiting", "restoring", "serving", "draining", "gone"),
	requests: fc.nat(3),
	notDurableForMs: fc.option(fc.nat(3 * BACKGROUND_MS), { nil: undefined }),
});
/** Events, and the ms since the previous one. */
const arbitraryLife = fc.array(fc.tuple(fc.nat(10_000), arbitraryWork), { minLength: 1 });

function live(life: readonly (readonly [number, Work])[], startMs = 1_700_000_000_000) {
	let nowMs = startMs;
	let state: PingState | undefined;
	return life.map(([afterMs, work]) => {
		nowMs += afterMs;
		const before = state;
		state = nextPing(state, work, nowMs);
		return { before, state, work, nowMs };
	});
}

describe("ping", () => {
	// @id ping-time-of-last-change
	test("has the time of the last change of the status, in whole seconds, and no other", () => {
		fc.assert(
			fc.property(arbitraryLife, (life) => {
				for (const { before, state, nowMs } of live(life)) {
					const isChange = before === undefined || before.isBusy !== state.isBusy;
					expect(state.sinceS).toBe(isChange ? Math.floor(nowMs / 1000) : before.sinceS);
				}
			}),
		);
	});

	// @id ping-busy
	test("is busy while restoring, draining or answering, regardless of anything else", () => {
		fc.assert(
			fc.property(arbitraryWork, fc.boolean(), (work, wasBusy) => {
				if (work.requests > 0 || work.phase === "restoring" || work.phase === "draining")
					expect(isBusy(work, wasBusy)).toBe(true);
			}),
		);
	});

	// @id ping-healthy-once-durable
	test("changes from busy to healthy only once everything is durable", () => {
		fc.assert(
			fc.property(arbitraryLife, (life) => {
				for (const { before, state, work } of live(life)) {
					if (before?.isBusy && !state.isBusy) expect(work.notDurableForMs).toBeUndefined();
					if (work.notDurableForMs === undefined && work.requests === 0 && work.phase === "serving")
						expect(state.isBusy).toBe(false);
				}
			}),
		);
	});

	test("does not keep a machine alive whose agent touches its database every half minute", () => {
		const heartbeats = Array.from({ length: 60 }, (_, index): readonly [number, Work] => [
			15_000,
			index % 2 === 0 ? { ...idle, notDurableForMs: 1_200 } : idle,
		]);
		const states = live([[0, idle], ...heartbeats]).map(({ state }) => pingAnswer(state));
		expect(new Set(states.map((state) => JSON.stringify(state))).size).toBe(1);
		expect(states[0]?.status).toBe("Healthy");
	});

	test("keeps a machine alive for changes that stay undurable", () => {
		expect(isBusy({ ...idle, notDurableForMs: BACKGROUND_MS - 1 }, false)).toBe(false);
		expect(isBusy({ ...idle, notDurableForMs: BACKGROUND_MS }, false)).toBe(true);
	});

	test("moves the time back with a clock that was set back: it is never in the future", () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.nat(2 ** 40), arbitraryWork), { minLength: 1 }), (looks) => {
				let state: PingState | undefined;
				for (const [nowMs, work] of looks) {
					state = nextPing(state, work, nowMs);
					expect(state.sinceS).toBeLessThanOrEqual(nowMs / 1000);
				}
			}),
		);
	});

	test("of a copied machine does not report the age of the copy", () => {
		const copied = nextPing(undefined, { ...idle, phase: "waiting" }, 1_000_000);
		expect(copied.sinceS).toBe(1000);
		// Told of the wake-up, the owner drops the state.
		expect(nextPing(undefined, { ...idle, phase: "waiting" }, 9_000_999)).toEqual({
			isBusy: false,
			sinceS: 9000,
		});
	});
});
