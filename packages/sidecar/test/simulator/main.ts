/**
 * `node main.ts SEED` replays one seed and prints its events; `node main.ts FIRST COUNT` runs many
 * and names those that fail.
 */
import { simulate } from "./simulate.ts";

const [first, count] = process.argv.slice(2).map(Number);
if (first === undefined || Number.isNaN(first))
	throw new Error("usage: main.ts SEED | main.ts FIRST COUNT");
if (count === undefined) {
	const { trace, violations, counts, digest } = await simulate(first, { isTold: true });
	for (const line of trace) console.log(line);
	console.log(counts, digest);
	for (const { invariant, what } of violations) console.log(`BROKEN ${invariant}: ${what}`);
	process.exitCode = violations.length > 0 ? 1 : 0;
} else {
	const started = performance.now();
	const sums: Record<string, number> = {};
	let failed = 0;
	for (let seed = first; seed < first + count; seed++) {
		const { violations, counts } = await simulate(seed);
		for (const [name, value] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + value;
		if (violations.length === 0) continue;
		failed++;
		console.log(`seed ${seed}: ${violations[0]?.invariant}: ${violations[0]?.what.slice(0, 600)}`);
	}
	console.log(sums);
	console.log(
		`${count} seeds, ${failed} failed, ${((performance.now() - started) / count).toFixed(1)} ms each`,
	);
	process.exitCode = failed > 0 ? 1 : 0;
}
