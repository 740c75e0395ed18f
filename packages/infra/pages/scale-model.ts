/**
 * Where limits of AWS are met as users grow, and what a herd of starts does to one prefix of S3: for
 * docs/scale.md. A model: nobody has measured it on AWS. The same seed gives the same numbers.
 */
import { PARALLEL_GETS } from "../../sidecar/src/commit/read-log.ts";
import { SEGMENT_COMMITS } from "../../sidecar/src/log/limits.ts";
import { planReads } from "../../sidecar/src/log/plan.ts";
import {
	BACKOFF,
	type Backoff,
	fewer,
	MOST_READS,
	more,
	pauseMs,
} from "../../sidecar/src/store/backoff.ts";
import { ATTEMPTS, pauseAfterS } from "../lambda/worker/attempts.ts";
import { COMMITS_A_DAY, DAYS_USED, PEAK, S3_GETS, S3_PUTS } from "./retention-model.ts";

/** A user's day, as in docs/deploy.md, "What it costs". */
export const DAY = {
	sessions: 2,
	/** 20 minutes, and the 15 that a machine then waits. */
	sessionS: 35 * 60,
	messages: 10,
	/** How long the worker waits for an answer. */
	turnS: 30,
	/** From a message to the first answer of a new machine: docs/benchmarks.md, page cache cold. */
	startS: 21,
	commits: COMMITS_A_DAY,
} as const;

export const DAYS_A_MONTH = DAYS_USED * 30;

/** A restore of the median user, whose state directory has 16 MB in packs. */
const PACK_MIB = 16;
const MIB = 1024 * 1024;

/**
 * Requests of one start: a LIST for the newest commit, a GET for each commit since the last FULL, on
 * average half of a segment, GETs of the packs, a PUT of the fence, and a GET that reads it back.
 */
export const START = {
	lists: 1,
	commits: Math.ceil((SEGMENT_COMMITS + 1) / 2),
	packs: planReads(
		Array.from({ length: PACK_MIB }, (_, index) => ({
			key: "packs/a",
			offset: 64 + index * MIB,
			storedBytes: MIB - 64,
			rawBytes: MIB,
			crc: 0,
		})) as never,
	).length,
	puts: 1,
	readBacks: 1,
} as const;

export const START_GETS = START.commits + START.packs + START.readBacks;
/** S3 names no limit of its own for LIST; the model counts it as a GET. */
export const START_READS = START_GETS + START.lists;

/** Requests of one session beside those of its start. */
export const SESSION = {
	/** The end, and each FULL, look whether the slots are still its own. */
	lists: 1 + COMMITS_A_DAY / DAY.sessions / SEGMENT_COMMITS,
	gets: 1,
	puts: COMMITS_A_DAY / DAY.sessions + 1,
} as const;

/** What one user asks for in a second; machines and turns are those at one time. */
export interface Load {
	readonly starts: number;
	readonly messages: number;
	readonly machines: number;
	readonly turns: number;
	readonly reads: number;
	readonly puts: number;
}

function loadOf(sessionsPerSecond: number, machines: number): Load {
	const messages = (sessionsPerSecond * DAY.messages) / DAY.sessions;
	return {
		starts: sessionsPerSecond,
		messages,
		machines,
		turns: messages * DAY.turnS + sessionsPerSecond * DAY.startS,
		reads: sessionsPerSecond * (START_READS + SESSION.gets + SESSION.lists),
		puts: sessionsPerSecond * (START.puts + SESSION.puts),
	};
}

const busiest = (DAYS_USED * DAY.sessions * PEAK) / 86_400;
/** The busiest hour of a day whose users are spread over the world's time zones. */
export const BUSY_HOUR = loadOf(busiest, busiest * DAY.sessionS);
const morning = DAYS_USED / 3_600;
/** All users of the day begin within one hour. */
export const MORNING = loadOf(morning, morning * DAY.sessionS);

export interface Limit {
	readonly what: string;
	readonly value: number;
	/** `ours`: a setting, or a constant of this package. `AWS`: a default quota. */
	readonly whose: "ours" | "AWS";
	readonly source: string;
	readonly demand: (load: Load) => number;
	readonly next: string;
}

/** The part of the users' requests to S3 that also reaches KMS, if no bucket key is ever reused. */
const everyRequest = ({ reads, puts, starts }: Load) => reads - starts * START.lists + puts;

