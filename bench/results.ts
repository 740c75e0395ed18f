/**
 * What was measured, kept between runs in `.cache/bench/results.json`, so that one measurement can
 * be repeated by itself.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "./cache.ts";
import type { Link } from "./link.ts";
import type { Quietness } from "./proc.ts";

/** One line of the table of budgets. */
export interface Line {
	readonly what: string;
	/** As the design states it. */
	readonly budget: string;
	readonly measured: string;
	/** Of what was measured to what it is held against; undefined where nothing is. */
	readonly ratio?: number;
	/**
	 * Undefined: there is nothing to hold it against, because a peer is missing or no budget is
	 * stated.
	 */
	readonly isMet: boolean | undefined;
}

/** One bar of the plot. */
export interface Bar {
	readonly name: string;
	readonly ms: number;
	/** Of all rounds. */
	readonly samplesMs: readonly number[];
	readonly cpuMs: number;
	readonly peakBytes: number;
}

export interface Result {
	readonly lines: readonly Line[];
	/** Restores side by side: the tool itself and its peers. */
	readonly bars?: readonly Bar[];
	/** For people: what is not in the lines. */
	readonly notes?: readonly string[];
}

export interface Kept extends Result {
	readonly name: string;
	readonly title: string;
	readonly dateMs: number;
	readonly delayMs: number;
	readonly scale: number;
	readonly rounds: number;
	/** As measured at the start of that run. */
	readonly link: Link;
	readonly quietness: Quietness;
}

const FILE = join(CACHE, "results.json");

export function loadResults(): Kept[] {
	try {
		return JSON.parse(readFileSync(FILE, "utf8")) as Kept[];
	} catch {
		return [];
	}
}

/** Replaces the one of the same name and delay. */
export function keepResult(result: Kept): void {
	const others = loadResults().filter(
		({ name, delayMs }) => name !== result.name || delayMs !== result.delayMs,
	);
	mkdirSync(CACHE, { recursive: true });
	writeFileSync(`${FILE}.new`, JSON.stringify([...others, result], undefined, "\t"));
	renameSync(`${FILE}.new`, FILE);
}
