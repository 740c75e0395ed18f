/** One plot per question, from the kept results. */
import { requestsOf, timesOf } from "./budget.ts";
import { OURS, UNSYNCED } from "./contest.ts";
import type { Kept, Sample } from "./results.ts";
import { median, megabytes } from "./statistics.ts";
import { type Bar, barPlot, type LinePlot, linePlot } from "./svg.ts";

/** The round trip of the plots; the page has the others. */
const DELAY_MS = 20;

export interface Plot {
	/** In docs/. */
	readonly file: string;
	readonly title: string;
	readonly svg: string;
}

/** Without data for a question there is no plot. */
export function plotsOf(results: readonly Kept[]): readonly Plot[] {
	const here = results.filter(({ delayMs }) => delayMs === DELAY_MS);
	return [
		bars(here, "time", "How long a restore takes, until a power cut takes nothing", "s", {
			of: ({ wallMs, syncMs }) => (wallMs + syncMs) / 1000,
			show: (value) => `${Number(value.toPrecision(3))} s`,
		}),
		bars(here, "requests", "How many requests a restore makes", "requests", {
			of: (sample) => requestsOf([sample])[0],
			show: (value) => value.toLocaleString("en-US"),
		}),
		bars(here, "memory", "How much memory a restore needs at its peak", "MB", {
			of: ({ peakBytes }) => peakBytes,
			show: megabytes,
		}),
		growthPlot(here),
	].filter((plot) => plot !== undefined);
}

interface Question {
	readonly of: (sample: Sample) => number | undefined;
	readonly show: (value: number) => string;
}

function bars(
	results: readonly Kept[],
	name: string,
	title: string,
	unit: string,
	{ of, show }: Question,
): Plot | undefined {
	const groups = results.flatMap(({ name: group, series = [] }) => {
		const all = series
			.filter(({ contestant, cache }) => cache === "warm" && contestant !== UNSYNCED)
			.flatMap(({ contestant, samples }): Bar[] => {
				const values = samples.map(of).filter((value) => value !== undefined);
				if (values.length === 0) return [];
				const [low, high] = [Math.min(...values), Math.max(...values)];
				return [{ name: contestant, value: median(values), low, high }];
			})
			.sort((a, b) => a.value - b.value);
		return all.length === 0 ? [] : [{ name: group, bars: all }];
	});
	if (groups.length === 0) return undefined;
	const full = `${title}; ${unit}, logarithmic; a line goes from the least to the greatest round`;
	return { file: `benchmarks-${name}.svg`, title, svg: barPlot({ title: full, groups, show }) };
}

/** Each contestant at the files of W1 and W4; ours also at the sizes in between. */
function growthPlot(results: readonly Kept[]): Plot | undefined {
	const trees = ["W1", "W4"].flatMap((name) => results.filter((each) => each.name === name));
	const all = trees.flatMap(({ series = [] }) => series.map(({ contestant }) => contestant));
	const names = new Set(all.filter((name) => name !== UNSYNCED));
	const between = results.find(({ name }) => name === "growth")?.figures ?? {};
	const lines: LinePlot["lines"] = [...names].map((name) => {
		const points = trees.flatMap((kept) => {
			const times = timesOf(kept, name, "durable");
			const x = kept.workload?.files;
			return x === undefined || times.length === 0 ? [] : [{ x, y: median(times) / 1000 }];
		});
		const more = Object.entries(between).flatMap(([figure, times]) => {
			const x = Number(/^restore of (\d+) files/.exec(figure)?.[1]);
			return name === OURS && x > 0 ? [{ x, y: median(times) / 1000 }] : [];
		});
		return { name, points: [...points, ...more].sort((a, b) => a.x - b.x) };
	});
	const drawn = lines.filter(({ points }) => points.length > 1);
	if (drawn.length === 0) return undefined;
	const title = "How the time of a restore grows with the number of files";
	const svg = linePlot({
		title: `${title}; both axes logarithmic, so a slope of one is linear`,
		lines: drawn,
		showX: (value) => `${value.toLocaleString("en-US")} files`,
		showY: (value) => `${value} s`,
	});
	return { file: "benchmarks-growth.svg", title, svg };
}
