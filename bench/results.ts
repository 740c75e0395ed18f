/**
 * Results, kept between runs in `.cache/bench/results.json`, so that one measurement can be
 * repeated alone.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "./cache.ts";
import type { Link } from "./link.ts";
import type { Quietness } from "./proc.ts";

/** One line of the table of budgets. */
export interface Line {
	readonly what: string;
	/** As stated in the design. */
	readonly budget: string;
	readonly measured: string;
	/** The ratio of the result to its reference; undefined without a reference. */
	readonly ratio?: number;
	/** Undefined without a reference, because a peer is missing or there is no budget. */
	readonly isMet: boolean | undefined;
}

/** One bar of the plot. */
export interface Bar {
	readonly name: string;
	readonly ms: number;
	/** The values of all rounds. */
	readonly samplesMs: readonly number[];
	readonly cpuMs: number;
	readonly peakBytes: number;
}

export interface Result {
	readonly lines: readonly Line[];
	/** Restores compared: the tool itself and its peers. */
	readonly bars?: readonly Bar[];
	/** A readable note on what the lines do not show. */
	readonly notes?: readonly string[];
}

export interface Kept extends Result {
	readonly name: string;
	readonly title: string;
	readonly dateMs: number;
	readonly delayMs: number;
	readonly scale: number;
	readonly rounds: number;
	/** Measured at the start of that run. */
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

/** Replaces the result of the same name and delay. */
export function keepResult(result: Kept): void {
	const others = loadResults().filter(
		({ name, delayMs }) => name !== result.name || delayMs !== result.delayMs,
	);
	mkdirSync(CACHE, { recursive: true });
	writeFileSync(`${FILE}.new`, JSON.stringify([...others, result], undefined, "\t"));
	renameSync(`${FILE}.new`, FILE);
}
