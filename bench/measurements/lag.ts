import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../packages/testkit/free-port.ts";
import { PLATFORM_AGENT } from "../../packages/testkit/platform/platform.ts";
import { atMost, type Budget } from "../budget.ts";
import type { Lab } from "../lab.ts";
import { roundTripMs } from "../link.ts";
import type { Measurement } from "../measurement.ts";
import { start } from "../processes.ts";
import { Random } from "../random.ts";
import { median, milliseconds, percentile } from "../statistics.ts";
import { Daemon, type LogEvent, type Place } from "../tool.ts";
import { notes } from "../workloads.ts";
import { DIRTY_BYTES, DIRTY_FILES, DRAIN_LIMIT, DRAIN_MS } from "./drain.ts";

/** The default of `--max-delay`: changes do not stop while turns arrive. */
const CADENCE_MS = 5_000;
const TURNS_MS = 60_000;
/** Ten turns a second, so that no pause counts as quiet. */
const BETWEEN_MS = 100;

/**
 * A machine of the platform with a small agent that writes one line per turn into `memory.jsonl`.
 */
class Machine {
	readonly daemon: Daemon;
	readonly #url: string;

	private constructor(daemon: Daemon, url: string) {
		this.daemon = daemon;
		this.#url = url;
	}

	static async boot(lab: Lab, place: Place): Promise<Machine> {
		const port = await freePort();
		const options = [
			"--listen",
			"127.0.0.1:0",
			"--agent-url",
			`http://127.0.0.1:${port}`,
			"--handover-wait",
			"0ms",
		];
		const agent = ["--", process.execPath, PLATFORM_AGENT, String(port), place.workspace];
		const daemon = new Daemon(start(lab.tool.command("run", place, [...options, ...agent])));
		const { port: own } = await daemon.event("server.listening");
		return new Machine(daemon, `http://127.0.0.1:${own}/invocations`);
	}

	/** @returns a time by which its line was certainly on the disk */
	async turn(): Promise<number> {
		const response = await fetch(this.#url, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: '{"prompt":"go on"}',
		});
		if (response.status !== 200)
			throw new Error(`a turn was answered with ${response.status}: ${await response.text()}`);
		await response.arrayBuffer();
		return performance.now();
	}
}

const LAG = "lag of each turn, ms";
const ROUND_TRIP = "round trip, ms";

const lagBudget: Budget = {
	what: "turns through `/invocations`, one after the other: durability lag, p99",
	limit: `<= cadence (${CADENCE_MS} ms) + 2 round trips`,
	judge: ({ figures }) => {
		const [lags, roundTrips] = [figures?.[LAG], figures?.[ROUND_TRIP]];
		if (lags === undefined || roundTrips === undefined) return undefined;
		const most = CADENCE_MS + 2 * median(roundTrips);
		const p99 = percentile(lags, 0.99);
		return { measured: milliseconds(p99), ratio: p99 / most, isMet: p99 <= most };
	},
};

export const lag: Measurement = {
	name: "lag",
	title:
		"Turns one after the other through /invocations: how long each is not durable; then SIGTERM with 1,000 dirty files and one of 50 MB",
	budgets: [
		lagBudget,
		atMost(
			"SIGTERM behind `--listen`, 1,000 dirty small files + 50 MB, to exit",
			"drain, ms",
			DRAIN_MS,
			milliseconds,
			DRAIN_LIMIT,
		),
	],
	run: async (lab) => {
		const roundTrip = await roundTripMs(`${lab.endpoint}/minio/health/live`);
		const lags: number[] = [];
		const drains: number[] = [];
		for (let round = 0; round < Math.min(3, lab.options.rounds); round++) {
			const workspace = lab.fresh("lag");
			notes(workspace, 1_000 * lab.options.scale, 100, 2);
			const place = lab.place(workspace, `lag-${round}`);
			await lab.tool.run("flush", { ...place, env: lab.env(lab.directEndpoint) });
			const machine = await Machine.boot(lab, place);
			lags.push(...(await lagsOf(lab, place, machine)));
			drains.push(await drainOf(machine, workspace));
		}
		return { figures: { [LAG]: lags, [ROUND_TRIP]: [roundTrip], "drain, ms": drains } };
	},
};

/** Measured from outside: the log itself shows which turns a commit contains. */
async function lagsOf(lab: Lab, place: Place, machine: Machine): Promise<readonly number[]> {
	const { daemon } = machine;
	const doneMs = [await machine.turn()];
	await daemon.event("watch.started");
	const from = daemon.events.length;
	const until = performance.now() + lab.waitMs(TURNS_MS, CADENCE_MS + 2_000);
	while (performance.now() < until) {
		await delay(BETWEEN_MS);
		doneMs.push(await machine.turn());
	}
	const commits = daemon.events.slice(from).filter(({ event }) => event === "flush.committed");
	const held = commits.map(({ seq, seenMs }) => ({ seenMs, turns: turnsIn(lab, place, seq) }));
	// The first turns may precede the watch; the last ones belong to a later commit.
	const first = held[0]?.turns ?? 0;
	return doneMs.slice(first).flatMap((atMs, index) => {
		const commit = held.find(({ turns }) => turns > first + index);
		return commit === undefined ? [] : [commit.seenMs - atMs];
	});
}

function turnsIn(lab: Lab, place: Place, seq: LogEvent["seq"]): number {
	const { argv, env } = lab.tool.command("cat", { ...place, env: lab.env(lab.directEndpoint) }, [
		"memory.jsonl",
		"--at",
		String(seq),
	]);
	const [file, ...args] = argv as [string, ...string[]];
	return (
		execFileSync(file, args, { env: { ...process.env, ...env }, encoding: "utf8" }).split("\n")
			.length - 1
	);
}

async function drainOf({ daemon }: Machine, workspace: string): Promise<number> {
	for (let i = 0; i < DIRTY_FILES; i++)
		writeFileSync(join(workspace, `dirty-${i}.md`), `${i}\n`.repeat(100));
	writeFileSync(join(workspace, "large.bin"), new Random(3).fill(Buffer.allocUnsafe(DIRTY_BYTES)));
	const stopped = await daemon.stop();
	if (stopped.status !== 0) throw new Error(`the drain ended with status ${stopped.status}`);
	return stopped.ms;
}