export const LIMITS: readonly Limit[] = [
	{
		what: "`openclaw:turnsAtOnce`: turns and starts at the same time",
		value: 20,
		whose: "ours",
		source: "",
		demand: ({ turns }) => turns,
		next: "raise it, with care (below)",
	},
	{
		what: "Lambda: functions at once, of the queue and of the account",
		value: 1_000,
		whose: "AWS",
		source: "[6]",
		demand: ({ turns }) => turns,
		next: "another cell (below)",
	},
	{
		what: "AgentCore: machines at once (5,000 in us-east-1 and us-west-2)",
		value: 2_500,
		whose: "AWS",
		source: "[5]",
		demand: ({ machines }) => machines,
		next: "raise the quota, shorten `openclaw:idleMinutes`",
	},
	{
		what: "AgentCore: new machines a second",
		value: 25,
		whose: "AWS",
		source: "[5]",
		demand: ({ starts }) => starts,
		next: "raise the quota",
	},
	{
		what: "AgentCore: requests a second",
		value: 1_000,
		whose: "AWS",
		source: "[5]",
		demand: ({ messages }) => messages,
		next: "raise the quota",
	},
	{
		what: "the issuer's documents: requests a second, one of each at a start",
		value: 50,
		whose: "ours",
		source: "",
		demand: ({ starts }) => starts,
		next: "another cell, or an issuer of your own",
	},
	{
		what: "`openclaw:requestsPerSecond`: the channels' messages",
		value: 50,
		whose: "ours",
		source: "",
		demand: ({ messages }) => messages,
		next: "raise it; API Gateway allows 10,000 [7]",
	},
	{
		what: "`openclaw:requestsPerIp`: messages in 5 minutes, if a channel sends from one address",
		value: 2_000,
		whose: "ours",
		source: "",
		demand: ({ messages }) => messages * 300,
		next: "raise it when the alarm `Blocked` names a channel's address",
	},
	{
		what: "WAF: issuer's documents in 5 minutes, if machines have one address, as behind a NAT gateway",
		value: 6_000,
		whose: "ours",
		source: "",
		demand: ({ starts }) => starts * 2 * 300,
		next: "more NAT gateways, or an issuer of your own",
	},
	{
		what: "SQS FIFO: messages a second",
		value: 300,
		whose: "AWS",
		source: "[8]",
		demand: ({ messages }) => messages,
		next: "another cell",
	},
	{
		what: "DynamoDB: writes a second of a new table, 7 a message",
		value: 4_000,
		whose: "AWS",
		source: "[9]",
		demand: ({ messages }) => messages * 7,
		next: "nothing: the table grows with its load",
	},
	{
		what: "KMS: RSA signatures a second, one a message",
		value: 1_000,
		whose: "AWS",
		source: "[3]",
		demand: ({ messages }) => messages,
		next: "raise the quota",
	},
	{
		what: "KMS: requests for S3 a second, if bucket keys never help (20,000 or 100,000 in large regions)",
		value: 10_000,
		whose: "AWS",
		source: "[3]",
		demand: everyRequest,
		next: "raise the quota",
	},
	{
		what: "STS: requests a second, one a start",
		value: 600,
		whose: "AWS",
		source: "[4]",
		demand: ({ starts }) => starts,
		next: "another account",
	},
	{
		what: "S3: PUTs a second of one prefix",
		value: S3_PUTS,
		whose: "AWS",
		source: "[1]",
		demand: ({ puts }) => puts,
		next: "nothing: S3 splits it",
	},
	{
		what: "S3: reads a second of one prefix",
		value: S3_GETS,
		whose: "AWS",
		source: "[1]",
		demand: ({ reads }) => reads,
		next: "nothing: S3 splits it",
	},
];

/** The number of users with which a limit is met. */
export function usersAt({ value, demand }: Limit, load: Load): number {
	return value / demand(load);
}

export interface Herd {
	readonly starts: number;
	/** They begin at random within this time. */
	readonly withinS: number;
	/** Into how many prefixes S3 has split the bucket; each takes an equal part. */
	readonly prefixes: number;
	/** Default: as the store does. `fault`: as after any other failure, with all reads at once. */
	readonly slowDown?: keyof Backoff;
	readonly seed?: number;
	/** Machines that are played; each stands for as many as it must, and S3 takes as many less. */
	readonly played?: number;
}

export interface Outcome {
	/** Share of the starts. */
	readonly ready: number;
	/** From a machine's first request to its last: the median, and the slowest. */
	readonly medianS: number;
	readonly slowestS: number;
	/** 503 answers for each start. */
	readonly refused: number;
	/** Share of the starts that had to begin again at least once. */
	readonly repeated: number;
}

const TICK_MS = 10;
/** S3's median time to the first byte of a GET. */
const ANSWER_MS = 60;
/** A refusal needs a round trip only. */
const REFUSAL_MS = 20;

