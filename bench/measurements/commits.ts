import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { askDaemon } from "../../packages/sidecar/src/daemon/control.ts";
import type { Budget } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { median, milliseconds } from "../statistics.ts";
import { notes } from "../workloads.ts";

const COMMITS = 10_000;
const SAMPLE = 50;
const AS_FAST = 1.2;
const EARLY = "commits 51 to 100, ms";
const LATE = "the last 50 commits, ms";

const asFast: Budget = {
	what: "growth: the last commit of 10,000 against an early one",
	limit: `as fast, <= ${AS_FAST} x`,
	judge: ({ figures }) => {
		const [early, late] = [figures?.[EARLY], figures?.[LATE]];
		if (early === undefined || late === undefined) return undefined;
		const ratio = median(late) / median(early);
		const measured = `${milliseconds(median(late))} / ${milliseconds(median(early))}`;
		return { measured, ratio, isMet: ratio <= AS_FAST };
	},
};

export const commits: Measurement = {
	name: "commits",
	title: "Commit 50 and commit 10,000 of one log, with no added delay",
	budgets: [asFast],
	run: async (lab) => {
		const workspace = lab.fresh("commits");
		mkdirSync(workspace);
		notes(workspace, 10, 2, 5);
		const place = lab.place(workspace, "commits", "plain", lab.directEndpoint);
		const never = ["--quiet-period", "60m", "--max-delay", "60m", "--sweep-interval", "60m"];
		const daemon = await lab.tool.daemon(place, never);
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
		const to = lab.place(lab.fresh("restored"), "commits");
		const { wallMs } = await lab.tool.run("restore", to);
		return {
			figures: {
				[EARLY]: ms.slice(SAMPLE, 2 * SAMPLE),
				[LATE]: ms.slice(-SAMPLE),
				[`a restore after ${count.toLocaleString("en-US")} commits, ms`]: [wallMs],
			},
		};
	},
};
