/**
 * Kills the daemon with -9 at random moments of a scripted load, with real processes and a real S3
 * server. A restore afterwards gives a state that the writer passed through, and no acknowledged
 * commit is missing.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import PQueue from "p-queue";
import { expect, it } from "vitest";
import { makeBucket, s3TestServer } from "../../testkit/store/s3-server.ts";
import { plainProfile } from "../../testkit/workbench.ts";
import { readDisk } from "../../testkit/workspace/disk.ts";
import { digestOf, type State, statesOf } from "../../testkit/workspace/write-load.ts";
import { thisEnvironment } from "../src/commit/environment.ts";
import { readLog } from "../src/commit/read-log.ts";
import { restore } from "../src/restore/restore.ts";
import { namespaced } from "../src/store/namespaced.ts";
import { openStore } from "../src/store/open.ts";
import { silentLogger } from "../src/telemetry/logger.ts";
import { noProgress } from "../src/telemetry/progress.ts";
import { loadFileTimes } from "../src/workspace/file-times.ts";

const KILLS = Number(process.env.KILLS ?? 200);
const STEPS = 150;
/**
 * Makes the load last 2 s. The first flushes of a process cost 50-100 ms of processor time, and the
 * next one waits nine times that.
 */
const PAUSE_MS = 14;
const CLI = fileURLToPath(new URL("../dist/openclaw-sidecar.js", import.meta.url));
const LOAD = fileURLToPath(new URL("../../testkit/workspace/write-load.ts", import.meta.url));

/**
 * The step of the load at which to kill, with a share of the pause after it, derived from the
 * printed seed. It is after the last one in one of six. Steps and not time, so that a busy machine
 * is also killed in the middle of its load.
 */
function killAt(seed: number): number {
	return ((Math.imul(seed + 1, 2654435761) >>> 0) / 2 ** 32) * 1.2 * STEPS;
}

// @id kills
it.skipIf(s3TestServer() === undefined)(
	`${KILLS} kills lose nothing that was acknowledged and invent nothing`,
	async () => {
		const server = s3TestServer();
		if (server === undefined) return;
		const bucket = await makeBucket(server);
		const first = Number(process.env.FC_SEED ?? 1) % 1_000_000;
		const queue = new PQueue({ concurrency: 2 });
		const runs = Array.from({ length: KILLS }, (_, index) =>
			queue.add(() => killOnce(bucket, first + index)),
		);
		const outcomes = await Promise.all(runs);
		const commits = outcomes.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
		const partial = outcomes.filter(({ step }) => step > 0 && step < STEPS).length;
		console.log(
			`kills: ${KILLS}, acknowledged commits: ${commits}, restored in the middle of the load: ${partial}`,
		);
		// The kills must have hit the load; otherwise the test proves nothing.
		expect(commits).toBeGreaterThan(KILLS);
		expect(partial).toBeGreaterThan(KILLS / 3);
	},
);

