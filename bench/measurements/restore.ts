import { againstPeer, type Budget, requestsOf, samplesOf, timesOf } from "../budget.ts";
import { compete, OURS } from "../contest.ts";
import { contestants } from "../contestants.ts";
import type { Measurement } from "../measurement.ts";
import { FLOOR } from "../peers.ts";
import type { Kept } from "../results.ts";
import { median, medianRatio, megabytes, milliseconds, seconds } from "../statistics.ts";
import { WORKLOADS } from "../workloads.ts";

/** The median user's restore may take this many round trips, and this long on top. */
const W2_ROUND_TRIPS = 4;
const W2_MS = 150;
const W1_REQUESTS = 80;
const PEAK_BYTES = 300e6;

/** A cold page cache changes the same fixed part of every restore, so two workloads show it. */
const ALSO_COLD: ReadonlySet<string> = new Set(["W1", "W2"]);
/** A slow peer takes hours for the others. */
const ALSO_SLOW = ALSO_COLD;

const BUDGETS: Readonly<Record<string, readonly Budget[]>> = {
	W2: [
		againstPeer("restore W2, the median user", 1.2, FLOOR, "durable"),
		{
			what: "restore W2, the median user",
			limit: `<= ${W2_ROUND_TRIPS} round trips + ${W2_MS} ms`,
			judge: (kept) => {
				const most = W2_ROUND_TRIPS * kept.link.roundTripMs + W2_MS;
				return atMost(timesOf(kept, OURS, "durable"), most, milliseconds);
			},
		},
	],
	W1: [
		againstPeer("restore W1", 1.3, FLOOR, "durable"),
		againstPeer("restore W1", 0.4, "restic", "durable"),
		againstPeer("restore W1", 0.12, "s5cmd", "durable"),
		againstPeer("restore W1", 1.5, FLOOR, "exit"),
		againstPeer("restore W1", 0.5, "s5cmd", "exit"),
		againstPeer("restore W1", 0.2, "rclone", "exit"),
		againstPeer("restore W1", 0.1, "aws s3 sync", "exit"),
		againstPeer("restore W1", 0.5, "restic", "exit"),
		{
			what: "restore W1: requests",
			limit: `<= ${W1_REQUESTS}`,
			judge: (kept) => atMost(requestsOf(samplesOf(kept, OURS)), W1_REQUESTS, String),
		},
	],
	W3: [againstBest("W3")],
	W4: [againstBest("W4")],
	W5: [againstBest("W5")],
};

/** The median user first. */
const ORDER = ["W2", "W1", "W3", "W4", "W5"] as const;

export const restores: readonly Measurement[] = ORDER.map((name) => ({
	name,
	title: `Restore ${name}: ${WORKLOADS.find((each) => each.name === name)?.title}`,
	budgets: [...(BUDGETS[name] ?? []), peak(name)],
	...(name === "W4" && { notQuick: "a hundredth of it is like a twentieth of W1" }),
	run: async (lab, peers) => {
		const made = await lab.workload(name);
		const chosen = peers.filter(({ isSlow }) => !isSlow || ALSO_SLOW.has(name));
		const caches = lab.options.caches.filter((cache) => cache === "warm" || ALSO_COLD.has(name));
		const { files, directories, bytes } = made;
		const { all, notes } = await contestants(lab, chosen, name);
		const { series, notes: failures } = await compete(lab, all, caches, made);
		return {
			series,
			notes: [...notes, ...failures],
			workload: { files, directories, bytes },
		};
	},
}));

function atMost(samples: readonly number[], most: number, show: (value: number) => string) {
	if (samples.length === 0) return undefined;
	const value = median(samples);
	return { measured: show(value), ratio: value / most, isMet: value <= most };
}

function againstBest(workload: string): Budget {
	return {
		what: `restore ${workload}`,
		limit: "not slower than the best peer, both durable",
		judge: (kept) => {
			const own = timesOf(kept, OURS, "durable");
			const [best] = peersOf(kept);
			if (own.length === 0 || best === undefined) return undefined;
			const ratio = medianRatio(own, best.times);
			const measured = `${seconds(median(own))} / ${seconds(median(best.times))} (${best.name})`;
			return { measured, ratio, isMet: ratio <= 1 };
		},
	};
}

/** Durable, with a warm page cache, the fastest first. */
function peersOf(kept: Kept) {
	return (kept.series ?? [])
		.filter(({ contestant, cache }) => cache === "warm" && isPeer(contestant))
		.map(({ contestant: name }) => ({ name, times: timesOf(kept, name, "durable") }))
		.sort((a, b) => median(a.times) - median(b.times));
}

export const isPeer = (contestant: string) => contestant !== FLOOR && !contestant.startsWith(OURS);

function peak(workload: string): Budget {
	return {
		what: `memory, peak of a restore of ${workload}`,
		limit: `<= ${megabytes(PEAK_BYTES)}`,
		judge: (kept) => {
			const peaks = samplesOf(kept, OURS).map(({ peakBytes }) => peakBytes);
			return peaks.length === 0 ? undefined : atMost([Math.max(...peaks)], PEAK_BYTES, megabytes);
		},
	};
}
