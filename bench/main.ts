/**
 * `pnpm bench` measures the budgets of the design on this machine and writes docs/benchmarks.md.
 *
 * Options: `--only W1,flush-one` (names below; keeps earlier results for the others), `--rounds N`
 * (5), `--delay MS` (20; 0 means no link), `--no-peers`, `--quick` (a hundredth of everything,
 * which shows that it works; its numbers are not kept).
 */
import { parseArgs } from "node:util";
import { Lab } from "./lab.ts";
import type { Measurement } from "./measurement.ts";
import { firstReply } from "./measurements/first-reply.ts";
import { drain, flushDatabase, flushOne } from "./measurements/flush.ts";
import { commits, growth } from "./measurements/growth.ts";
import { idle } from "./measurements/idle.ts";
import { lag } from "./measurements/lag.ts";
import { peaks } from "./measurements/memory.ts";
import { restores } from "./measurements/restore.ts";
import { size } from "./measurements/size.ts";
import { start } from "./measurements/start.ts";
import { turns } from "./measurements/turns.ts";
import { obtainPeers } from "./peers.ts";
import { writeReport } from "./report.ts";
import { type Kept, keepResult } from "./results.ts";

const MEASUREMENTS: readonly Measurement[] = [
	size,
	start,
	firstReply,
	flushOne,
	flushDatabase,
	drain,
	lag,
	...restores,
	growth,
	commits,
	idle,
	turns,
	peaks,
];

const RATE_MBS = 85;

const { values } = parseArgs({
	options: {
		only: { type: "string" },
		rounds: { type: "string", default: "5" },
		delay: { type: "string", default: "20" },
		peers: { type: "boolean", default: true },
		quick: { type: "boolean", default: false },
	},
	allowNegative: true,
});

const wanted = values.only?.split(",");
for (const name of wanted ?? []) {
	if (!MEASUREMENTS.some((each) => each.name === name)) {
		console.error(
			`unknown measurement ${name}; known: ${MEASUREMENTS.map((each) => each.name).join(", ")}`,
		);
		process.exit(2);
	}
}
const chosen = MEASUREMENTS.filter(({ name }) => wanted === undefined || wanted.includes(name));

const { peers, skipped } = chosen.some(({ name }) => /^W\d$/.test(name))
	? obtainPeers(values.peers)
	: { peers: [], skipped: [] };
for (const line of skipped) console.log(line);

// Runs the clean-up of exit handlers.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

const scale = values.quick ? 0.01 : 1;
const rounds = values.quick ? 2 : Number(values.rounds);
const lab = await Lab.open({ delayMs: Number(values.delay), rateMBs: RATE_MBS, scale, rounds });
let failures = 0;
try {
	const link = await lab.verifyLink();
	console.log(
		`the link: ${link.roundTripMs.toFixed(1)} ms round trip of a HEAD, ${link.rateMBs.toFixed(0)} MB/s of one GET`,
	);
	for (const { name, title, run } of chosen) {
		console.log(`${name}: ${title}`);
		try {
			const { result, quietness } = await lab.observed(async () => await run(lab, peers));
			const kept: Kept = {
				...result,
				name,
				title,
				dateMs: Date.now(),
				delayMs: lab.options.delayMs,
				scale,
				rounds,
				link,
				quietness,
			};
			show(kept);
			if (!values.quick) {
				keepResult(kept);
				writeReport(skipped);
			}
		} catch (error) {
			failures++;
			console.error(`  ${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
		}
	}
} finally {
	await lab.close();
}
process.exitCode = failures > 0 ? 1 : 0;

function show({ lines, notes = [], quietness }: Kept): void {
	for (const { what, budget, measured, ratio, isMet } of lines) {
		const verdict = isMet === undefined ? "-" : isMet ? "met" : "NOT MET";
		console.log(
			`  ${verdict.padEnd(8)}${what}: ${measured}${ratio === undefined ? "" : ` = ${ratio.toFixed(2)}`} (${budget})`,
		);
	}
	for (const note of notes) console.log(`          ${note}`);
	console.log(
		`          load average ${quietness.load.toFixed(1)}, others kept ${quietness.others.toFixed(2)} cores busy`,
	);
}
