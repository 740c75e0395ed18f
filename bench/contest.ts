/**
 * Restores of one workload by several contestants, round by round in turn, so that a noisy minute
 * is noisy for all.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Lab, weigh } from "./lab.ts";
import { freeze, type PageCache, remove } from "./page-cache.ts";
import { type Command, measure } from "./processes.ts";
import type { Result, Sample, Series } from "./results.ts";
import { seconds } from "./statistics.ts";
import type { Summary } from "./workloads.ts";

export const OURS = "openclaw-sidecar";
/** The same build with a `syncfs` that does nothing. */
export const UNSYNCED = "openclaw-sidecar, no syncfs";

export interface Contestant {
	readonly name: string;
	/** Restores into a directory that does not exist yet. */
	restore(directory: string): Command;
	/** Takes minutes, so it runs once, without a run before. */
	readonly isSlow?: boolean;
	/** Is left out, with a note, if it fails; all others must work. */
	readonly isPeer?: boolean;
}

/** @param expected what each must bring */
export async function compete(
	lab: Lab,
	contestants: readonly Contestant[],
	caches: readonly PageCache[],
	expected: Summary,
): Promise<Required<Pick<Result, "series" | "notes">>> {
	const disposable: string[] = [];
	const run = async (contestant: Contestant, cache: PageCache): Promise<Sample> => {
		await lab.makeRoom(expected.bytes * 1.2, disposable);
		const directory = lab.fresh("restored");
		disposable.push(directory);
		const command = contestant.restore(directory);
		freeze(cache);
		const { result, traffic } = await lab.counted(async () => await measure(command));
		const syncMs = timedSync(directory);
		const hasTraffic = Object.keys(traffic.requests).length > 0;
		const { wallMs, cpuMs, peakBytes } = result;
		console.log(
			`  ${cache} ${contestant.name}: ${seconds(wallMs)}, then sync ${seconds(syncMs)}, CPU ${seconds(cpuMs)}`,
		);
		if (!checked.has(contestant)) check(contestant, directory, expected);
		checked.add(contestant);
		return { wallMs, syncMs, cpuMs, peakBytes, ...(hasTraffic && traffic) };
	};
	const checked = new Set<Contestant>();
	const failed = new Map<Contestant, string>();
	const attempt = async (contestant: Contestant, cache: PageCache): Promise<Sample[]> => {
		if (failed.has(contestant)) return [];
		try {
			return [await run(contestant, cache)];
		} catch (error) {
			if (contestant.isPeer !== true) throw error;
			failed.set(contestant, `${contestant.name} is left out: ${(error as Error).message}`);
			console.log(`  ${failed.get(contestant)}`);
			return [];
		}
	};
	const series: Series[] = [];
	try {
		for (const cache of caches) {
			// One run that does not count fills the page cache and the tool's compile cache.
			for (const contestant of contestants)
				if (cache === "warm" && contestant.isSlow !== true) await attempt(contestant, cache);
			const samples = new Map(contestants.map((each) => [each, [] as Sample[]]));
			for (let round = 0; round < lab.options.rounds; round++) {
				for (const [contestant, all] of samples)
					if (round === 0 || contestant.isSlow !== true)
						all.push(...(await attempt(contestant, cache)));
			}
			for (const [contestant, all] of samples)
				if (!failed.has(contestant))
					series.push({ contestant: contestant.name, cache, samples: all });
		}
		return { series, notes: [...failed.values()] };
	} finally {
		await remove(disposable, lab.options.scale === 1);
	}
}

function timedSync(directory: string): number {
	const startedMs = performance.now();
	execFileSync("sync", ["-f", directory]);
	return performance.now() - startedMs;
}

function check({ name }: Contestant, directory: string, expected: Summary): void {
	const { files, bytes } = existsSync(directory) ? weigh(directory) : { files: 0, bytes: 0 };
	if (files !== expected.files || bytes !== expected.bytes)
		throw new Error(
			`${name} brought ${files} files and ${bytes} bytes of ${expected.files} and ${expected.bytes}`,
		);
}
