/** The commits over time: one bar each, as high as the bytes it stored, in its writer's colour. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { axisTime, bytes, exactTime } from "./format.ts";
import { at, describedRows, go, indexOf, rowsVersion, timeline } from "./state.ts";
import { theme } from "./theme.ts";
import { locale } from "./words.ts";
import { writerColour } from "./writers.ts";

const HEIGHT = 112;
/** Bars closer than this are drawn as one. */
const LEAST_BAR_PX = 2;
/** The foot of the bars. */
const LEAST_BYTES = 100;
const KIB = 1024;
/** Lines of the grid, at most four of these. */
const BYTES_SHOWN = Array.from({ length: 16 }, (_, index) => 256 * 4 ** index);
const MOST_LINES = 4;

export interface ChartHandle {
	zoom(factor: number): void;
	all(): void;
}

export function TimelineChart({ handle }: { readonly handle: { current: ChartHandle | null } }) {
	const place = useRef<HTMLDivElement>(null);
	const plot = useRef<uPlot | null>(null);
	const data = timeline.value;

	useEffect(() => {
		const element = place.current;
		if (element === null || data === undefined || data.seqs.length === 0) return;
		const times = data.times.map((time) => time / 1000);
		const made = new uPlot(
			optionsOf(element.clientWidth, most(data.bytes)),
			[times, data.bytes as number[]],
			element,
		);
		plot.current = made;
		const [first, last] = [times[0] as number, times.at(-1) as number];
		const margin = Math.max(60, (last - first) * 0.02);
		const bounds: readonly [number, number] = [first - margin, last + margin];
		made.setScale("x", { min: bounds[0], max: bounds[1] });
		handle.current = {
			zoom: (factor) => {
				const { min = bounds[0], max = bounds[1] } = made.scales.x as uPlot.Scale;
				const seq = indexOf(at.peek());
				const centre = Math.min(max, Math.max(min, times[seq] as number));
				const next = [centre - (centre - min) * factor, centre + (max - centre) * factor] as const;
				const isAll = next[0] <= bounds[0] && next[1] >= bounds[1];
				made.setScale("x", {
					min: isAll ? bounds[0] : Math.max(bounds[0], next[0]),
					max: isAll ? bounds[1] : Math.min(bounds[1], next[1]),
				});
			},
			all: () => made.setScale("x", { min: bounds[0], max: bounds[1] }),
		};
		const observer = new ResizeObserver(() => {
			if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT });
		});
		observer.observe(element);
		return () => {
			observer.disconnect();
			made.destroy();
			plot.current = null;
		};
	}, [data, locale.value]);

	useEffect(() => {
		plot.current?.redraw(false);
	}, [at.value, rowsVersion.value, theme.value]);

	return <div ref={place} class="chart" aria-hidden="true" />;
}

function optionsOf(width: number, highest: number): uPlot.Options {
	const style = () => getComputedStyle(document.documentElement);
	const colour = (name: string) => () => style().getPropertyValue(name);
	const font = `11px ${style().getPropertyValue("--font-ui")}`;
	return {
		width,
		height: HEIGHT,
		padding: [8, 12, 0, 0],
		legend: { show: false },
		cursor: {
			y: false,
			points: { show: false },
			drag: { x: true, y: false, setScale: true },
			bind: {
				// A click goes to the nearest commit; a drag zooms.
				click: (plot, _target, handler) => (event) => {
					const { left = -1 } = plot.cursor;
					if (plot.select.width < 4 && left >= 0) {
						const index = plot.posToIdx(left);
						const seq = timeline.peek()?.seqs[index];
						if (seq !== undefined) go({ at: seq });
					}
					return handler(event);
				},
				dblclick: () => () => null,
			},
		},
		scales: {
			x: { time: true, auto: false },
			y: { distr: 3, auto: false, range: () => [LEAST_BYTES, highest * 1.4] },
		},
		axes: [
			{
				stroke: colour("--text-soft"),
				font,
				size: 26,
				space: 90,
				grid: { show: false },
				ticks: { stroke: colour("--line"), width: 1, size: 4 },
				values: (_plot, seconds) => seconds.map((value) => axisTime(value * 1000)),
			},
			{
				stroke: colour("--text-soft"),
				font,
				size: 58,
				gap: 4,
				grid: { stroke: colour("--line-soft"), width: 1 },
				ticks: { show: false },
				splits: (plot) => {
					const all = BYTES_SHOWN.filter((value) => value <= (plot.scales.y?.max ?? 0));
					const every = Math.ceil(all.length / MOST_LINES);
					return all.filter((_, index) => (index + 1) % every === 0);
				},
				// One line for each split, all of them.
				filter: (_plot, splits) => splits,
				values: (_plot, values) => values.map((value) => bytes(value)),
			},
		],
		series: [{}, { show: true, paths: () => null, points: { show: false } }],
		hooks: { draw: [draw], setCursor: [showTip] },
	};
}

