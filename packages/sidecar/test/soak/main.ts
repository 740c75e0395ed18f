/**
 * `pnpm soak` (after `pnpm build`) runs a real daemon on a real S3 server behind a faulty
 * connection, under a continuous load, for `SOAK_MINUTES` (default 10). At the end it drains with
 * status 0, `verify --deep` finds nothing wrong, and a restore equals the source. Nothing was left
 * behind, and nothing grew. `FC_SEED` determines load and faults.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CLI_BUNDLE, CliProcess } from "../../../testkit/cli.ts";
import { seededPlan, startFaultProxy } from "../../../testkit/store/fault-proxy.ts";
import { makeBucket, startS3Server } from "../../../testkit/store/s3-server.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";

const MINUTES = Number(process.env.SOAK_MINUTES ?? 10);
const SEED = Number(process.env.FC_SEED ?? 1) || 1;
const LOAD = fileURLToPath(new URL("load.ts", import.meta.url));
/**
 * One request in four: some fifty faults in ten minutes, and sometimes three in a row, so that a
 * commit stays undecided.
 */
const FAULT_RATE = 0.25;
const SAMPLE_MS = 2_000;
/**
 * The number of sockets to the store follows the requests in flight: up to 64, of which a flush
 * uses a few.
 */
const MAX_MORE_DESCRIPTORS = 16;
/**
 * The tree is bounded at 2,000 files and a database of 10 MB, so head, index and stats take a few
 * MB. V8 lets its old space grow to twice the live size before it collects. Any sample may include
 * the buffers of one flush (packs: 32 MiB).
 */
const MAX_MORE_RSS_BYTES = 64 * 1024 * 1024;

interface Sample {
	readonly descriptors: number;
	readonly rssBytes: number;
}

const problems: string[] = [];
function check(isTrue: boolean, what: string): void {
	if (!isTrue) problems.push(what);
}

const dir = mkdtempSync(join(tmpdir(), "sidecar-soak-"));
const source = join(dir, "ws");
const stateDir = join(dir, "state");
mkdirSync(source);
const server = await startS3Server();
const bucket = await makeBucket(server);
const proxy = await startFaultProxy(server.endpoint);

function command(
	verb: string,
	workspace: string,
	endpoint: string,
	more: readonly string[],
): CliProcess {
	const common = [
		"--store",
		`s3://${bucket}`,
		"--namespace",
		"soak",
		"--profile",
		"plain",
		"--state-dir",
		stateDir,
	];
	return new CliProcess(
		[verb, ...(verb === "verify" ? [] : ["--workspace", workspace]), ...common, ...more],
		{
			entry: CLI_BUNDLE,
			env: {
				AWS_ENDPOINT_URL_S3: endpoint,
				AWS_REGION: server.region,
				AWS_ACCESS_KEY_ID: server.accessKeyId,
				AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
				TMPDIR: join(dir, "tmp"),
			},
		},
	);
}

