/** Applies the budgets to a kept result. */
import { MEASUREMENTS } from "./measurements.ts";
import type { Kept, Line } from "./results.ts";

export function verdictsOf(kept: Kept): readonly Line[] {
	const { budgets = [] } = MEASUREMENTS.find(({ name }) => name === kept.name) ?? {};
	// A measurement that judged during its run has no data for its budgets.
	if (kept.lines !== undefined) return kept.lines;
	return budgets.map(({ what, limit, judge }) => {
		const verdict = judge(kept);
		return {
			what,
			budget: limit,
			measured: verdict?.measured ?? "not measured yet",
			...(verdict?.ratio !== undefined && { ratio: verdict.ratio }),
			isMet: verdict?.isMet,
		};
	});
}

/** One row per budget that no result decides. */
export function unmeasured(results: readonly Kept[]): readonly Line[] {
	const names = new Set(results.map(({ name }) => name));
	return MEASUREMENTS.filter(({ name }) => !names.has(name)).flatMap(({ budgets = [] }) =>
		budgets.map(({ what, limit }) => ({
			what,
			budget: limit,
			measured: "not measured yet",
			isMet: undefined,
		})),
	);
}