/** A log of small commits has low bars. */
function most(sizes: readonly number[]): number {
	return sizes.reduce((highest, size) => Math.max(highest, size), 4 * KIB);
}

function draw(plot: uPlot): void {
	const data = timeline.peek();
	if (data === undefined) return;
	const { ctx, bbox } = plot;
	const style = getComputedStyle(document.documentElement);
	const ratio = devicePixelRatio;
	const rows = describedRows();
	const width = Math.max(LEAST_BAR_PX, 3) * ratio;
	const bottom = bbox.top + bbox.height;
	const alarms: number[] = [];
	const { min = 0, max = 0 } = plot.scales.x as uPlot.Scale;
	ctx.save();
	ctx.beginPath();
	ctx.rect(bbox.left, 0, bbox.width, bottom);
	ctx.clip();
	const plain = style.getPropertyValue("--bar");
	let lastX = Number.NEGATIVE_INFINITY;
	let highest = Number.POSITIVE_INFINITY;
	for (let index = 0; index < data.seqs.length; index++) {
		const seconds = (data.times[index] as number) / 1000;
		if (seconds < min || seconds > max) continue;
		const x = Math.round(plot.valToPos(seconds, "x", true));
		const row = rows.get(data.seqs[index] as number);
		if (row?.flags?.includes("alarm") === true) alarms.push(x);
		const y = plot.valToPos(Math.max(LEAST_BYTES, data.bytes[index] as number), "y", true);
		// What a higher bar hides need not be drawn.
		if (x - lastX < ratio && y >= highest) continue;
		if (x - lastX >= ratio) {
			lastX = x;
			highest = y;
		} else highest = Math.min(highest, y);
		ctx.fillStyle =
			row?.writer === undefined ? plain : style.getPropertyValue(writerColour(row.writer));
		ctx.fillRect(x - width / 2, y, width, bottom - y);
	}
	drawAlarms(ctx, alarms, style.getPropertyValue("--bad"), bbox.top, ratio);
	const seconds = (data.times[indexOf(at.peek())] ?? 0) / 1000;
	if (seconds >= min && seconds <= max) {
		const x = Math.round(plot.valToPos(seconds, "x", true));
		ctx.fillStyle = style.getPropertyValue("--accent");
		ctx.fillRect(x - ratio, 0, 2 * ratio, bottom);
		ctx.beginPath();
		ctx.moveTo(x - 6 * ratio, 0);
		ctx.lineTo(x + 6 * ratio, 0);
		ctx.lineTo(x, 8 * ratio);
		ctx.fill();
	}
	ctx.restore();
}

/** Triangles: a colour alone would not be enough. */
function drawAlarms(
	ctx: CanvasRenderingContext2D,
	places: readonly number[],
	colour: string,
	top: number,
	ratio: number,
): void {
	ctx.fillStyle = colour;
	for (const x of places) {
		ctx.beginPath();
		ctx.moveTo(x, top);
		ctx.lineTo(x - 5 * ratio, top + 9 * ratio);
		ctx.lineTo(x + 5 * ratio, top + 9 * ratio);
		ctx.fill();
	}
}

function showTip(plot: uPlot): void {
	const { left = -1, idx } = plot.cursor;
	const data = timeline.peek();
	const seq = idx == null ? undefined : data?.seqs[idx];
	plot.over.title =
		left < 0 || seq === undefined || data === undefined || idx == null
			? ""
			: `#${seq}  ${exactTime(data.times[idx] as number)}  ${bytes(data.bytes[idx] as number)}`;
}
