import { expect, it } from "vitest";
import { BACKOFF, fewer, MOST_READS, more, pauseMs } from "./backoff.ts";

const totalMs = (pauses: readonly number[], roll: number) =>
	pauses.reduce((sum, _, index) => sum + (pauseMs(pauses, index + 1, roll) ?? 0), 0);

it("a fault is waited out for a second, a store that asks to slow down for minutes", () => {
	expect(totalMs(BACKOFF.fault, 0)).toBe(625);
	expect(totalMs(BACKOFF.fault, 1)).toBe(1_250);
	expect(totalMs(BACKOFF.throttled, 0)).toBeGreaterThan(120_000);
	expect(totalMs(BACKOFF.throttled, 1)).toBeLessThan(300_000);
	for (const pauses of Object.values(BACKOFF))
		expect(pauseMs(pauses, pauses.length + 1, 0.5)).toBeUndefined();
});

it("no pause takes more than a quarter of a drain's 8 s, and none is the same for two machines", () => {
	for (const pauses of Object.values(BACKOFF)) {
		expect(Math.max(...pauses)).toBeLessThanOrEqual(2_000);
		expect(pauseMs(pauses, 1, 0.2)).not.toBe(pauseMs(pauses, 1, 0.8));
	}
});

it("a store that asks to slow down six times gets one read at once, and all again after as many answers", () => {
	let atOnce = MOST_READS;
	for (let count = 0; count < 6; count++) atOnce = fewer(atOnce);
	expect([atOnce, fewer(atOnce)]).toEqual([1, 1]);
	for (let count = 0; count < MOST_READS; count++) atOnce = more(atOnce);
	expect(atOnce).toBe(MOST_READS);
});
