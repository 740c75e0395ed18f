import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import type { Lab } from "../lab.ts";
import { weigh } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { FLOOR, type Peer } from "../peers.ts";
import { type Measured, measure } from "../processes.ts";
import type { Bar, Line, Result } from "../results.ts";
import { median, medianRatio, seconds } from "../statistics.ts";

/**
 * From the start of the process to its end, when files, modes and times are there. Ours has also
 * synced the disk (syncfs).
 */
const OURS = "openclaw-sidecar";

interface Contestant {
	readonly name: string;
	/** Restores into a directory that does not exist yet. */
	restore(directory: string): Promise<Measured>;
	/** The number of rounds; Infinity means every round. */
	readonly rounds: number;
	readonly samples: Measured[];
}

const W1_BUDGETS: Readonly<Record<string, number>> = {
	s5cmd: 0.5,
	rclone: 0.2,
	"aws s3 sync": 0.1,
	restic: 0.5,
	[FLOOR]: 1.5,
};
/** `restore <= 80 requests` */
const W1_REQUESTS = 80;

export const restores: readonly Measurement[] = ["W1", "W3", "W4", "W5"].map((name) => ({
	name,
	title: `Restore of ${name}`,
	run: async (lab, peers) => await measureRestore(lab, peers, name),
}));

async function measureRestore(lab: Lab, peers: readonly Peer[], workload: string): Promise<Result> {
	const made = await lab.workload(workload);
	const contestants = await prepare(lab, peers, workload);
	const disposable: string[] = [];
	const notes: string[] = [];
	for (let round = 0; round < lab.options.rounds; round++) {
		for (const contestant of contestants) {
			if (round >= contestant.rounds) continue;
			await lab.makeRoom(made.bytes * 1.2, disposable);
			const directory = lab.fresh("restored");
			disposable.push(directory);
			// The syncfs of this restore must not pay for data that the previous one left unwritten.
			execFileSync("sync", ["-f", lab.root]);
			contestant.samples.push(await contestant.restore(directory));
			console.log(
				`  ${workload} round ${round + 1} ${contestant.name}: ${seconds(contestant.samples.at(-1)?.wallMs ?? 0)}`,
			);
			if (round > 0) continue;
			const { files, bytes } = weigh(directory);
			if (files !== made.files || bytes !== made.bytes) {
				throw new Error(
					`${contestant.name} brought ${files} files and ${bytes} bytes of ${workload}'s ${made.files} and ${made.bytes}`,
				);
			}
		}
	}
	const bars = contestants.map(({ name, samples }) => barOf(name, samples));
	const requests = await countRequests(lab, workload, disposable);
	for (const path of disposable) rmSync(path, { recursive: true, force: true });
	notes.push(
		`requests of one restore: ${Object.entries(requests)
			.map(([name, count]) => `${count} ${name}`)
			.join(", ")}`,
	);
	const lines =
		workload === "W1" ? linesOfW1(contestants, requests) : [lineAgainstBest(workload, contestants)];
	return { lines, bars, notes };
}

async function prepare(lab: Lab, peers: readonly Peer[], workload: string): Promise<Contestant[]> {
	const { profile } = await lab.workload(workload);
	const others: Contestant[] = [];
	for (const peer of peers) {
		// It takes over a quarter of an hour, for a result that W1 shows in five minutes.
		if (peer.isSerial && workload !== "W1") continue;
		const restore = await peer.prepare(lab, workload);
		const rounds = peer.isSerial ? 1 : Number.POSITIVE_INFINITY;
		others.push({
			name: peer.name,
			restore: async (directory) => await measure(restore(directory)),
			rounds,
			samples: [],
		});
	}
	// Last, because reading a database leaves an empty "-wal" and a "-shm", which the peers would
	// treat as files.
	const namespace = await lab.committed(workload);
	const ours: Contestant = {
		name: OURS,
		restore: async (directory) =>
			await lab.tool.run("restore", lab.place(directory, namespace, profile)),
		rounds: Number.POSITIVE_INFINITY,
		samples: [],
	};
	return [ours, ...others];
}

function barOf(name: string, samples: readonly Measured[]): Bar {
	const samplesMs = samples.map(({ wallMs }) => wallMs);
	return {
		name,
		ms: median(samplesMs),
		samplesMs,
		cpuMs: median(samples.map(({ cpuMs }) => cpuMs)),
		peakBytes: Math.max(...samples.map(({ peakBytes }) => peakBytes)),
	};
}

async function countRequests(
	lab: Lab,
	workload: string,
	disposable: string[],
): Promise<Readonly<Record<string, number>>> {
	const { bytes, profile } = await lab.workload(workload);
	const namespace = await lab.committed(workload);
	await lab.makeRoom(bytes * 1.2, disposable);
	const directory = lab.fresh("restored");
	disposable.push(directory);
	const { traffic } = await lab.counted(
		async () =>
			await lab.tool.run("restore", lab.place(directory, namespace, profile, lab.countedEndpoint)),
	);
	return traffic.requests;
}

const wallsOf = ({ samples }: Contestant) => samples.map(({ wallMs }) => wallMs);

function linesOfW1(
	[ours, ...others]: readonly Contestant[],
	requests: Readonly<Record<string, number>>,
): Line[] {
	const lines: Line[] = [];
	const own = wallsOf(ours as Contestant);
	for (const [name, factor] of Object.entries(W1_BUDGETS)) {
		const other = others.find((each) => each.name === name);
		const ratio = other === undefined ? undefined : medianRatio(own, wallsOf(other));
		lines.push({
			what: "restore W1 to ready",
			budget: `<= ${factor} x ${name}`,
			measured:
				other === undefined
					? `${seconds(median(own))}; ${name} was not there`
					: `${seconds(median(own))} / ${seconds(median(wallsOf(other)))}`,
			...(ratio !== undefined && { ratio }),
			isMet: ratio === undefined ? undefined : ratio <= factor,
		});
	}
	const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
	lines.push({
		what: "requests of a restore of W1",
		budget: `<= ${W1_REQUESTS}`,
		measured: String(total),
		isMet: total <= W1_REQUESTS,
	});
	return lines;
}

function lineAgainstBest(workload: string, [ours, ...others]: readonly Contestant[]): Line {
	const own = wallsOf(ours as Contestant);
	const peers = others.filter(({ name }) => name !== FLOOR);
	const [best] = peers.sort((a, b) => median(wallsOf(a)) - median(wallsOf(b)));
	const ratio = best === undefined ? undefined : medianRatio(own, wallsOf(best));
	return {
		what: `restore ${workload}`,
		budget: "never slower than the best peer",
		measured:
			best === undefined
				? `${seconds(median(own))}; no peer was there`
				: `${seconds(median(own))} / ${seconds(median(wallsOf(best)))} (${best.name})`,
		...(ratio !== undefined && { ratio }),
		isMet: ratio === undefined ? undefined : ratio <= 1,
	};
}
