import type { Bar } from "./results.ts";

export interface Group {
	readonly name: string;
	readonly bars: readonly Bar[];
}

const WIDTH = 820;
const LEFT = 150;
const RIGHT = 90;
const ROW = 20;
const HEAD = 34;

/**
 * Bars by group on a logarithmic axis of seconds, because peers differ by a factor of a hundred.
 * Readable on light and dark pages.
 */
export function plot(groups: readonly Group[]): string {
	const all = groups.flatMap(({ bars }) => bars.map(({ ms }) => ms / 1000));
	const least = 10 ** Math.floor(Math.log10(Math.min(...all)));
	const most = 10 ** Math.ceil(Math.log10(Math.max(...all) * 1.05));
	const x = (value: number) =>
		LEFT +
		((Math.log10(value) - Math.log10(least)) / (Math.log10(most) - Math.log10(least))) *
			(WIDTH - LEFT - RIGHT);
	const height = groups.reduce((sum, { bars }) => sum + HEAD + bars.length * ROW, 0) + 40;
	const parts: string[] = [];
	for (let tick = least; tick <= most * 1.001; tick *= 10) {
		parts.push(
			`<line class="grid" x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="8" y2="${height - 26}"/>`,
		);
		parts.push(
			`<text class="axis" x="${x(tick).toFixed(1)}" y="${height - 10}">${Number(tick.toPrecision(1))} s</text>`,
		);
	}
	let y = 8;
	for (const { name, bars } of groups) {
		parts.push(`<text class="group" x="8" y="${y + 22}">Restore ${escaped(name)}</text>`);
		y += HEAD;
		for (const { name: who, ms, samplesMs } of [...bars].sort((a, b) => a.ms - b.ms)) {
			const end = x(ms / 1000);
			const ours = who === "openclaw-sidecar" ? " ours" : "";
			const low = x(Math.min(...samplesMs) / 1000).toFixed(1);
			const high = x(Math.max(...samplesMs) / 1000).toFixed(1);
			parts.push(`<text class="who${ours}" x="${LEFT - 8}" y="${y + 13}">${escaped(who)}</text>`);
			parts.push(
				`<rect class="bar${ours}" x="${LEFT}" y="${y + 3}" width="${Math.max(1, end - LEFT).toFixed(1)}" height="${ROW - 6}"/>`,
			);
			parts.push(
				`<line class="spread" x1="${low}" x2="${high}" y1="${y + ROW / 2}" y2="${y + ROW / 2}"/>`,
			);
			parts.push(
				`<text class="value" x="${Math.max(end, Number(high)) + 6}" y="${y + 13}">${(ms / 1000).toFixed(2)} s</text>`,
			);
			y += ROW;
		}
	}
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
		"<title>Restore times, seconds, logarithmic; the line through a bar is from the fastest to the slowest round</title>",
		`<style>
text{font:12px system-ui,sans-serif;fill:#24292f}.group{font-weight:600;font-size:14px}.who{text-anchor:end}.ours{font-weight:600}.axis{text-anchor:middle}
.bar{fill:#8c959f}.bar.ours{fill:#1f6feb}.grid{stroke:#8c959f;stroke-opacity:.35}.spread{stroke:#24292f;stroke-width:1.5}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.spread{stroke:#e6edf3}}
</style>`,
		...parts,
		"</svg>",
		"",
	].join("\n");
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
