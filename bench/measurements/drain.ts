import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { atMost } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { Random } from "../random.ts";
import { milliseconds } from "../statistics.ts";
import { notes } from "../workloads.ts";

export const DIRTY_FILES = 1_000;
export const DIRTY_BYTES = 50_000_000;
export const DRAIN_MS = 3_000;
export const DRAIN_LIMIT = `all durable in < ${DRAIN_MS / 1000} s`;

export const drain: Measurement = {
	name: "drain",
	title: "SIGTERM with 1,000 dirty small files and one of 50 MB",
	budgets: [
		atMost(
			"drain on SIGTERM, 1,000 dirty small files + 50 MB",
			"drain, ms",
			DRAIN_MS,
			milliseconds,
			DRAIN_LIMIT,
		),
		{
			what: "its order",
			limit: "small files first, in one commit",
			judge: ({ figures }) => {
				const ordered = figures?.["small files first, 1 if so"];
				if (ordered === undefined) return undefined;
				const isMet = ordered.every((each) => each === 1);
				return { measured: isMet ? "so in every round" : "not in every round", isMet };
			},
		},
	],
	run: async (lab) => {
		const ms: number[] = [];
		const ordered: number[] = [];
		for (let round = 0; round < lab.options.rounds; round++) {
			const workspace = lab.fresh("drain");
			notes(workspace, 1_000 * lab.options.scale, 100, 2);
			// There is no flush before the drain.
			const patient = ["--quiet-period", "60m", "--max-delay", "60m"];
			const place = lab.place(workspace, `drain-${round}`);
			await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
			const daemon = await lab.tool.daemon(place, patient);
			for (let i = 0; i < DIRTY_FILES; i++)
				appendFileSync(join(workspace, `dirty-${i}.md`), `${i}\n`.repeat(100));
			const large = new Random(3).fill(Buffer.allocUnsafe(DIRTY_BYTES));
			writeFileSync(join(workspace, "large.bin"), large);
			await delay(1_000);
			const stopped = await daemon.stop();
			if (stopped.status !== 0) throw new Error(`the drain ended with status ${stopped.status}`);
			ms.push(stopped.ms);
			const [first] = daemon.events.filter(({ event }) => event === "drain.committed");
			const isOrdered =
				Number(first?.changed) >= DIRTY_FILES && Number(first?.bytes) < DIRTY_BYTES / 2;
			ordered.push(isOrdered ? 1 : 0);
		}
		return { figures: { "drain, ms": ms, "small files first, 1 if so": ordered } };
	},
};
