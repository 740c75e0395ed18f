import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	changedSince,
	flushDueAt,
	isIdle,
	leastPauseMs,
	retryDelayMs,
	sweepDelayMs,
	unwatchedSweepDelayMs,
} from "./cadence.ts";

const cadence = { quietMs: 1000, maxDelayMs: 5000 };
const idle = { lastFlushEndMs: -1e9, lastFlushCostMs: 0 };

describe("cadence", () => {
	// @id cadence-quiet-second
	it("flushes after a quiet second, or five after the first change", () => {
		expect(flushDueAt({ firstChangeMs: 0, lastChangeMs: 0, ...idle }, cadence)).toBe(1000);
		expect(flushDueAt({ firstChangeMs: 0, lastChangeMs: 3900, ...idle }, cadence)).toBe(4900);
		expect(flushDueAt({ firstChangeMs: 0, lastChangeMs: 4999, ...idle }, cadence)).toBe(5000);
	});

	// @id cadence-cost
	it("keeps captures below a tenth of a core, and never waits longer than half a minute", () => {
		fc.assert(
			fc.property(fc.nat(100_000), fc.nat(60_000), (lastFlushCostMs, sinceChange) => {
				const due = flushDueAt(
					{ firstChangeMs: 0, lastChangeMs: sinceChange, lastFlushEndMs: 0, lastFlushCostMs },
					cadence,
				);
				expect(due).toBeLessThanOrEqual(30_000);
				if (due < 30_000)
					expect(lastFlushCostMs / (lastFlushCostMs + due)).toBeLessThanOrEqual(0.1);
			}),
		);
	});

	it("rescans for at most a five-hundredth of the time", () => {
		expect(sweepDelayMs(60_000, 45)).toBe(60_000);
		expect(sweepDelayMs(60_000, 300)).toBe(150_000);
	});

	it("rescans every five seconds if changes are not announced, for at most a twentieth of the time, and at least as often as elsewhere", () => {
		expect(unwatchedSweepDelayMs(60_000, 60, 60)).toBe(5_000);
		expect(unwatchedSweepDelayMs(60_000, 60, 1_000)).toBe(20_000);
		expect(unwatchedSweepDelayMs(60_000, 0, 10_000)).toBe(60_000);
		expect(unwatchedSweepDelayMs(1_000, 0, 60)).toBe(1_000);
		// A large upload makes one rescan slow; the next one must not wait longer because of that.
		expect(unwatchedSweepDelayMs(60_000, 30_000, 60)).toBe(5_000);
	});

	// @id cadence-unannounced-age
	it("counts the age of an unannounced change from the previous rescan", () => {
		expect(changedSince(70, undefined, false)).toBe(70);
		expect(changedSince(70, undefined, true)).toBe(70);
		expect(changedSince(undefined, 10, false)).toBe(10);
		expect(changedSince(70, 10, false)).toBe(70);
		expect(changedSince(70, 10, true)).toBe(10);
		expect(changedSince(undefined, undefined, true)).toBe(undefined);
	});

	it("calls a workspace idle ten seconds after its last change, or sooner if rescans are more frequent", () => {
		expect([9_999, 10_000].map((ms) => isIdle(ms, 60_000))).toEqual([false, true]);
		expect([999, 1000].map((ms) => isIdle(ms, 1000))).toEqual([false, true]);
	});

	it("retries after 1, 2, 4 ... 30 seconds", () => {
		expect([1, 2, 3, 4, 5, 6, 60].map(retryDelayMs)).toEqual([
			1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
		]);
	});

	it("lets the owner go first: a superseded writer commits at most every half minute", () => {
		expect([leastPauseMs(0, false), leastPauseMs(0, true), leastPauseMs(1, true)]).toEqual([
			0, 30_000, 1000,
		]);
	});
});