async function killOnce(
	bucket: string,
	seed: number,
): Promise<{ acknowledged: number; step: number }> {
	const server = s3TestServer();
	if (server === undefined) throw new Error("no S3 server");
	const dir = mkdtempSync(join(tmpdir(), "sidecar-kill-"));
	const workspace = join(dir, "ws");
	// Files that stay. The script may delete most of its own files at once, which the deletion brake
	// would treat as a wipe.
	mkdirSync(join(workspace, "keep"), { recursive: true });
	for (let index = 0; index < 30; index++)
		writeFileSync(join(workspace, "keep", String(index)), "stays");
	const namespace = `seed-${seed}`;
	const daemon = spawn(
		process.execPath,
		[
			CLI,
			"run",
			"--workspace",
			workspace,
			"--store",
			`s3://${bucket}`,
			"--namespace",
			namespace,
			"--profile",
			"plain",
		].concat([
			"--state-dir",
			join(dir, "state"),
			"--handover-wait",
			"0ms",
			"--quiet-period",
			"15ms",
			"--max-delay",
			"60ms",
			"--log-level",
			"info",
		]),
		{
			stdio: ["ignore", "ignore", "pipe"],
			env: {
				PATH: process.env.PATH,
				AWS_ENDPOINT_URL_S3: server.endpoint,
				AWS_REGION: server.region,
				AWS_ACCESS_KEY_ID: server.accessKeyId,
				AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
			},
		},
	);
	let acknowledged = 0;
	let isWatching = false;
	const watching = new Promise<void>((resolve, reject) => {
		daemon.once("exit", () => reject(new Error(`seed ${seed}: the daemon ended on its own`)));
		createInterface({ input: daemon.stderr }).on("line", (line) => {
			// The receipt and the last lines are not JSON.
			if (!line.startsWith("{")) return;
			const { event, seq } = JSON.parse(line) as { event: string; seq?: number };
			if (event === "watch.started") isWatching = true;
			if (event === "flush.committed") acknowledged = Math.max(acknowledged, seq ?? 0);
			if (isWatching && acknowledged > 0) resolve();
		});
	});
	try {
		await watching;
		const load = spawn(
			process.execPath,
			[LOAD, workspace, String(seed), String(STEPS), String(PAUSE_MS)],
			{
				stdio: ["ignore", "pipe", "inherit"],
			},
		);
		const ended = new Promise((resolve) => load.once("exit", resolve));
		const at = killAt(seed);
		await Promise.race([ended, linesOf(load.stdout, Math.min(STEPS, Math.ceil(at)))]);
		await delay(((at % 1) + Math.max(0, at - STEPS)) * PAUSE_MS);
		const killed = new Promise((resolve) => daemon.once("exit", resolve));
		daemon.kill("SIGKILL");
		await killed;
		const seen = acknowledged;
		load.kill("SIGKILL");
		await ended;

		const store = namespaced(
			await openStore(`s3://${bucket}`, {
				endpoint: server.endpoint,
				region: server.region,
				credentials: async () => ({
					accessKeyId: server.accessKeyId,
					secretAccessKey: server.secretAccessKey,
				}),
			}),
			namespace,
		);
		const { head } = await readLog(store);
		expect(head.seq, `seed ${seed}: an acknowledged commit is missing`).toBeGreaterThanOrEqual(
			seen,
		);
		const restored = join(dir, "restored");
		mkdirSync(join(dir, "private"));
		const result = await restore({
			store,
			root: restored,
			profile: plainProfile,
			privateDir: join(dir, "private"),
			times: await loadFileTimes(),
			quickHash: () => 0n,
			label: thisEnvironment.randomBytes(4).toString("hex"),
			logger: silentLogger,
			progress: noProgress,
		});
		await result.finish(true);
		await store.close();
		const states = statesOf(seed, STEPS);
		const state = stateOf(restored);
		const step = states.map(digestOf).indexOf(digestOf(state));
		expect(
			step,
			`seed ${seed}: the restored tree is no state the writer passed through; ${nearest(states, state)}`,
		).toBeGreaterThanOrEqual(0);
		return { acknowledged: seen, step };
	} finally {
		daemon.kill("SIGKILL");
		rmSync(dir, { recursive: true, force: true });
	}
}

/** Resolves when the stream has had that many lines. */
async function linesOf(stream: NodeJS.ReadableStream, count: number): Promise<void> {
	let left = count;
	for await (const _ of createInterface({ input: stream })) if (--left <= 0) return;
}

function stateOf(root: string): Map<string, string> {
	const state = new Map<string, string>();
	for (const [path, { type }] of readDisk(root)) {
		if (path === "" || path === "keep" || path.startsWith("keep/")) continue;
		const place = join(root, path);
		state.set(
			path,
			type === "dir"
				? "dir"
				: type === "link"
					? `link:${readlinkSync(place)}`
					: readFileSync(place, "utf8"),
		);
	}
	return state;
}

/** The state with the fewest different paths, and those paths. */
function nearest(states: readonly State[], state: State): string {
	const diff = (other: State) =>
		[...new Set([...other.keys(), ...state.keys()])].filter(
			(path) => other.get(path) !== state.get(path),
		);
	const diffs = states.map(diff);
	const least = diffs.reduce(
		(best, { length }, index) => (length < (diffs[best]?.length ?? 0) ? index : best),
		0,
	);
	const shown = diffs[least]?.map(
		(path) =>
			`${path}: ${states[least]?.get(path)?.slice(0, 20)} / ${state.get(path)?.slice(0, 20)}`,
	);
	return `nearest is step ${least} of ${states.length - 1}: ${shown?.join(", ")}`;
}
