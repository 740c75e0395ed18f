/**
 * Budgets stand beside the measurement that owns them. A verdict is computed from the kept data
 * when the page is written, so a changed budget needs no new run.
 */
import { OURS } from "./contest.ts";
import type { PageCache } from "./page-cache.ts";
import type { Kept, Sample } from "./results.ts";
import { median, medianRatio, seconds } from "./statistics.ts";

export interface Verdict {
	readonly measured: string;
	/** The result as a share of its limit or of its reference; undefined for a count or an order. */
	readonly ratio?: number;
	readonly isMet: boolean;
}

export interface Budget {
	/** What is limited. */
	readonly what: string;
	readonly limit: string;
	/** Undefined if the result does not hold what it needs, because a peer was missing. */
	judge(kept: Kept): Verdict | undefined;
}

/** When a contestant counts as done: its process ended, or its files would survive a power cut. */
export type Done = "exit" | "durable";

export function timesOf(
	kept: Pick<Kept, "series">,
	contestant: string,
	done: Done,
	cache: PageCache = "warm",
): readonly number[] {
	return samplesOf(kept, contestant, cache).map(({ wallMs, syncMs }) =>
		done === "exit" ? wallMs : wallMs + syncMs,
	);
}

export function samplesOf(
	{ series = [] }: Pick<Kept, "series">,
	contestant: string,
	cache: PageCache = "warm",
): readonly Sample[] {
	return (
		series.find((each) => each.contestant === contestant && each.cache === cache)?.samples ?? []
	);
}

/** The number of requests of each sample that was counted. */
export function requestsOf(samples: readonly Sample[]): readonly number[] {
	return samples.flatMap(({ requests }) =>
		requests === undefined ? [] : [Object.values(requests).reduce((sum, count) => sum + count, 0)],
	);
}

/** @param factor of the peer's time. @param peerDone ours is always durable. */
export function againstPeer(what: string, factor: number, peer: string, peerDone: Done): Budget {
	const words = peerDone === "durable" ? `${peer} and \`sync -f\`` : peer;
	return {
		what,
		limit: `<= ${factor} x ${words}`,
		judge: (kept) => {
			const ours = timesOf(kept, OURS, "durable");
			const theirs = timesOf(kept, peer, peerDone);
			if (ours.length === 0 || theirs.length === 0) return undefined;
			const ratio = medianRatio(ours, theirs);
			const measured = `${seconds(median(ours))} / ${seconds(median(theirs))}`;
			return { measured, ratio, isMet: ratio <= factor };
		},
	};
}

/** The median of a figure. @param show writes a value with its unit */
export function atMost(
	what: string,
	figure: string,
	most: number,
	show: (value: number) => string,
	limit = `<= ${show(most)}`,
): Budget {
	return {
		what,
		limit,
		judge: ({ figures }) => {
			const samples = figures?.[figure];
			if (samples === undefined) return undefined;
			const value = median(samples);
			return {
				measured: show(value),
				...(most > 0 && { ratio: value / most }),
				isMet: value <= most,
			};
		},
	};
}

/** The ratio of two figures, round by round. */
export function figureRatio(
	what: string,
	[figure, reference]: readonly [string, string],
	factor: number,
	show: (value: number) => string,
	limit: string,
): Budget {
	return {
		what,
		limit: `<= ${factor} x ${limit}`,
		judge: ({ figures }) => {
			const [ours, theirs] = [figures?.[figure], figures?.[reference]];
			if (ours === undefined || theirs === undefined) return undefined;
			const ratio = medianRatio(ours, theirs);
			const measured = `${show(median(ours))} / ${show(median(theirs))}`;
			return { measured, ratio, isMet: ratio <= factor };
		},
	};
}
