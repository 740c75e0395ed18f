import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Measurement } from "../measurement.ts";
import type { Line } from "../results.ts";
import { megabytes } from "../statistics.ts";
import { bigFile } from "../workloads.ts";

const PEAK_BYTES = 300e6;
const BIG_BYTES = 4 * 1024 ** 3;

export const peaks: Measurement = {
	name: "memory",
	title: "Peak memory (VmHWM) of a first flush and of a restore",
	run: async (lab) => {
		const lines: Line[] = [];
		const big = lab.fresh("big");
		mkdirSync(big);
		const bigBytes = Math.round(BIG_BYTES * lab.options.scale);
		bigFile(join(big, "model.bin"), bigBytes);
		const all = [
			{ name: "W1", directory: (await lab.workload("W1")).directory },
			{ name: "W3", directory: (await lab.workload("W3")).directory },
			{ name: "W4", directory: (await lab.workload("W4")).directory },
			{ name: `one file of ${(bigBytes / 1e9).toFixed(1)} GB`, directory: big },
		];
		for (const [index, { name, directory }] of all.entries()) {
			const namespace = `memory-${index}`;
			const flushed = await lab.tool.run("flush", lab.place(directory, namespace));
			const restored = lab.fresh("restored");
			const { peakBytes } = await lab.tool.run("restore", lab.place(restored, namespace));
			rmSync(restored, { recursive: true, force: true });
			for (const [verb, bytes] of [
				["first flush", flushed.peakBytes],
				["restore", peakBytes],
			] as const) {
				lines.push({
					what: `memory, peak of a ${verb}: ${name}`,
					budget: `<= ${megabytes(PEAK_BYTES)}`,
					measured: megabytes(bytes),
					ratio: bytes / PEAK_BYTES,
					isMet: bytes <= PEAK_BYTES,
				});
			}
		}
		rmSync(big, { recursive: true, force: true });
		return { lines };
	},
};
