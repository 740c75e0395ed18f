import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Measurement } from "../measurement.ts";
import { measure, start as startProcess } from "../processes.ts";
import { median, milliseconds } from "../statistics.ts";
import { Daemon } from "../tool.ts";

const STARTS = 9;
/** The start time until `/ping`; the first log line of `run` stands for it. */
const START_MS = 300;

export const start: Measurement = {
	name: "start",
	title: "From the start of the process to its first output",
	run: async (lab) => {
		const home = lab.fresh("home");
		const workspace = lab.fresh("empty");
		mkdirSync(workspace);
		const cold: number[] = [];
		const version: number[] = [];
		const firstLine: number[] = [];
		const restored: number[] = [];
		const bare: number[] = [];
		for (let round = 0; round < STARTS; round++) {
			bare.push((await measure({ argv: [process.execPath, "-e", "0"], name: "node" })).wallMs);
			version.push((await measure(lab.tool.bare(["--version"], home))).wallMs);
			const place = lab.place(workspace, `start-${round}`);
			if (round === 0)
				rmSync(join(place.env.HOME ?? home, ".cache"), { recursive: true, force: true });
			const startedMs = performance.now();
			const daemon = new Daemon(startProcess(lab.tool.command("run", place)));
			const ms =
				(await daemon.event("watch.started")) &&
				(daemon.events[0]?.seenMs ?? Number.NaN) - startedMs;
			const ready = await daemon.event("fence.won");
			await daemon.stop();
			(round === 0 ? cold : firstLine).push(ms);
			if (round > 0) restored.push(ready.seenMs - startedMs);
		}
		return {
			lines: [
				{
					what: "start: exec to the first log line of `run`",
					budget: `<= ${START_MS} ms`,
					measured: milliseconds(median(firstLine)),
					ratio: median(firstLine) / START_MS,
					isMet: median(firstLine) <= START_MS,
				},
				{
					what: "start: `--version`, exec to exit",
					budget: "-",
					measured: milliseconds(median(version)),
					isMet: undefined,
				},
			],
			notes: [
				`node -e 0 took ${milliseconds(median(bare))}; \`run\` with a cold compile cache ${milliseconds(median(cold))}`,
				`from exec to the open gate, on an empty log: ${milliseconds(median(restored))}, in which a LIST and a PUT go over the link`,
			],
		};
	},
};
