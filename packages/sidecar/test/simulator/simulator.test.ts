/**
 * A few dozen storms; `simulator.heavy.test.ts` runs ten thousand. `pnpm simulate SEED` replays a
 * failed seed.
 */
import { expect, it } from "vitest";
import { simulate } from "./simulate.ts";

const SEEDS = 40;
/** A racy store replaces a commit in about every tenth of them. */
const RACY_SEEDS = 25;
/** Some with a racy store, some with clones. */
const DIGESTED = [3, 7, 12, 21, 33, 47];

// @id storms
it(`${SEEDS} storms break no invariant of the log`, async () => {
	const first = Number(process.env.FC_SEED) || 1;
	const sums = {
		gates: 0,
		acks: 0,
		aside: 0,
		clones: 0,
		kills: 0,
		freezes: 0,
		deleted: 0,
		packs: 0,
		full: 0,
		repacks: 0,
	};
	for (let seed = first; seed < first + SEEDS; seed++) {
		const { violations, counts } = await simulate(seed);
		expect(violations, `pnpm simulate ${seed}`).toEqual([]);
		for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
	}
	// Each kind of event must have happened; otherwise the test proves nothing.
	for (const [name, count] of Object.entries(sums)) expect(count, name).toBeGreaterThan(0);
}, 120_000);

it("the same seed gives the same digest of every event and of the store's contents", async () => {
	const digests = new Set<string>();
	for (const seed of DIGESTED) {
		const one = await simulate(seed, { isTold: true });
		// The run in between must not affect the next one.
		await simulate(seed + 1);
		const two = await simulate(seed, { isTold: true });
		expect(one.trace.length, `pnpm simulate ${seed}`).toBeGreaterThan(20);
		expect(two.trace, `pnpm simulate ${seed}`).toEqual(one.trace);
		expect(two.digest, `pnpm simulate ${seed}`).toBe(one.digest);
		digests.add(one.digest);
	}
	expect(digests.size).toBe(DIGESTED.length);
}, 120_000);

// @id racy-storms
it("storms over a racy store open no gate on a replaced fence", async () => {
	let replaced = 0;
	for (let seed = 1; seed <= RACY_SEEDS; seed++) {
		const { violations, counts } = await simulate(seed, { isRacy: true });
		expect(violations, `seed ${seed}, racy`).toEqual([]);
		replaced += counts.replaced;
	}
	expect(replaced).toBeGreaterThan(2);
}, 120_000);
