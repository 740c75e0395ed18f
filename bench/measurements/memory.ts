import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { atMost } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { megabytes } from "../statistics.ts";
import { bigFile } from "../workloads.ts";

const PEAK_BYTES = 300e6;
const BIG_BYTES = 4 * 1024 ** 3;
const BIG = "one file of 4 GiB";
const VERBS = ["first flush", "restore"] as const;
const WORKLOADS = ["W1", "W3", "W4", BIG] as const;

const figureOf = (verb: string, name: string) => `peak of a ${verb}: ${name}, bytes`;

export const peaks: Measurement = {
	name: "memory",
	title: "Peak memory (VmHWM) of a first flush and of a restore",
	budgets: WORKLOADS.flatMap((name) =>
		VERBS.map((verb) =>
			atMost(`memory, peak of a ${verb}: ${name}`, figureOf(verb, name), PEAK_BYTES, megabytes),
		),
	),
	run: async (lab) => {
		const big = lab.fresh("big");
		mkdirSync(big);
		bigFile(join(big, "model.bin"), Math.round(BIG_BYTES * lab.options.scale));
		const figures: Record<string, readonly number[]> = {};
		for (const name of WORKLOADS) {
			const directory = name === BIG ? big : (await lab.workload(name)).directory;
			const namespace = `memory-${WORKLOADS.indexOf(name)}`;
			const flushed = await lab.tool.run("flush", lab.place(directory, namespace));
			const to = lab.fresh("restored");
			const restored = await lab.tool.run("restore", lab.place(to, namespace));
			rmSync(to, { recursive: true, force: true });
			figures[figureOf("first flush", name)] = [flushed.peakBytes];
			figures[figureOf("restore", name)] = [restored.peakBytes];
		}
		rmSync(big, { recursive: true, force: true });
		return { figures };
	},
};
