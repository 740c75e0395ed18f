/**
 * Kept results: one file per measurement and round trip in `bench/results`, committed. The page is
 * generated from these files alone.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Link } from "./link.ts";
import type { Machine } from "./machine.ts";
import type { PageCache } from "./page-cache.ts";
import type { Quietness } from "./proc.ts";
import type { Summary } from "./workloads.ts";

/** One run of one contestant. */
export interface Sample {
	/** From the start of the process to its end. */
	readonly wallMs: number;
	/** `sync -f` afterwards: what a power cut would still have taken. */
	readonly syncMs: number;
	/** User and system, of the process and its children. */
	readonly cpuMs: number;
	/** Of the process and its children together. */
	readonly peakBytes: number;
	/** By method; missing if the store was reached without the counting link. */
	readonly requests?: Readonly<Record<string, number>>;
	readonly sentBytes?: number;
	readonly receivedBytes?: number;
}

/** Every round of one contestant, in order. */
export interface Series {
	readonly contestant: string;
	readonly cache: PageCache;
	readonly samples: readonly Sample[];
}

/** A row of the table of budgets whose verdict was reached during the run. */
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

/** What a measurement returns. */
export interface Result {
	readonly series?: readonly Series[];
	/** Other samples, by name: one per round, or fewer. The name ends in the unit. */
	readonly figures?: Readonly<Record<string, readonly number[]>>;
	/** Only if the verdict cannot be computed from `series` and `figures`. */
	readonly lines?: readonly Line[];
	/** The directory that was measured. */
	readonly workload?: Summary;
	/** A readable note on what the rest does not show. */
	readonly notes?: readonly string[];
}

export interface Kept extends Result {
	readonly name: string;
	readonly title: string;
	readonly dateMs: number;
	readonly delayMs: number;
	readonly rounds: number;
	readonly machine: Machine;
	/** Of the tool, of Node and of each contestant. */
	readonly versions: Readonly<Record<string, string>>;
	/** Measured at the start of that run. */
	readonly link: Link;
	readonly quietness: Quietness;
}

const DIRECTORY = join(import.meta.dirname, "results");

export function loadResults(): Kept[] {
	return readdirSync(DIRECTORY)
		.filter((name) => name.endsWith(".json"))
		.sort()
		.map((name) => JSON.parse(readFileSync(join(DIRECTORY, name), "utf8")) as Kept);
}

/** Replaces the result of the same name and round trip. */
export function keepResult(result: Kept): void {
	mkdirSync(DIRECTORY, { recursive: true });
	const file = join(DIRECTORY, `${result.name}-${result.delayMs}ms.json`);
	writeFileSync(`${file}.new`, `${JSON.stringify(result, rounded, "\t")}\n`);
	renameSync(`${file}.new`, file);
}

/** A microsecond is finer than any of the clocks. */
function rounded(_key: string, value: unknown): unknown {
	return typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
}
