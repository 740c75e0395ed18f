import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { atMost } from "../budget.ts";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { exactCpuMs, memory } from "../proc.ts";
import { measure } from "../processes.ts";
import { megabytes } from "../statistics.ts";

const IDLE_MS = 60_000;
const SETTLING_MS = 8_000;
const CPU_SHARE = 0.003;
const RSS_BYTES: Readonly<Record<string, number>> = { W1: 220e6, W2: 130e6 };

const CPU = "idle on W1, CPU, share of a core";
const rss = (workload: string) => `idle on ${workload}, RSS, bytes`;
const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

export const idle: Measurement = {
	name: "idle",
	title:
		"A daemon that watches a workspace in which nothing happens, for 60 s with one sweep in them",
	budgets: [
		atMost("idle, W1 watched: requests", "idle on W1, requests", 0, String, "0"),
		atMost(
			"idle, W1 watched: CPU",
			CPU,
			CPU_SHARE,
			percent,
			`<= ${CPU_SHARE * 100} % of one core, a sweep included`,
		),
		...Object.entries(RSS_BYTES).map(([workload, most]) =>
			atMost(`memory, idle on ${workload} (RSS)`, rss(workload), most, megabytes),
		),
	],
	run: async (lab) => {
		const figures: Record<string, readonly number[]> = {};
		for (const workload of Object.keys(RSS_BYTES)) {
			const { cpuShare, requests, rssBytes, watchedBytes } = await watchIdle(lab, workload);
			figures[rss(workload)] = [rssBytes];
			figures[`idle on ${workload}, requests`] = [requests];
			figures[`idle on ${workload}, CPU, share of a core`] = [cpuShare];
			figures[`chokidar alone on ${workload}, more than before it was loaded, bytes`] = [
				watchedBytes,
			];
		}
		return { figures };
	},
};

interface Idleness {
	readonly cpuShare: number;
	readonly requests: number;
	readonly rssBytes: number;
	/** The memory growth of a process that only watches the same directory with chokidar. */
	readonly watchedBytes: number;
}

async function watchIdle(lab: Lab, workload: string): Promise<Idleness> {
	const made = await lab.workload(workload);
	const workspace = lab.fresh("idle");
	cpSync(made.directory, workspace, {
		recursive: true,
		preserveTimestamps: true,
		verbatimSymlinks: true,
	});
	const place = lab.place(workspace, `idle-${workload}`, made.profile, lab.countedEndpoint);
	await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
	const idleMs = lab.waitMs(IDLE_MS, 3_000);
	const daemon = await lab.tool.daemon(place, [
		"--sweep-interval",
		`${Math.round((idleMs * 2) / 3)}ms`,
	]);
	try {
		await delay(lab.waitMs(SETTLING_MS, 2_000));
		const cpuBefore = exactCpuMs(daemon.pid);
		const startedMs = performance.now();
		const { traffic } = await lab.counted(async () => await delay(idleMs));
		const cpuShare = (exactCpuMs(daemon.pid) - cpuBefore) / (performance.now() - startedMs);
		const rssBytes = memory(daemon.pid)?.rssBytes ?? Number.NaN;
		const requests = Object.values(traffic.requests).reduce((sum, count) => sum + count, 0);
		return { cpuShare, requests, rssBytes, watchedBytes: await chokidarBytes(workspace) };
	} finally {
		await daemon.stop();
	}
}

const WATCH_ALONE = `
const { createRequire } = await import("node:module");
const { FSWatcher } = createRequire(process.argv[1])("chokidar");
const before = process.memoryUsage.rss();
const watcher = new FSWatcher({ ignored: (_, stats) => stats !== undefined && !stats.isDirectory(), ignoreInitial: true });
watcher.add(process.argv[2]);
await new Promise((resolve) => watcher.once("ready", resolve));
await new Promise((resolve) => setTimeout(resolve, 1_000));
console.log(process.memoryUsage.rss() - before);
process.exit();
`;

async function chokidarBytes(workspace: string): Promise<number> {
	const sidecar = join(import.meta.dirname, "../../packages/sidecar/package.json");
	const { stdout } = await measure({
		argv: [process.execPath, "--input-type=module", "-e", WATCH_ALONE, sidecar, workspace],
		name: "chokidar",
	});
	return Number(stdout);
}
