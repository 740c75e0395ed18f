import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askDaemon } from "../../packages/sidecar/src/daemon/control.ts";
import type { Measurement } from "../measurement.ts";
import { median, milliseconds, seconds } from "../statistics.ts";
import { notes } from "../workloads.ts";

const SIZES = [1, 2, 4] as const;
const FILES = 10_000;
/** Linear, plus a fifth for the effect of a larger tree on caches. */
const LINEAR = 1.2;

export const growth: Measurement = {
	name: "growth",
	title: "Restore of 10,000, 20,000 and 40,000 files of W1's kind",
	run: async (lab) => {
		const { scale, rounds } = lab.options;
		const walls = SIZES.map((): number[] => []);
		for (const [index, size] of SIZES.entries()) {
			const directory = lab.fresh("grown");
			notes(directory, FILES * size * scale, (FILES * size * scale) / 10, 4);
			await lab.tool.run(
				"flush",
				lab.place(directory, `growth-${index}`, "plain", lab.directEndpoint),
			);
		}
		for (let round = 0; round < rounds; round++) {
			for (const [index] of SIZES.entries()) {
				walls[index]?.push(
					(await lab.tool.run("restore", lab.place(lab.fresh("restored"), `growth-${index}`)))
						.wallMs,
				);
			}
		}
		const [once = Number.NaN, , fourTimes = Number.NaN] = walls.map(median);
		const ratio = fourTimes / (4 * once);
		return {
			lines: [
				{
					what: "growth: restore of 4 x W1's files",
					budget: `<= 4 x restore of W1, ${LINEAR} for caches`,
					measured: walls.map((each) => seconds(median(each))).join(", "),
					ratio,
					isMet: ratio <= LINEAR,
				},
			],
		};
	},
};

const COMMITS = 10_000;
const SAMPLE = 50;

export const commits: Measurement = {
	name: "commits",
	title: "Commit 10 and commit 10,000 of one log",
	run: async (lab) => {
		const workspace = lab.fresh("commits");
		mkdirSync(workspace);
		notes(workspace, 10, 2, 5);
		const place = lab.place(workspace, "commits", "plain", lab.directEndpoint);
		const daemon = await lab.tool.daemon(place, [
			"--quiet-period",
			"60m",
			"--max-delay",
			"60m",
			"--sweep-interval",
			"60m",
		]);
		const count = Math.max(3 * SAMPLE, Math.round(COMMITS * Math.min(1, lab.options.scale)));
		const ms: number[] = [];
		try {
			for (let commit = 0; commit < count; commit++) {
				writeFileSync(join(workspace, "changing.md"), `${commit}\n`);
				const startedMs = performance.now();
				await askDaemon(join(place.machine, "state"), workspace, "flush");
				ms.push(performance.now() - startedMs);
			}
		} finally {
			await daemon.stop();
		}
		const early = median(ms.slice(SAMPLE, 2 * SAMPLE));
		const late = median(ms.slice(-SAMPLE));
		const { wallMs } = await lab.tool.run("restore", {
			...lab.place(lab.fresh("restored"), "commits"),
			env: lab.env(),
		});
		return {
			lines: [
				{
					what: `growth: commit ${count.toLocaleString("en-US")} against commit ${SAMPLE + 10}`,
					budget: "as fast",
					measured: `${milliseconds(late)} / ${milliseconds(early)}`,
					ratio: late / early,
					isMet: late / early <= 1.2,
				},
			],
			notes: [
				`no added delay here; a restore after ${count.toLocaleString("en-US")} commits took ${seconds(wallMs)}`,
			],
		};
	},
};
