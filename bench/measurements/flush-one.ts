import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { atMost, type Budget, figureRatio } from "../budget.ts";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { milliseconds } from "../statistics.ts";
import { AT_ONCE } from "../tool.ts";
import { notes } from "../workloads.ts";

/** The size of a file that changes; it stays constant. */
const SMALL_BYTES = 3_000;
const PUT_FACTOR = 1.5;
/** A flush beside many files may not walk them. */
const GROWTH_FACTOR = 1.2;
const WARM_UP = 3;

const FEW = "10";
const MANY = "50,000";

/** A namespace takes no comma. */
const namespaceOf = (beside: string) => `flush-one-${beside.replaceAll(",", "")}`;

export const flushOne: Measurement = {
	name: "flush-one",
	title:
		"One changed small file made durable by a running daemon, against one bare PUT of the same bytes",
	budgets: [
		...[FEW, MANY].flatMap((beside): Budget[] => [
			figureRatio(
				`flush of 1 changed small file beside ${beside} unchanged ones`,
				[`flush beside ${beside}, ms`, `PUT beside ${beside}, ms`],
				PUT_FACTOR,
				milliseconds,
				"one bare PUT of the same bytes",
			),
			atMost(`its requests beside ${beside}`, `requests beside ${beside}`, 1, String, "1"),
		]),
		figureRatio(
			`the same flush beside ${MANY} files as beside ${FEW}`,
			[`flush beside ${MANY}, ms`, `flush beside ${FEW}, ms`],
			GROWTH_FACTOR,
			milliseconds,
			`the one beside ${FEW}`,
		),
	],
	run: async (lab) => {
		const few = lab.fresh("few");
		notes(few, 10, 2, 1);
		const many = await lab.workload("W4");
		return {
			figures: {
				...(await timeFlushes(lab, few, FEW)),
				...(await timeFlushes(lab, copyOf(lab, many.directory), MANY)),
			},
		};
	},
};

export async function timeFlushes(
	lab: Lab,
	workspace: string,
	beside: string,
): Promise<Readonly<Record<string, readonly number[]>>> {
	const file = join(workspace, "changing.md");
	writeFileSync(file, "a".repeat(SMALL_BYTES));
	const place = lab.place(workspace, namespaceOf(beside), "plain", lab.countedEndpoint);
	await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
	const timer = await lab.store.timer(lab.countedEndpoint);
	const daemon = await lab.tool.daemon(place, AT_ONCE);
	try {
		await delay(lab.waitMs(3_000));
		const flushMs: number[] = [];
		const seenMs: number[] = [];
		const putMs: number[] = [];
		const requests: number[] = [];
		for (let round = -WARM_UP; round < lab.options.rounds * 4; round++) {
			const content = `${String(round).padStart(8)}${"b".repeat(SMALL_BYTES - 8)}`;
			const from = daemon.events.length;
			const { result, traffic } = await lab.counted(async () => {
				const writtenMs = performance.now();
				writeFileSync(file, content);
				const committed = await daemon.event("flush.committed", from);
				return { committed, seenMs: committed.seenMs - writtenMs };
			});
			const bareMs = await timer.putMs(Number(result.committed.bytes));
			// Longer than the daemon's pause, which keeps flushes below a tenth of a core.
			await delay(700);
			if (round < 0) continue;
			requests.push(Object.values(traffic.requests).reduce((sum, count) => sum + count, 0));
			flushMs.push(Number(result.committed.ms));
			seenMs.push(result.seenMs);
			putMs.push(bareMs);
		}
		return {
			// According to the daemon, from the start of the flush to durable.
			[`flush beside ${beside}, ms`]: flushMs,
			[`PUT beside ${beside}, ms`]: putMs,
			[`requests beside ${beside}`]: requests,
			[`from the write to the log line beside ${beside}, watcher included, ms`]: seenMs,
		};
	} finally {
		timer.close();
		await daemon.stop();
	}
}

/** Workloads must not change, so this changes a copy. */
function copyOf(lab: Lab, directory: string): string {
	const copy = lab.fresh("copy");
	cpSync(directory, copy, { recursive: true, preserveTimestamps: true });
	return copy;
}