function sample(pid: number): Sample {
	const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
	return { descriptors: readdirSync(`/proc/${pid}/fd`).length, rssBytes: Number(rss) * 1024 };
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/**
 * Compares everything except databases byte for byte, and databases by content, because a copy of
 * one differs in bytes.
 */
function compare(): void {
	const isOfDatabase = (path: string) => path.startsWith("state.db");
	const [was, is] = [readDisk(source, isOfDatabase), readDisk(join(dir, "restored"), isOfDatabase)];
	for (const path of new Set([...was.keys(), ...is.keys()])) {
		// The root's time changes when SQLite removes its WAL at the very end.
		const [a, b] = [was, is].map((disk) =>
			JSON.stringify(path === "" ? { ...disk.get(path), mtimeNs: "" } : disk.get(path)),
		);
		check(a === b, `restored differently: ${path}: ${a} / ${b}`);
	}
	const rows = (root: string) => {
		using database = new DatabaseSync(join(root, "state.db"), { readOnly: true });
		check(
			database.prepare("PRAGMA integrity_check").get()?.integrity_check === "ok",
			`${root}: integrity_check`,
		);
		return JSON.stringify(
			database
				.prepare(
					"SELECT count(*) AS n, min(id) AS first, max(id) AS last, sum(length(text)) AS bytes FROM turns",
				)
				.get(),
		);
	};
	const [before, after] = [rows(source), rows(join(dir, "restored"))];
	check(before === after, `rows: ${before} / ${after}`);
	report.rows = after;
}

const report: Record<string, unknown> = { seed: SEED, minutes: MINUTES };
mkdirSync(join(dir, "tmp"));
const daemon = command("run", source, proxy.endpoint, [
	"--handover-wait",
	"0ms",
	"--max-delay",
	"1s",
	"--log-level",
	"info",
]);
try {
	await daemon.waitForEvent("watch.started");
	proxy.plan = seededPlan(SEED, FAULT_RATE);
	const load = spawn(process.execPath, [LOAD, source, String(SEED)], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const said = text(load.stdout);
	const samples: Sample[] = [];
	const untilMs = performance.now() + MINUTES * 60_000;
	while (performance.now() < untilMs && load.exitCode === null) {
		await sleep(SAMPLE_MS);
		samples.push(sample(daemon.pid));
	}
	load.kill("SIGTERM");
	const [[status]] = await Promise.all([once(load, "exit"), said]);
	check(status === 0, `the load ended with ${status}`);
	report.load = JSON.parse(await said);
	report.faults = Object.fromEntries(proxy.happened);
	// The drain has 8 s. Another test covers faults that take 5 s to notice.
	proxy.plan = () => undefined;
	const ended = await daemon.stop("SIGTERM");
	check(
		ended.status === 0,
		`the daemon ended with ${ended.status ?? ended.signal}: ${ended.stderr.slice(-2000)}`,
	);

	const count = (name: string) => daemon.events.filter(({ event }) => event === name).length;
	report.commits = count("flush.committed");
	report.undecided = count("flush.undecided");
	report.failed = count("flush.failed");
	report.requests = proxy.requests;
	const bugs = daemon.events.filter(
		({ error }) => (error as { code?: string } | undefined)?.code === "INTERNAL",
	);
	check(bugs.length === 0, `bugs: ${JSON.stringify(bugs[0])}`);

	const verified = await command("verify", source, server.endpoint, ["--deep"]).ended;
	check(verified.status === 0, `verify: ${verified.stdout}${verified.stderr}`);
	report.verify = verified.stdout.trim().split("\n");
	const restored = await command("restore", join(dir, "restored"), server.endpoint, []).ended;
	check(restored.status === 0, `restore: ${restored.stderr}`);
	compare();

	const tenth = Math.max(1, Math.floor(samples.length / 10));
	// The first tenth is the warm-up; the second is compared with the last.
	const [early, late] = [samples.slice(tenth, 2 * tenth), samples.slice(-tenth)];
	for (const [name, most] of [
		["descriptors", MAX_MORE_DESCRIPTORS],
		["rssBytes", MAX_MORE_RSS_BYTES],
	] as const) {
		const [before, after] = [early, late].map((part) => median(part.map((one) => one[name]))) as [
			number,
			number,
		];
		report[name] = {
			early: before,
			late: after,
			most: Math.max(...samples.map((one) => one[name])),
		};
		check(after - before <= most, `${name} grew from ${before} to ${after}, by more than ${most}`);
	}
	// Private copies of databases are in `tmp`, here and in the state directory of each workspace.
	const isTemp = (path: string) => /(^|\/)tmp\/./.test(path);
	const leftovers = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter(
		(path) => !path.startsWith("ws/") && isTemp(path),
	);
	check(leftovers.length === 0, `left behind: ${leftovers}`);
} finally {
	await daemon[Symbol.asyncDispose]();
	await proxy.stop();
	await server.stop();
	rmSync(dir, { recursive: true, force: true });
}
console.log(JSON.stringify(report, undefined, "\t"));
for (const problem of problems) console.log(`WRONG ${problem}`);
console.log(problems.length === 0 ? "the soak is clean" : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
