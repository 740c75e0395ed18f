import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { remove } from "../page-cache.ts";
import { exactCpuMs, memory } from "../proc.ts";
import type { Line } from "../results.ts";
import { median, medianRatio, megabytes, milliseconds, seconds } from "../statistics.ts";
import { timeFlushes } from "./flush-one.ts";

/** Files, directories and the workspace itself: W4's number, and two monorepos with node_modules. */
const ENTRIES = [55_000, 250_000, 1_000_000] as const;
/** As in node_modules. */
const FILES_IN_EACH = 10;
/** Node itself, the code, and the buffers of transfers. */
const BASE_BYTES = 200e6;
/** For 100,000 entries. */
const PEAK_BYTES = 400e6;
const IDLE_BYTES = 150e6;
const PUT_FACTOR = 1.5;
const IDLE_SHARE = 0.003;
const SETTLING_MS = 10_000;
const IDLE_MS = 60_000;

export const trees: Measurement = {
	name: "trees",
	title: "Trees of 55,000, 250,000 and 1,000,000 entries: files of 20 bytes, ten in each directory",
	run: async (lab) => {
		const lines: Line[] = [];
		const notes: string[] = [];
		for (const wanted of ENTRIES) {
			const workspace = lab.fresh("tree");
			const entries = smallFiles(workspace, Math.round(wanted * lab.options.scale));
			const name = entries.toLocaleString("en-US");
			const bounded = (what: string, bytes: number, perEntry: number) => {
				const limit = BASE_BYTES + (entries / 100_000) * perEntry;
				lines.push({
					what: `${what}: ${name} entries`,
					budget: `<= ${megabytes(BASE_BYTES)} + ${megabytes(perEntry)} for 100,000 entries`,
					measured: megabytes(bytes),
					ratio: bytes / limit,
					isMet: bytes <= limit,
				});
			};
			const namespace = `trees-${wanted}`;
			const flushed = await lab.tool.run("flush", lab.place(workspace, namespace));
			bounded("memory, peak of a first flush", flushed.peakBytes, PEAK_BYTES);
			const copy = lab.fresh("restored");
			const restored = await lab.tool.run("restore", lab.place(copy, namespace));
			await remove([copy], lab.options.scale === 1);
			bounded("memory, peak of a restore", restored.peakBytes, PEAK_BYTES);
			const { rssBytes, cpuShare } = await watched(lab, workspace, namespace);
			bounded("memory, idle (RSS)", rssBytes, IDLE_BYTES);
			lines.push({
				what: `idle, one sweep included: CPU beside ${name} entries`,
				budget: `<= ${IDLE_SHARE * 100} % of one core`,
				measured: `${(cpuShare * 100).toFixed(2)} %`,
				ratio: cpuShare / IDLE_SHARE,
				isMet: cpuShare <= IDLE_SHARE,
			});
			const times = await timeFlushes(lab, workspace, name);
			const flushMs = times[`flush beside ${name}, ms`] ?? [];
			const putMs = times[`PUT beside ${name}, ms`] ?? [];
			const ratio = medianRatio(flushMs, putMs);
			lines.push({
				what: `flush of 1 changed small file beside ${name} entries`,
				budget: `<= ${PUT_FACTOR} x one bare PUT of the same bytes`,
				measured: `${milliseconds(median(flushMs))} / ${milliseconds(median(putMs))}`,
				ratio,
				isMet: ratio <= PUT_FACTOR,
			});
			notes.push(
				`${name} entries: first flush ${seconds(flushed.wallMs)} (CPU ${seconds(flushed.cpuMs)}), restore ${seconds(restored.wallMs)} (CPU ${seconds(restored.cpuMs)})`,
			);
			await remove([workspace], lab.options.scale === 1);
		}
		return { lines, notes };
	},
};

/** A daemon with the default sweep interval, after its first sweep. */
async function watched(
	lab: Lab,
	workspace: string,
	namespace: string,
): Promise<{ readonly rssBytes: number; readonly cpuShare: number }> {
	const daemon = await lab.tool.daemon(lab.place(workspace, namespace));
	try {
		await delay(SETTLING_MS);
		const before = exactCpuMs(daemon.pid);
		const startedMs = performance.now();
		await delay(Math.max(5_000, IDLE_MS * Math.min(1, lab.options.scale)));
		const cpuShare = (exactCpuMs(daemon.pid) - before) / (performance.now() - startedMs);
		return { rssBytes: memory(daemon.pid)?.rssBytes ?? Number.NaN, cpuShare };
	} finally {
		await daemon.stop();
	}
}

/** @returns the entries, with the directory itself */
function smallFiles(directory: string, wanted: number): number {
	let entries = 1;
	mkdirSync(directory, { recursive: true });
	for (let index = 0; entries + FILES_IN_EACH + 1 < wanted; index++) {
		if (index % 100 === 0) entries++;
		const place = join(directory, `package-${Math.floor(index / 100)}`, `module-${index}`);
		mkdirSync(place, { recursive: true });
		for (let file = 0; file < FILES_IN_EACH; file++)
			writeFileSync(join(place, `file-${file}.js`), `${index} ${file}`.padEnd(20));
		entries += FILES_IN_EACH + 1;
	}
	return entries;
}
