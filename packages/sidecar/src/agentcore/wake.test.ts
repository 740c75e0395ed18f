import fc from "fast-check";
import { expect, test } from "vitest";
import { type ClockReading, JUMP_MS, jumpMs, readClocks, WakeWatch } from "./wake.ts";

const at = (wallMs: number, bootMs = wallMs, monotonicMs = wallMs): ClockReading => ({
	wallMs,
	bootMs,
	monotonicMs,
});

test("a wall or boot clock that advances without the monotonic clock is a jump, however long the process ran", () => {
	fc.assert(
		fc.property(
			fc.nat(1e9),
			fc.integer({ min: JUMP_MS + 1, max: 1e12 }),
			fc.boolean(),
			(lived, frozen, hasBootTime) => {
				const after = at(1e12 + lived + frozen, lived + (hasBootTime ? frozen : 0), lived);
				expect(jumpMs(at(1e12, 0, 0), after)).toBe(frozen);
			},
		),
	);
	expect(jumpMs(at(1e12, 0, 0), at(1e12, 60_000, 0))).toBe(60_000);
	expect(jumpMs(at(1e12, 0, 0), at(1e12 - 60_000, 0, 0))).toBe(-60_000);
});

test("ordinary time, rounded by a second and slewed, is no jump", () => {
	fc.assert(
		fc.property(fc.nat(3_600_000), fc.integer({ min: -1000, max: 1000 }), (lived, rounding) => {
			expect(jumpMs(at(0), at(lived * 1.0002, lived + rounding, lived))).toBe(0);
		}),
	);
});

test("listeners are called once for each jump, and never at the first check", () => {
	const readings = [
		at(5e11, 0, 1000),
		at(5e11 + 10, 10, 1010),
		at(9e11, 20, 1020),
		at(9e11 + 5, 25, 1025),
	];
	const heard: number[] = [];
	const watch = new WakeWatch(() => readings.shift() as ClockReading);
	watch.onWake((ms) => heard.push(ms));
	for (let look = 0; look < 4; look++) watch.look();
	expect(heard).toEqual([4e11 - 20]);
});

test("the clocks of this machine are read in ms", () => {
	const reading = readClocks();
	expect(reading.wallMs).toBeGreaterThan(1.6e12);
	expect(reading.bootMs).toBeGreaterThan(0);
	expect(jumpMs(reading, readClocks())).toBe(0);
});
