import { appendFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { Random } from "../random.ts";
import type { Line, Result } from "../results.ts";
import { median, medianRatio, megabytes, milliseconds } from "../statistics.ts";
import type { Daemon } from "../tool.ts";
import { database, notes, touchRows } from "../workloads.ts";

const MiB = 1024 * 1024;
/** The size of a file that changes; it stays constant. */
const SMALL_BYTES = 3_000;
const PUT_FACTOR = 1.5;
const WARM_UP = 3;

/** No quiet period, because the flush itself is measured. */
const AT_ONCE = ["--quiet-period", "0ms", "--max-delay", "0ms", "--sweep-interval", "60m"] as const;

export const flushOne: Measurement = {
	name: "flush-one",
	title:
		"One changed small file made durable by a running daemon, against one bare PUT of the same bytes",
	run: async (lab) => {
		const few = lab.fresh("few");
		notes(few, 10, 2, 1);
		const many = await lab.workload("W4");
		const beside10 = await timeFlushes(lab, few, "few");
		const beside50000 = await timeFlushes(lab, copyOf(lab, many.directory), "many");
		const lines: Line[] = [];
		for (const [beside, times] of [
			["10", beside10],
			[many.files.toLocaleString("en-US"), beside50000],
		] as const) {
			const ratio = medianRatio(times.flushMs, times.putMs);
			lines.push({
				what: `flush of 1 changed small file beside ${beside} unchanged ones`,
				budget: `<= ${PUT_FACTOR} x one bare PUT of the same bytes`,
				measured: `${milliseconds(median(times.flushMs))} / ${milliseconds(median(times.putMs))}`,
				ratio,
				isMet: ratio <= PUT_FACTOR,
			});
			lines.push({
				what: `its requests beside ${beside}`,
				budget: "1",
				measured: String(times.requestsPerFlush),
				isMet: times.requestsPerFlush === 1,
			});
		}
		const growth = median(beside50000.flushMs) / median(beside10.flushMs);
		lines.push({
			what: "the same flush beside 50,000 files as beside 10",
			budget: "<= 1.2 x",
			measured: `${milliseconds(median(beside50000.flushMs))} / ${milliseconds(median(beside10.flushMs))}`,
			ratio: growth,
			isMet: growth <= 1.2,
		});
		const outside = `from the write to the log line, watcher included: ${milliseconds(median(beside10.seenMs))} beside 10, ${milliseconds(median(beside50000.seenMs))} beside ${many.files}`;
		return { lines, notes: [outside] };
	},
};

interface Times {
	/** The duration of the flush according to the daemon, from its start to durable. */
	readonly flushMs: number[];
	/** The time from the write to the line in its log. */
	readonly seenMs: number[];
	readonly putMs: number[];
	readonly requestsPerFlush: number;
}

async function timeFlushes(lab: Lab, workspace: string, namespace: string): Promise<Times> {
	const file = join(workspace, "changing.md");
	writeFileSync(file, "a".repeat(SMALL_BYTES));
	const place = lab.place(workspace, `flush-one-${namespace}`, "plain", lab.countedEndpoint);
	await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
	const timer = await lab.store.timer(lab.countedEndpoint);
	const daemon = await lab.tool.daemon(place, AT_ONCE);
	try {
		await delay(3_000);
		const times: Omit<Times, "requestsPerFlush"> = { flushMs: [], seenMs: [], putMs: [] };
		const rounds = lab.options.rounds * 4;
		let requests = 0;
		for (let round = -WARM_UP; round < rounds; round++) {
			const content = `${String(round).padStart(8)}${"b".repeat(SMALL_BYTES - 8)}`;
			const from = daemon.events.length;
			const { result, traffic } = await lab.counted(async () => {
				const writtenMs = performance.now();
				writeFileSync(file, content);
				const committed = await daemon.event("flush.committed", from);
				return { committed, seenMs: committed.seenMs - writtenMs };
			});
			const putMs = await timer.putMs(Number(result.committed.bytes));
			// Longer than the daemon's pause, which keeps flushes below a tenth of a core.
			await delay(700);
			if (round < 0) continue;
			requests += Object.values(traffic.requests).reduce((sum, count) => sum + count, 0);
			times.flushMs.push(Number(result.committed.ms));
			times.seenMs.push(result.seenMs);
			times.putMs.push(putMs);
		}
		return { ...times, requestsPerFlush: requests / rounds };
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

const TOUCHED_SHARE = 0.01;
const TOUCHED_FACTOR = 1.5;

export const flushDatabase: Measurement = {
	name: "flush-database",
	title:
		"A 100 MB SQLite database of which 1 % of the pages changed, spread at random, beside its open writer",
	run: async (lab) => {
		const workspace = lab.fresh("database");
		mkdirSync(workspace);
		const file = join(workspace, "memory.sqlite");
		database(file, 100 * MiB * lab.options.scale);
		const place = lab.place(workspace, "flush-database", "plain", lab.countedEndpoint);
		await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
		const daemon = await lab.tool.daemon(place, AT_ONCE);
		const ratios: number[] = [];
		const flushMs: number[] = [];
		let sentBytes = 0;
		let touchedBytes = 0;
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
				({ touchedBytes } = result);
				({ sentBytes } = traffic);
				ratios.push(sentBytes / touchedBytes);
			}
		} finally {
			await daemon.stop();
		}
		const ratio = median(ratios);
		return {
			lines: [
				{
					what: "SQLite 100 MB, 1 % of the pages touched: bytes uploaded",
					budget: `<= ${TOUCHED_FACTOR} x the touched bytes`,
					measured: `${megabytes(sentBytes)} / ${megabytes(touchedBytes)}`,
					ratio,
					isMet: ratio <= TOUCHED_FACTOR,
				},
			],
			notes: [`that flush took ${milliseconds(median(flushMs))}`],
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

const DIRTY_FILES = 1_000;
const DIRTY_BYTES = 50_000_000;
const DRAIN_MS = 3_000;

export const drain: Measurement = {
	name: "drain",
	title: "SIGTERM with 1,000 dirty small files and one of 50 MB",
	run: async (lab) => {
		const ms: number[] = [];
		let isInOrder = true;
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
			writeFileSync(
				join(workspace, "large.bin"),
				new Random(3).fill(Buffer.allocUnsafe(DIRTY_BYTES)),
			);
			await delay(1_000);
			const stopped = await daemon.stop();
			if (stopped.status !== 0) throw new Error(`the drain ended with status ${stopped.status}`);
			ms.push(stopped.ms);
			const commits = daemon.events.filter(({ event }) => event === "drain.committed");
			isInOrder &&=
				Number(commits[0]?.changed) >= DIRTY_FILES && Number(commits[0]?.bytes) < DIRTY_BYTES / 2;
		}
		return result(ms, isInOrder);
	},
};

function result(ms: readonly number[], isInOrder: boolean): Result {
	return {
		lines: [
			{
				what: "drain on SIGTERM, 1,000 dirty small files + 50 MB",
				budget: `all durable in < ${DRAIN_MS / 1000} s`,
				measured: milliseconds(median(ms)),
				ratio: median(ms) / DRAIN_MS,
				isMet: median(ms) < DRAIN_MS,
			},
			{
				what: "its order",
				budget: "small files first, in one commit",
				measured: isInOrder ? "so in every round" : "not in every round",
				isMet: isInOrder,
			},
		],
	};
}
