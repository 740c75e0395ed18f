import fc from "fast-check";
import { expect, test } from "vitest";
import { DailyLedger, dayOf } from "./usage-ledger.ts";

function seeded(text: string): DailyLedger {
	const ledger = new DailyLedger();
	ledger.seed(text);
	return ledger;
}

const DAY_MS = 86_400_000;

test("counts the tokens of a day, starts over the next day, and continues from its own text", () => {
	const ledger = new DailyLedger();
	expect([ledger.read("2026-11-30"), `${ledger}`]).toEqual([0, ""]);
	ledger.add("2026-11-30", 5);
	ledger.add("2026-11-30", 7);
	expect([ledger.read("2026-11-30"), `${ledger}`]).toEqual([12, "2026-11-30 12"]);
	const next = seeded(`${ledger}`);
	expect([next.read("2026-11-30"), next.read("2026-12-01")]).toEqual([12, 0]);
	next.add("2026-12-01", 1);
	expect(`${next}`).toBe("2026-12-01 1");
});

test.each(["", "2026-11-30", "2026-11-30 -5", "2026-11-30 1e9", "yesterday 5", "2026-11-30 5 "])(
	"starts empty from the text %j, which it did not write",
	(seed) => {
		expect(`${seeded(seed)}`).toBe("");
	},
);

test("is seeded after it has begun to count: the same day adds up, an older day is over", () => {
	const ledger = new DailyLedger();
	ledger.add("2026-11-30", 5);
	ledger.seed("2026-11-29 100");
	expect(`${ledger}`).toBe("2026-11-30 5");
	ledger.seed("2026-11-30 100");
	expect(`${ledger}`).toBe("2026-11-30 105");
	ledger.seed("2026-12-01 7");
	expect(`${ledger}`).toBe("2026-12-01 7");
});

// @id model-ledger-clock
test("never loses a count to a clock that was set back, nor to a new machine at any moment", () => {
	const step = fc.record({
		daysLater: fc.integer({ min: -3, max: 3 }),
		tokens: fc.integer({ min: 1, max: 1000 }),
		restarts: fc.boolean(),
	});
	fc.assert(
		fc.property(fc.array(step), (steps) => {
			let ledger = new DailyLedger();
			let nowMs = Date.UTC(2026, 10, 30);
			let [latest, expected] = ["", 0];
			for (const { daysLater, tokens, restarts } of steps) {
				nowMs += daysLater * DAY_MS;
				const day = dayOf(nowMs);
				if (day > latest) [latest, expected] = [day, 0];
				expected += tokens;
				ledger.add(day, tokens);
				if (restarts) ledger = seeded(`${ledger}`);
				expect([ledger.read(day), `${ledger}`]).toEqual([expected, `${latest} ${expected}`]);
			}
		}),
	);
});
