/** A few dozen storms; `simulator.heavy.test.ts` has ten thousand. A seed that fails is replayed by `pnpm simulate SEED`. */
import { expect, it } from "vitest";
import { simulate } from "./simulate.ts";

const SEEDS = 80;

it(`${SEEDS} storms break no invariant of the log`, async () => {
	const first = Number(process.env.FC_SEED) || 1;
	const sums = { gates: 0, acks: 0, aside: 0, twins: 0, kills: 0, freezes: 0, deleted: 0, packs: 0, full: 0, repacks: 0 };
	for (let seed = first; seed < first + SEEDS; seed++) {
		const { violations, counts } = await simulate(seed);
		expect(violations, `pnpm simulate ${seed}`).toEqual([]);
		for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
	}
	// Each kind of thing must have happened, else nothing was tried.
	for (const [name, count] of Object.entries(sums)) expect(count, name).toBeGreaterThan(0);
}, 120_000);

it("the same seed gives the same storm", async () => {
	const [one, two] = [await simulate(7, { isTold: true }), await simulate(7, { isTold: true })];
	expect(one.trace.length).toBeGreaterThan(20);
	expect(two.trace).toEqual(one.trace);
});
