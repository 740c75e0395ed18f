import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { durability, type Standing } from "./durability.ts";

const fine: Standing = { notDurable: 0, deferredDeletions: 0 };

describe("durability", () => {
	it.each([
		["nothing", {}, true, 0, []],
		["a path that the log lacks", { notDurable: 1 }, false, 3, ["not-durable"]],
		["a deferred deletion", { deferredDeletions: 1 }, false, 3, ["deferred"]],
		[
			"a directory that does not derive from the log",
			{ notRestored: "the log has 2 commits" },
			false,
			3,
			["not-restored"],
		],
		["another owner", { superseded: true }, true, 4, ["superseded"]],
		[
			"another owner and a path that the log lacks",
			{ superseded: true, notDurable: 2 },
			false,
			4,
			["superseded", "not-durable"],
		],
		[
			"all of it",
			{ superseded: true, notRestored: "", notDurable: 3, deferredDeletions: 3 },
			false,
			4,
			["superseded", "not-restored", "not-durable", "deferred"],
		],
	] as const)("of %s has one definition", (_what, standing, isDurable, exitStatus, reasons) => {
		expect(durability({ ...fine, ...standing })).toEqual({ isDurable, exitStatus, reasons });
	});

	it("has status 0 only without a reason, and one more reason never improves the status", () => {
		const standings = fc.record({
			notDurable: fc.nat(),
			deferredDeletions: fc.nat(),
			notRestored: fc.option(fc.string(), { nil: undefined }),
			superseded: fc.boolean(),
		});
		const worse: Partial<Standing>[] = [
			{ notDurable: 1 },
			{ deferredDeletions: 1 },
			{ notRestored: "x" },
			{ superseded: true },
		];
		fc.assert(
			fc.property(standings, fc.constantFrom(...worse), (standing, more) => {
				const before = durability(standing);
				const after = durability({ ...standing, ...more });
				expect(before.exitStatus === 0).toBe(before.reasons.length === 0);
				expect(before.isDurable || before.exitStatus !== 0).toBe(true);
				expect(after.exitStatus).toBeGreaterThanOrEqual(before.exitStatus);
				expect(after.isDurable && !before.isDurable).toBe(false);
				expect(after.exitStatus).not.toBe(0);
			}),
		);
	});
});
