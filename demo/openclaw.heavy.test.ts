/**
 * A real gateway of OpenClaw takes turns while it is captured, and moves from machine to machine.
 * It moves after a clean stop, after SIGTERM in the middle of a turn, and after kill -9 of
 * everything in the middle of a turn. Each machine has another host name and sees its directory at
 * the same path. One conversation continues through all of them, and the log's transcript must
 * contain every sentence. The model must get every answered message each time, and interrupted ones
 * once. OpenClaw puts an unfinished turn before the next message as context, and then removes it
 * from the conversation's branch.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB) and `unshare`. With CI=true their
 * absence is an error.
 */
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { zstdDecompressSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import buildSidecar from "../packages/testkit/build-command.ts";
import type { Agent } from "../packages/testkit/openclaw/agent.ts";
import { type FakeModel, startFakeModel } from "../packages/testkit/openclaw/fake-model.ts";
import {
	findOrInstallOpenClaw,
	openClawAgent,
	removePartialInstall,
} from "../packages/testkit/openclaw/openclaw.ts";
import { allGone, killEverything, type Running, textOf } from "../packages/testkit/processes.ts";
import { databasesOf, LEASE_TABLES, scan } from "./compare.ts";
import { durable } from "./durable.ts";
import { findIsolation, type Isolation, Machine } from "./machine.ts";
import { Sidecar } from "./sidecar.ts";

const isolation = findIsolation();
const openclaw =
	isolation.unshare === undefined
		? missing(isolation.reason)
		: await findOrInstallOpenClaw((text) => console.warn(text));
if (openclaw.kind === "missing") {
	if (process.env.CI === "true")
		throw new Error(`OpenClaw cannot be moved between machines here: ${openclaw.reason}`);
	console.warn(`skipped: OpenClaw cannot be moved between machines here: ${openclaw.reason}`);
}

function missing(reason: string): { readonly kind: "missing"; readonly reason: string } {
	return { kind: "missing", reason };
}

/**
 * The duration of each step, printed as one block, because the steps of a test are read together.
 */
class Timeline {
	readonly #lines: string[];
	readonly #started = performance.now();
	#last = this.#started;

	constructor(title: string) {
		this.#lines = [title];
	}

	at(what: string): void {
		const nowMs = performance.now();
		const inSeconds = (ms: number) => `${(ms / 1000).toFixed(1).padStart(6)} s`;
		this.#lines.push(
			`${inSeconds(nowMs - this.#started)} (+${inSeconds(nowMs - this.#last).trim()})  ${what}`,
		);
		this.#last = nowMs;
	}

	print(): void {
		console.log(this.#lines.join("\n"));
	}
}

const STATE = "home/.openclaw";
const AGENT_DATABASE = "agents/main/agent/openclaw-agent.sqlite";
/** Part of the platform's 15 s; the gateway itself would wait minutes for its turn. */
const DRAIN = "12s";
/** Children of a killed gateway end when they notice that it is gone. */
const GONE_MS = 60_000;
/** The gateway takes the interrupted turn up first. */
const TAKEN_UP_MS = 150_000;

/** All events, one JSON text per line; OpenClaw stores large ones compressed. */
function transcriptOf(path: string): string {
	using database = new DatabaseSync(path, { readOnly: true });
	return database
		.prepare("SELECT event_json, event_zstd FROM transcript_events ORDER BY session_id, seq")
		.all()
		.map(({ event_json: text, event_zstd: packed }) =>
			packed instanceof Uint8Array ? zstdDecompressSync(packed).toString() : String(text),
		)
		.join("\n");
}

describe.skipIf(openclaw.kind === "missing")("a real OpenClaw", () => {
	let root: string;
	let model: FakeModel;
	let agent: Agent;
	let machine: Machine;
	let sidecar: Sidecar;
	let daemon: Running;
	const machines: Machine[] = [];
	/** The user's messages, in order. */
	const said: string[] = [];
	/** Those of the messages that got no answer. */
	const cutOff = new Set<string>();
	/** The number of messages in the last request. */
	let messages = 0;
	let timeline: Timeline;

	beforeAll(async () => {
		root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-moves-")));
		buildSidecar();
		model = await startFakeModel();
		agent = await openClawAgent(openclaw as Extract<typeof openclaw, { kind: "installed" }>, model);
		mkdirSync(join(root, "store"));
	});

	afterEach(({ task }) => {
		timeline?.print();
		if (task.result?.state === "fail" && machine !== undefined) console.log(gatewayLog());
	});

	afterAll(async () => {
		killEverything();
		removePartialInstall();
		await agent?.close();
		for (const each of machines) each.leave();
		if (root !== undefined) rmSync(root, { recursive: true, force: true, maxRetries: 10 });
	});

	/** The end of the gateway's own output. */
	function gatewayLog(): string {
		const directory = join(machine.outside, "tmp/openclaw");
		if (!existsSync(directory)) return "the gateway wrote no log";
		return readdirSync(directory)
			.map((name) => readFileSync(join(directory, name), "utf8").slice(-8_000))
			.join("\n");
	}

	/** The daemon of the previous test; a test that runs alone begins with a first machine. */
	async function goOn(): Promise<void> {
		if (daemon !== undefined)
			return expect(daemon.exit, "the test before left no gateway").toBeUndefined();
		await boot();
		await say("Hello, who are you?");
	}

	/** Starts a new machine: restore, gate, gateway, ready. */
	async function boot(): Promise<void> {
		machine = new Machine(root, machines.length + 1, isolation as Isolation, agent.scratch);
		sidecar = new Sidecar(machine, pathToFileURL(join(root, "store")).href);
		if (machines.length === 0) await agent.prepare(join(machine.outside, STATE));
		machines.push(machine);
		daemon = sidecar.run(agent.command(sidecar.stateDirectory), {
			...agent.env,
			OPENCLAW_SIDECAR_LOG_LEVEL: "debug",
			OPENCLAW_SIDECAR_DRAIN_TIMEOUT: DRAIN,
		});
		await daemon.event("agent.started");
		const [restored] = daemon.events("restore.finished");
		timeline.at(
			`${machine.hostname}: restored commit ${restored?.seq}, ${restored?.files} files; fence won, gateway started`,
		);
		await agent.ready(daemon);
		timeline.at("the gateway is ready");
	}

	/**
	 * A gateway continues an interrupted turn on its own. A request to that session at that moment
	 * gets a 500, and the log says "Session changed while starting work. Retry."
	 */
	async function turnWhenFree(text: string): ReturnType<Agent["turn"]> {
		const deadline = performance.now() + TAKEN_UP_MS;
		for (let tries = 1; ; tries++) {
			try {
				return await agent.turn(text);
			} catch (error) {
				if (!String(error).includes("HTTP 500") || performance.now() > deadline) throw error;
				if (tries === 1)
					timeline.at(
						"the gateway takes the turn up that was cut off, and says so: asked until it is done",
					);
				await delay(1_000);
			}
		}
	}

	async function say(text: string): Promise<void> {
		const given = [
			...said.slice(0, -1).filter((each) => !cutOff.has(each)),
			...said.slice(-1),
			text,
		];
		said.push(text);
		const before = messages;
		({ messages } = await turnWhenFree(text));
		timeline.at(`turn: the model was given ${messages} messages`);
		// OpenClaw merges a message without an answer with the next one.
		expect(messages).toBeGreaterThanOrEqual(before);
		for (const each of given)
			expect(model.lastAsked.includes(each), `the model was given: ${each}`).toBe(true);
	}

	/**
	 * A turn in progress: the model was asked, and does not answer for a minute. Nobody receives the
	 * end of the turn.
	 */
	async function sayAndDoNotWait(text: string): Promise<void> {
		said.push(text);
		cutOff.add(text);
		model.isSlow = true;
		const asked = model.asked();
		const turn = agent.turn(`${text} [[slow:60]]`);
		turn.catch(() => undefined);
		await Promise.race([
			asked,
			turn.then(() => Promise.reject(new Error("the turn ended before its middle"))),
		]);
		messages = model.messageCounts.at(-1) ?? 0;
		timeline.at(`in the middle of a turn: the model was given ${messages} messages and thinks`);
	}

	async function allDurable(from: number): Promise<void> {
		const { seq, bytes } = await durable({
			daemon,
			sidecar,
			disk: join(machine.outside, STATE),
			from,
			copies: join(root, "copies"),
		});
		timeline.at(`all of the disk is in the log: commit ${seq}, ${Math.round(bytes / 1000)} kB`);
	}

	/** The gateway renews its lease every 30 s, a write that must not be stored. */
	async function idleCostsNothing(): Promise<void> {
		const written = () => {
			const { size, mtimeMs } = statSync(join(machine.outside, STATE, "state/openclaw.sqlite-wal"));
			return `${size}:${mtimeMs}`;
		};
		for (;;) {
			const from = daemon.mark;
			const before = written();
			await daemon.event("flush.nothing", from, 100_000);
			if (daemon.events("flush.committed", from).length === 0 && written() !== before) break;
		}
		timeline.at("the gateway wrote to its state database: nothing to store");
	}

	/** Restored next to the last machine, before any gateway opens them. */
	async function logIsWhole(): Promise<void> {
		const elsewhere = new Machine(
			root,
			100 + machines.length,
			isolation as Isolation,
			agent.scratch,
		);
		await new Sidecar(elsewhere, pathToFileURL(join(root, "store")).href).restore();
		const disk = join(elsewhere.outside, STATE);
		const found = databasesOf(scan(disk));
		expect(found.length).toBeGreaterThanOrEqual(2);
		for (const path of found) {
			using database = new DatabaseSync(join(disk, path), { readOnly: true });
			expect(database.prepare("PRAGMA integrity_check").all(), path).toEqual([
				{ integrity_check: "ok" },
			]);
			for (const { name } of database
				.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
				.all())
				if (LEASE_TABLES.has(String(name)))
					expect(database.prepare(`SELECT * FROM ${name}`).all(), path).toEqual([]);
		}
		const transcript = transcriptOf(join(disk, AGENT_DATABASE));
		for (const each of said)
			expect(transcript.includes(each), `in the transcript: ${each}`).toBe(true);
		elsewhere.leave();
		timeline.at(
			`${found.length} databases of the log are sound and hold no lease; all ${said.length} sentences are in the transcript`,
		);
	}

	test("continues after a clean stop, and costs nothing while it is idle", async () => {
		timeline = new Timeline("clean stop");
		await boot();
		const from = daemon.mark;
		await say("Hello, who are you?");
		await say("Remember the plan. [[write:notes/plan.md:5000]]");
		await allDurable(from);
		await idleCostsNothing();
		daemon.signal("SIGTERM");
		const exit = await daemon.exited;
		expect(textOf(exit), daemon.tail).toBe("exit status 0");
		await allGone(GONE_MS);
		timeline.at(`SIGTERM: drained in ${daemon.events("drain.finished")[0]?.ms} ms, exit status 0`);
		await logIsWhole();
		await boot();
		await say("Do you remember?");
	});

	// @id openclaw-survives-sigterm
	test("continues after SIGTERM in the middle of a turn", async () => {
		timeline = new Timeline("SIGTERM in the middle of a turn");
		await goOn();
		await sayAndDoNotWait("What comes after the plan?");
		daemon.signal("SIGTERM");
		const exit = await daemon.exited;
		expect(textOf(exit), daemon.tail).toBe("exit status 0");
		expect(daemon.events("agent.killed")).toHaveLength(1);
		await allGone(GONE_MS);
		timeline.at(
			`SIGTERM: the gateway did not end and was killed, drained in ${daemon.events("drain.finished")[0]?.ms} ms, exit status 0`,
		);
		await logIsWhole();
		model.isSlow = false;
		await boot();
		await say("Where were we?");
	});

	// @id openclaw-survives-kill
	test("continues after kill -9 of everything in the middle of a turn", async () => {
		timeline = new Timeline("kill -9 in the middle of a turn");
		await goOn();
		const from = daemon.mark;
		await sayAndDoNotWait("And what if the machine dies?");
		await allDurable(from);
		daemon.killGroup();
		await daemon.exited;
		await allGone(GONE_MS);
		timeline.at("kill -9 of the sidecar, the gateway, their children: no process is left");
		await logIsWhole();
		model.isSlow = false;
		await boot();
		await say("Are you still there?");
		daemon.killGroup();
	});
});
