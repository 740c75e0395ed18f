import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { exactCpuMs, memory } from "../proc.ts";
import { measure } from "../processes.ts";
import type { Line } from "../results.ts";
import { megabytes } from "../statistics.ts";

const IDLE_MS = 60_000;
const SETTLING_MS = 8_000;
const CPU_SHARE = 0.003;
const RSS_BYTES: Readonly<Record<string, number>> = { W1: 220e6, W2: 130e6 };

export const idle: Measurement = {
	name: "idle",
	title:
		"A daemon that watches a workspace in which nothing happens, for 60 s with one sweep in them",
	run: async (lab) => {
		const lines: Line[] = [];
		const notes: string[] = [];
		for (const workload of ["W1", "W2"]) {
			const { cpuShare, requests, rssBytes, watchedBytes } = await watchIdle(lab, workload);
			const limit = RSS_BYTES[workload] as number;
			if (workload === "W1") {
				lines.push({
					what: "idle, W1 watched: requests",
					budget: "0",
					measured: String(requests),
					isMet: requests === 0,
				});
				lines.push({
					what: "idle, W1 watched: CPU",
					budget: `<= ${CPU_SHARE * 100} % of one core, a sweep included`,
					measured: `${(cpuShare * 100).toFixed(2)} %`,
					ratio: cpuShare / CPU_SHARE,
					isMet: cpuShare <= CPU_SHARE,
				});
			}
			lines.push({
				what: `memory, idle on ${workload} (RSS)`,
				budget: `<= ${megabytes(limit)}`,
				measured: megabytes(rssBytes),
				ratio: rssBytes / limit,
				isMet: rssBytes <= limit,
			});
			notes.push(
				`chokidar alone on ${workload}: ${megabytes(watchedBytes)} more than before it was loaded`,
			);
		}
		return { lines, notes };
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
	const idleMs = Math.max(5_000, IDLE_MS * Math.min(1, lab.options.scale));
	const daemon = await lab.tool.daemon(place, [
		"--sweep-interval",
		`${Math.round((idleMs * 2) / 3)}ms`,
	]);
	try {
		await delay(SETTLING_MS);
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
