import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { figureRatio } from "../budget.ts";
import type { Measurement } from "../measurement.ts";
import { megabytes } from "../statistics.ts";
import { AT_ONCE, type Daemon } from "../tool.ts";
import { database, touchRows } from "../workloads.ts";

const MiB = 1024 * 1024;
const TOUCHED_SHARE = 0.01;
const TOUCHED_FACTOR = 1.5;

export const flushDatabase: Measurement = {
	name: "flush-database",
	title:
		"A 100 MB SQLite database of which 1 % of the pages changed, spread at random, beside its open writer",
	budgets: [
		figureRatio(
			"SQLite 100 MB, 1 % of the pages touched: bytes uploaded",
			["sent, bytes", "touched, bytes"],
			TOUCHED_FACTOR,
			megabytes,
			"the touched bytes",
		),
	],
	run: async (lab) => {
		const workspace = lab.fresh("database");
		mkdirSync(workspace);
		const file = join(workspace, "memory.sqlite");
		database(file, 100 * MiB * lab.options.scale);
		const place = lab.place(workspace, "flush-database", "plain", lab.countedEndpoint);
		await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
		const daemon = await lab.tool.daemon(place, AT_ONCE);
		const flushMs: number[] = [];
		const sent: number[] = [];
		const touchedBytes: number[] = [];
		try {
			for (let round = 0; round < lab.options.rounds; round++) {
				await settled(daemon);
				const from = daemon.events.length;
				const { result, traffic } = await lab.counted(async () => {
					const touched = touchRows(file, TOUCHED_SHARE, round);
					const committed = await daemon.event("flush.committed", from);
					touched.close();
					return { committed, touchedBytes: touched.touchedBytes };
				});
				flushMs.push(Number(result.committed.ms));
				touchedBytes.push(result.touchedBytes);
				sent.push(traffic.sentBytes);
			}
		} finally {
			await daemon.stop();
		}
		return {
			figures: { "sent, bytes": sent, "touched, bytes": touchedBytes, "that flush, ms": flushMs },
		};
	},
};

/** There was no flush for a while. */
async function settled(daemon: Daemon): Promise<void> {
	for (let seen = -1; seen !== daemon.events.length; ) {
		seen = daemon.events.length;
		await delay(1_500);
	}
}
