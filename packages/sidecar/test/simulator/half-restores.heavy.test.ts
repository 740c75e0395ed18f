/**
 * Restores that fail or are killed at any step, on real files. `HALF_RESTORES` sets the number,
 * `FC_SEED` the first seed.
 */
import { expect, it } from "vitest";
import { halfRestores } from "./half-restores.ts";

const SEEDS = Number(process.env.HALF_RESTORES ?? 6);

// @id half-restores
it("restores that fail or are killed at any step lose no text", async () => {
	const first = Number(process.env.FC_SEED) || 1;
	const sums = { restores: 0, failures: 0, kills: 0, displaced: 0, commits: 0 };
	for (let seed = first; seed < first + SEEDS; seed++) {
		const { violations, counts, trace } = await halfRestores(seed);
		expect(violations, `seed ${seed}\n${trace.join("\n")}`).toEqual([]);
		for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
	}
	// Each kind of event must have happened; otherwise the test proves nothing.
	for (const [name, count] of Object.entries(sums)) expect(count, name).toBeGreaterThan(0);
});
