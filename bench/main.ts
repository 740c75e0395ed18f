/** `pnpm bench`: see `pnpm bench --help`. */
import { mkdirSync } from "node:fs";
import { CACHE } from "./cache.ts";
import { Lab } from "./lab.ts";
import { ownVersions, thisMachine } from "./machine.ts";
import { MEASUREMENTS } from "./measurements.ts";
import { obtainPeers } from "./obtain.ts";
import { helpText, type Options, readOptions, UsageError } from "./options.ts";
import { writePage } from "./page.ts";
import { whyNoCold } from "./page-cache.ts";
import type { Peer } from "./peers.ts";
import { type Kept, keepResult } from "./results.ts";
import { verdictsOf } from "./verdicts.ts";

const RATE_MBS = 85;
const QUICK_SCALE = 0.01;

try {
	const options = readOptions(
		process.argv.slice(2).filter((argument) => argument !== "--"),
		MEASUREMENTS.map(({ name }) => name),
	);
	if (options === undefined) console.log(helpText(MEASUREMENTS));
	else process.exitCode = (await bench(options)) > 0 ? 1 : 0;
} catch (error) {
	if (!(error instanceof UsageError)) throw error;
	console.error(`bench: ${error.message}`);
	process.exitCode = 2;
}

/** @returns how many measurements failed */
async function bench(options: Options): Promise<number> {
	mkdirSync(CACHE, { recursive: true });
	// Runs the clean-up of exit handlers.
	for (const signal of ["SIGINT", "SIGTERM"] as const)
		process.once(signal, () => process.exit(130));
	const { slowPeers: slow, quick } = options;
	const { peers, skipped } = options.peers
		? obtainPeers({ slow, onlyPresent: quick })
		: { peers: [], skipped: [] };
	for (const line of skipped) console.log(line);
	const noCold = options.caches.includes("cold") ? whyNoCold() : undefined;
	if (noCold !== undefined) console.log(noCold);
	const caches = options.caches.filter((cache) => cache === "warm" || noCold === undefined);
	let failures = 0;
	for (const delayMs of options.delaysMs)
		failures += await benchBehind(delayMs, { ...options, caches }, peers);
	return failures;
}

/** All chosen measurements behind a link of this round trip. */
async function benchBehind(
	delayMs: number,
	{ only, quick, rounds, caches }: Options,
	peers: readonly Peer[],
): Promise<number> {
	const chosen =
		only === undefined
			? MEASUREMENTS.filter(({ name, notQuick }) => {
					if (quick && notQuick !== undefined)
						console.log(`${name} is not in --quick: ${notQuick}`);
					return !quick || notQuick === undefined;
				})
			: only.flatMap((wanted) => MEASUREMENTS.filter(({ name }) => name === wanted));
	const lab = await Lab.open({
		delayMs,
		rateMBs: RATE_MBS,
		scale: quick ? QUICK_SCALE : 1,
		rounds: quick ? 1 : rounds,
		caches,
	});
	const machine = thisMachine();
	const versions = {
		...ownVersions(),
		...Object.fromEntries(peers.map(({ name, version }) => [name, version])),
	};
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
				const about = { name, title, dateMs: Date.now(), delayMs, rounds: lab.options.rounds };
				const kept: Kept = { ...about, machine, versions, link, quietness, ...result };
				show(kept);
				if (quick) continue;
				keepResult(kept);
				writePage();
			} catch (error) {
				failures++;
				console.error(`  ${name} failed: ${error instanceof Error ? error.stack : String(error)}`);
			}
		}
	} finally {
		await lab.close();
	}
	return failures;
}

function show(kept: Kept): void {
	for (const { what, budget, measured, ratio, isMet } of verdictsOf(kept)) {
		const verdict = isMet === undefined ? "-" : isMet ? "met" : "NOT MET";
		const share = ratio === undefined ? "" : ` = ${ratio.toFixed(2)}`;
		console.log(`  ${verdict.padEnd(8)}${what}: ${measured}${share} (${budget})`);
	}
	for (const note of kept.notes ?? []) console.log(`          ${note}`);
	const { load, others } = kept.quietness;
	console.log(
		`          load average ${load.toFixed(1)}, others kept ${others.toFixed(2)} cores busy`,
	);
}