/**
 * Plays the reads of machines that start together against S3's rate: a bucket of tokens that holds one
 * second. A start whose read gives up begins again after the worker's pause, up to its last attempt.
 * The fence's PUT is left out: S3 takes 3,500 a second, and no more than 130 starts a second get so
 * far.
 */
export function simulateHerd(herd: Herd): Outcome {
	const { starts, withinS, prefixes, slowDown = "throttled", seed = 1, played: count = 200 } = herd;
	const rate = (prefixes * S3_GETS * count) / starts;
	const roll = randomFrom(seed);
	const steps = [START.lists, START.commits, START.packs, START.readBacks];
	const machines = Array.from({ length: count }, () => ({
		beganMs: roll() * withinS * 1_000,
		readyMs: Number.NaN,
		step: 0,
		unsent: 0,
		inFlight: 0,
		atOnce: MOST_READS,
		begins: 0,
	}));
	type Machine = (typeof machines)[number];
	/** Events by tick. A stale one belongs to an attempt that was given up. */
	const due: (() => void)[][] = [];
	let nowMs = 0;
	let open = count;
	let refused = 0;
	let tokens = rate;

	const after = (ms: number, event: () => void) => {
		const tick = Math.max(Math.ceil((nowMs + ms) / TICK_MS), nowMs / TICK_MS + 1);
		const events = due[tick];
		if (events === undefined) due[tick] = [event];
		else events.push(event);
	};
	const begin = (machine: Machine) => {
		machine.begins++;
		machine.atOnce = MOST_READS;
		enter(machine, 0);
	};
	const enter = (machine: Machine, step: number) => {
		machine.step = step;
		machine.unsent = steps[step]!;
		machine.inFlight = 0;
		send(machine);
	};
	const send = (machine: Machine) => {
		const attempt = machine.begins;
		for (; machine.unsent > 0; machine.unsent--) {
			if (machine.inFlight >= Math.min(PARALLEL_GETS, machine.atOnce)) return;
			machine.inFlight++;
			after(0, () => arrive(machine, attempt, 1));
		}
	};
	const arrive = (machine: Machine, attempt: number, failures: number) => {
		if (attempt !== machine.begins) return;
		if (tokens >= 1) {
			tokens--;
			return after(ANSWER_MS, () => answered(machine, attempt));
		}
		refused++;
		if (slowDown === "throttled") machine.atOnce = fewer(machine.atOnce);
		const pause = pauseMs(BACKOFF[slowDown], failures, roll());
		if (pause !== undefined)
			return after(REFUSAL_MS + pause, () => arrive(machine, attempt, failures + 1));
		// Its other reads are aborted.
		if (machine.begins === ATTEMPTS) {
			machine.begins++;
			open--;
			return;
		}
		const waitMs = pauseAfterS(machine.begins) * 1_000;
		machine.begins++;
		const next = machine.begins;
		after(waitMs, () => {
			machine.begins = next - 1;
			begin(machine);
		});
	};
	const answered = (machine: Machine, attempt: number) => {
		if (attempt !== machine.begins) return;
		machine.inFlight--;
		machine.atOnce = more(machine.atOnce);
		if (machine.unsent > 0) return send(machine);
		if (machine.inFlight > 0) return;
		if (machine.step + 1 < steps.length) return enter(machine, machine.step + 1);
		machine.readyMs = nowMs;
		open--;
	};

	for (const machine of machines) after(machine.beganMs, () => begin(machine));
	for (; open > 0; nowMs += TICK_MS) {
		tokens = Math.min(rate, tokens + (rate * TICK_MS) / 1_000);
		const events = due[nowMs / TICK_MS] ?? [];
		delete due[nowMs / TICK_MS];
		// In any order: S3 does not serve first who asked first.
		for (let left = events.length; left > 0; left--) {
			const chosen = Math.floor(roll() * left);
			const event = events[chosen]!;
			events[chosen] = events[left - 1]!;
			event();
		}
	}
	const times = machines
		.filter(({ readyMs }) => !Number.isNaN(readyMs))
		.map(({ beganMs, readyMs }) => (readyMs - beganMs) / 1_000)
		.sort((a, b) => a - b);
	return {
		ready: times.length / count,
		medianS: times[Math.floor(times.length / 2)] ?? Number.NaN,
		slowestS: times.at(-1) ?? Number.NaN,
		refused: refused / count,
		repeated: machines.filter(({ begins }) => begins > 1).length / count,
	};
}

/** Numbers in [0, 1): mulberry32. */
function randomFrom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let x = Math.imul(state ^ (state >>> 15), state | 1);
		x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
		return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
	};
}
