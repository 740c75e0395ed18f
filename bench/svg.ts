/** Plots as SVG, readable on light and dark pages. */
import { OURS } from "./contest.ts";

export interface Bar {
	readonly name: string;
	readonly value: number;
	/** From the least to the greatest round. */
	readonly low: number;
	readonly high: number;
}

export interface BarPlot {
	readonly title: string;
	readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
	/** Writes a value with its unit. */
	readonly show: (value: number) => string;
}

export interface Point {
	readonly x: number;
	readonly y: number;
}

export interface LinePlot {
	readonly title: string;
	readonly lines: readonly { readonly name: string; readonly points: readonly Point[] }[];
	readonly showX: (value: number) => string;
	readonly showY: (value: number) => string;
}

const WIDTH = 820;
const LEFT = 190;
const RIGHT = 90;
const ROW = 20;
const HEAD = 34;
const LINES_HEIGHT = 380;
const LABEL_STEP = 15;

/** Bars by group on a logarithmic axis, because peers differ by a factor of a hundred. */
export function barPlot({ title, groups, show }: BarPlot): string {
	const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value));
	const axis = logarithmic(Math.min(...values), Math.max(...values), LEFT, WIDTH - RIGHT);
	const height = groups.reduce((sum, { bars }) => sum + HEAD + bars.length * ROW, 0) + 40;
	const parts = axis.ticks.flatMap((tick) => [
		line("grid", axis.at(tick), 8, axis.at(tick), height - 26),
		label("axis", axis.at(tick), height - 10, show(tick)),
	]);
	let y = 8;
	for (const { name, bars } of groups) {
		parts.push(label("group", 8, y + 22, name));
		y += HEAD;
		for (const { name: who, value, low, high } of bars) {
			const own = who.startsWith(OURS) ? " ours" : "";
			const width = Math.max(1, axis.at(value) - LEFT);
			parts.push(label(`who${own}`, LEFT - 8, y + 13, who));
			parts.push(
				`<rect class="bar${own}" x="${LEFT}" y="${y + 3}" width="${width.toFixed(1)}" height="${ROW - 6}"/>`,
			);
			parts.push(line("spread", axis.at(low), y + ROW / 2, axis.at(high), y + ROW / 2));
			parts.push(label("value", axis.at(high) + 6, y + 13, show(value)));
			y += ROW;
		}
	}
	return document(height, title, parts);
}

/** Both axes are logarithmic: what is linear has a slope of one. */
export function linePlot({ title, lines, showX, showY }: LinePlot): string {
	const all = lines.flatMap(({ points }) => points);
	const [xs, ys] = [all.map(({ x }) => x), all.map(({ y }) => y)];
	const right = WIDTH - LEFT;
	const across = logarithmic(Math.min(...xs), Math.max(...xs), 70, right);
	const up = logarithmic(Math.min(...ys), Math.max(...ys), LINES_HEIGHT - 40, 10);
	const parts = [
		...across.ticks.flatMap((tick) => [
			line("grid", across.at(tick), 10, across.at(tick), LINES_HEIGHT - 40),
			label("axis", across.at(tick), LINES_HEIGHT - 20, showX(tick)),
		]),
		...up.ticks.flatMap((tick) => [
			line("grid", 70, up.at(tick), right, up.at(tick)),
			label("who", 62, up.at(tick) + 4, showY(tick)),
		]),
	];
	const endOf = (points: readonly Point[]) => points.at(-1) as Point;
	let free = Number.NEGATIVE_INFINITY;
	for (const { name, points } of lines.toSorted((a, b) => endOf(b.points).y - endOf(a.points).y)) {
		const own = name.startsWith(OURS) ? " ours" : "";
		const places = points.map(({ x, y }) => `${across.at(x).toFixed(1)},${up.at(y).toFixed(1)}`);
		parts.push(`<polyline class="line${own}" points="${places.join(" ")}"/>`);
		const last = endOf(points);
		free = Math.max(free + LABEL_STEP, up.at(last.y) + 4);
		parts.push(label(own.trim() || "name", across.at(last.x) + 8, free, name));
	}
	return document(LINES_HEIGHT, title, parts);
}

/** Whole powers of ten around the values. */
function logarithmic(least: number, most: number, from: number, to: number) {
	const first = Math.floor(Math.log10(least));
	const last = Math.max(first + 1, Math.ceil(Math.log10(most * 1.05)));
	return {
		ticks: Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index)),
		at: (value: number) => from + ((Math.log10(value) - first) / (last - first)) * (to - from),
	};
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
	const [a, b, c, d] = [x1, y1, x2, y2].map((each) => each.toFixed(1));
	return `<line class="${kind}" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`;
}

function label(kind: string, x: number, y: number, text: string): string {
	return `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}">${escaped(text)}</text>`;
}

function document(height: number, title: string, parts: readonly string[]): string {
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
		`<title>${escaped(title)}</title>`,
		STYLE,
		...parts,
		"</svg>",
		"",
	].join("\n");
}

const STYLE = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}.group{font-weight:600;font-size:14px}.who{text-anchor:end}.ours{font-weight:600}.axis{text-anchor:middle}
.bar{fill:#8c959f}.bar.ours{fill:#1f6feb}.grid{stroke:#8c959f;stroke-opacity:.35}.spread{stroke:#24292f;stroke-width:1.5}
.line{fill:none;stroke:#8c959f;stroke-width:2}.line.ours{stroke:#1f6feb;stroke-width:3}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.spread{stroke:#e6edf3}}
</style>`;

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
