/** The page of benchmarks shows what the kept results hold, and the bench refuses wrong options. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OURS, UNSYNCED } from "./contest.ts";
import { MEASUREMENTS } from "./measurements.ts";
import { readOptions, UsageError } from "./options.ts";
import { benchmarkPages } from "./page.ts";
import { FLOOR } from "./peers.ts";
import type { Kept, Series } from "./results.ts";

const DOCS = join(import.meta.dirname, "../docs");

test("docs/benchmarks.md and its plots are what `pnpm docs:write` writes", () => {
	const pages = benchmarkPages();
	const plots = readdirSync(DOCS).filter((name) => /^benchmarks.*\.svg$/.test(name));
	expect(plots.sort()).toEqual(
		Object.keys(pages)
			.filter((name) => name.endsWith(".svg"))
			.sort(),
	);
	for (const [name, text] of Object.entries(pages))
		expect(existsSync(join(DOCS, name)) && readFileSync(join(DOCS, name), "utf8")).toBe(text);
});

/** Peers are synced afterwards for a second. */
const series = (contestant: string, wallMs: readonly number[]): Series => ({
	contestant,
	cache: "warm",
	samples: wallMs.map((ms) => ({
		wallMs: ms,
		syncMs: contestant.startsWith(OURS) ? 0 : 1_000,
		cpuMs: 500,
		peakBytes: 100e6,
		requests: { GET: 13, LIST: 1 },
		sentBytes: 1_000,
		receivedBytes: 20e6,
	})),
});

const kept = (name: string, more: Partial<Kept>): Kept => ({
	name,
	title: `Restore ${name}`,
	dateMs: Date.UTC(2026, 10, 30),
	delayMs: 20,
	rounds: 3,
	machine: {
		cores: 2,
		processor: "any",
		architecture: "x64",
		memoryGiB: 24,
		system: "any",
		kernel: "6",
	},
	versions: { node: "24", "openclaw-sidecar": "0" },
	link: { roundTripMs: 20, rateMBs: 85 },
	quietness: { load: 0.5, others: 0 },
	...more,
});

const W1 = kept("W1", {
	series: [
		series(OURS, [1_000, 1_100, 1_200]),
		series(UNSYNCED, [900, 900, 900]),
		series(FLOOR, [700, 700, 700]),
		series("restic", [2_000, 2_000, 2_000]),
		series("s5cmd", [50, 50, 50]),
	],
	workload: { files: 10_000, directories: 1_000, bytes: 100e6 },
});
const rowOf = (page: string, words: string) =>
	page.split("\n").find((line) => line.startsWith(`| ${words}`));

test("a budget compares like with like: both durable, or the peer at its exit", () => {
	const page = benchmarkPages([W1])["benchmarks.md"] ?? "";
	expect(rowOf(page, "restore W1 | <= 1.3 x curl")).toContain("| 1.10 s / 1.70 s | 0.65 | yes |");
	expect(rowOf(page, "restore W1 | <= 1.5 x curl")).toContain(
		"| 1.10 s / 0.70 s | 1.57 | **no** |",
	);
	expect(rowOf(page, "restore W1: requests")).toContain("| 14 | 0.17 | yes |");
	expect(rowOf(page, "**openclaw-sidecar**")).toContain("| 1.10 s | 1.00 s to 1.20 s | 0.90 s |");
});

test("the page names each peer that is faster, and each budget that is missed", () => {
	const page = benchmarkPages([W1])["benchmarks.md"] ?? "";
	const [, losses = ""] = page.split("## Where openclaw-sidecar loses");
	const lines = losses.split("\n## ")[0]?.split("\n") ?? [];
	expect(lines).toContain(
		"- W1, 20 ms, warm: s5cmd is faster: durable 1.05 s against 1.10 s, 1.05 x; exit 0.05 s against 0.90 s, 18.00 x.",
	);
	expect(lines.some((line) => line.includes("restic is faster"))).toBe(false);
	expect(lines).toContain(
		"- Missed at 20 ms: restore W1, <= 1.5 x curl | tar: 1.10 s / 0.70 s, 1.57.",
	);
});

test("the page lists every budget, measured or not", () => {
	const page = benchmarkPages([W1])["benchmarks.md"] ?? "";
	for (const { budgets = [] } of MEASUREMENTS)
		for (const { what, limit } of budgets)
			expect(rowOf(page, `${what} | ${limit}`.replace("curl | tar", "curl \\| tar"))).toBeDefined();
	expect(rowOf(page, "idle, W1 watched: requests")).toContain("not measured yet");
});

test("the median user stands first", () => {
	const page = benchmarkPages([W1, kept("W2", { series: W1.series ?? [] })])["benchmarks.md"] ?? "";
	expect(page.indexOf("### W2, 20 ms")).toBeLessThan(page.indexOf("## Where"));
	expect(page.indexOf("### W2, 20 ms")).toBeLessThan(page.indexOf("### W1, 20 ms"));
});

test.each([
	[["--rate", "5"], /Unknown option '--rate'/],
	[["--only", "W9"], /no measurement is called "W9"; choose from W2, W1/],
	[["--rounds", "none"], /--rounds none: give a whole number of at least 1/],
	[["--cache", "hot"], /--cache hot: choose warm, cold/],
	[["W1"], /Unexpected argument 'W1'/],
])("the options %j are refused in one sentence", (args, sentence) => {
	const names = MEASUREMENTS.map(({ name }) => name);
	const read = () => readOptions(args, names);
	expect(read).toThrow(UsageError);
	expect(read).toThrow(sentence);
	expect(read).not.toThrow(/\n/);
});
