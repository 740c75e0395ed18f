/**
 * From the start of a process to OpenClaw's first answer: the sidecar on an empty disk, and a bare
 * gateway that finds the same state on its disk.
 */
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../packages/testkit/free-port.ts";
import { type FakeModel, startFakeModel } from "../../packages/testkit/openclaw/fake-model.ts";
import { findOpenClaw, OPENCLAW_ENV } from "../../packages/testkit/openclaw/openclaw.ts";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { treeCpuMs } from "../proc.ts";
import { baseEnv, collect, end, start } from "../processes.ts";
import type { Line } from "../results.ts";
import { median, medianRatio, seconds } from "../statistics.ts";
import { Daemon, type Place } from "../tool.ts";

/** The goal, and the sidecar's own share of it. */
const MOST_OF_BARE = 0.85;
const MOST_OF_OWN = 0.05;
const ROUNDS = 3;
const TOKEN = "of a bare gateway";
const LOOK_MS = 20;
const END_MS = 60_000;

/** The time since the start of the process, and the CPU time used until the answer. */
interface Reply {
	readonly readyMs: number;
	readonly answerMs: number;
	readonly cpuMs: number;
}

interface OwnReply extends Reply {
	/** Until the agent's process starts. */
	readonly ownMs: number;
	readonly ownCpuMs: number;
}

export const firstReply: Measurement = {
	name: "first-reply",
	title: "From the start of a process to the first answer of a real OpenClaw",
	run: async (lab) => {
		const openclaw = await findOpenClaw();
		if (openclaw.kind === "missing") throw new Error(openclaw.reason);
		const model = await startFakeModel();
		try {
			const stage = new Stage(lab, openclaw.bin, model);
			await stage.prepare();
			const results = ["cold", "warm"].map((cache) => ({
				cache,
				own: [] as OwnReply[],
				bare: [] as Reply[],
			}));
			for (let round = 0; round < Math.min(ROUNDS, lab.options.rounds); round++) {
				for (const { cache, own, bare } of results) {
					own.push(await stage.sidecar(cache === "cold"));
					bare.push(await stage.bare(cache === "cold"));
				}
			}
			return {
				lines: results.flatMap(({ cache, own, bare }) => linesOf(cache, own, bare)),
				notes: results.map(
					({ cache, own, bare }) => `page cache ${cache}: ${noteOf(own)}; bare ${noteOf(bare)}`,
				),
			};
		} finally {
			await model.close();
		}
	},
};

function linesOf(cache: string, own: readonly OwnReply[], bare: readonly Reply[]): Line[] {
	const answers = own.map(({ answerMs }) => answerMs);
	const bareAnswers = bare.map(({ answerMs }) => answerMs);
	const ratio = medianRatio(answers, bareAnswers);
	const share = median(own.map(({ ownMs, answerMs }) => ownMs / answerMs));
	return [
		{
			what: `first reply, page cache ${cache}: exec to the first answer`,
			budget: `<= ${MOST_OF_BARE} x a bare gateway with its defaults`,
			measured: `${seconds(median(answers))} / ${seconds(median(bareAnswers))}`,
			ratio,
			isMet: ratio <= MOST_OF_BARE,
		},
		{
			what: `first reply, page cache ${cache}: the sidecar's own share`,
			budget: `<= ${MOST_OF_OWN * 100} %`,
			measured: `${(share * 100).toFixed(1)} %`,
			ratio: share / MOST_OF_OWN,
			isMet: share <= MOST_OF_OWN,
		},
	];
}

function noteOf(replies: readonly (Reply & Partial<OwnReply>)[]): string {
	const middle = (of: (reply: Reply & Partial<OwnReply>) => number | undefined) =>
		seconds(median(replies.map((reply) => of(reply) ?? Number.NaN)));
	const own =
		replies[0]?.ownMs === undefined
			? ""
			: `, the sidecar itself ${middle(({ ownMs }) => ownMs)} and ${middle(({ ownCpuMs }) => ownCpuMs)} CPU`;
	return `ready ${middle(({ readyMs }) => readyMs)}, answer ${middle(({ answerMs }) => answerMs)}, CPU ${middle(({ cpuMs }) => cpuMs)}${own}`;
}

/** One home at a constant path: OpenClaw's fingerprint of its configuration contains paths. */
class Stage {
	readonly #lab: Lab;
	readonly #bin: string;
	readonly #model: FakeModel;
	readonly #home: string;
	readonly #state: string;
	/** The same state for the bare gateway, which has started with it before. */
	readonly #template: string;
	readonly #env: Readonly<Record<string, string>>;
	/** Those of the Containerfile and of its `openclaw` that change the start. */
	readonly #imageVariables: Readonly<Record<string, string>>;

	constructor(lab: Lab, bin: string, model: FakeModel) {
		this.#lab = lab;
		this.#bin = bin;
		this.#model = model;
		this.#home = lab.fresh("home");
		this.#state = join(this.#home, ".openclaw");
		this.#template = lab.fresh("template");
		const tmp = lab.fresh("tmp");
		for (const path of [this.#home, tmp]) mkdirSync(path);
		// The bare gateway chooses its own compile cache, below TMPDIR.
		const { NODE_COMPILE_CACHE: _, ...offline } = OPENCLAW_ENV;
		this.#env = { ...baseEnv(), ...offline, HOME: this.#home, TMPDIR: tmp };
		this.#imageVariables = {
			OPENCLAW_TRAJECTORY: "0",
			OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED: "1",
			NODE_COMPILE_CACHE: join(lab.root, "openclaw-compile-cache"),
		};
	}

	/**
	 * A user's first starts: the state that all rounds begin with, and warm compile caches. The
	 * sidecar's agent gets the cache of a bare gateway, which writes it when it ends, as the image does.
	 */
	async prepare(): Promise<void> {
		await this.sidecar(false);
		const config = join(this.#state, "openclaw.json");
		writeFileSync(config, withDefaults(readFileSync(config, "utf8")));
		cpSync(this.#state, this.#template, { recursive: true, preserveTimestamps: true });
		await this.bare(false, this.#imageVariables);
		await this.bare(false);
		rmSync(this.#template, { recursive: true });
		cpSync(this.#state, this.#template, { recursive: true, preserveTimestamps: true });
	}

	/** Restores, starts the gateway and asks, on a machine whose disk holds nothing of the user. */
	async sidecar(isCold: boolean): Promise<OwnReply> {
		const port = await freePort();
		rmSync(this.#state, { recursive: true, force: true });
		mkdirSync(this.#state, { mode: 0o700 });
		const place: Place = this.#lab.place(this.#state, "first-reply", "openclaw");
		const listen = ["--listen", "127.0.0.1:0", "--agent-url", `http://127.0.0.1:${port}`];
		const command = this.#lab.tool.command("run", place, [
			...listen,
			"--handover-wait",
			"0ms",
			"--",
			...this.#gateway(port),
		]);
		const variables = {
			...this.#env,
			...command.env,
			...this.#imageVariables,
			HOME: this.#home,
			OPENCLAW_MODEL_BASE_URL: this.#model.url,
			OPENCLAW_MODEL_ID: this.#model.id,
		};
		freeze(isCold);
		const startedMs = performance.now();
		const child = start({ ...command, env: variables });
		const daemon = new Daemon(child);
		try {
			const { port: own } = await daemon.event("server.listening");
			await (await fetch(`http://127.0.0.1:${own}/ping`)).arrayBuffer();
			await asked(`http://127.0.0.1:${own}/invocations`, {}, { prompt: "hello" });
			const answerMs = performance.now() - startedMs;
			const cpu = treeCpuMs(child.pid ?? 0);
			const at = async (name: string) => (await daemon.event(name)).seenMs - startedMs;
			const [agentMs, readyMs] = [await at("agent.started"), await at("agent.ready")];
			return {
				readyMs,
				answerMs,
				cpuMs: cpu.all,
				ownMs: agentMs,
				ownCpuMs: cpu.own,
			};
		} finally {
			await daemon.stop();
		}
	}

	/** On a disk that holds the state already. */
	async bare(isCold: boolean, more: Readonly<Record<string, string>> = {}): Promise<Reply> {
		const port = await freePort();
		rmSync(this.#state, { recursive: true, force: true });
		cpSync(this.#template, this.#state, { recursive: true, preserveTimestamps: true });
		freeze(isCold);
		const url = `http://127.0.0.1:${port}`;
		const startedMs = performance.now();
		const child = start({
			argv: this.#gateway(port),
			env: {
				...this.#env,
				OPENCLAW_GATEWAY_TOKEN: TOKEN,
				OPENCLAW_MODEL_API: "openai-completions",
				OPENCLAW_MODEL_BASE_URL: this.#model.url,
				OPENCLAW_MODEL_ID: this.#model.id,
				...more,
			},
		});
		const said = collect(child.stderr);
		child.stdout?.resume();
		try {
			await ready(`${url}/readyz`, child, said);
			const readyMs = performance.now() - startedMs;
			const message = { role: "user", content: "hello" };
			await asked(
				`${url}/v1/chat/completions`,
				{ authorization: `Bearer ${TOKEN}` },
				{ model: "openclaw/default", user: "default", messages: [message] },
			);
			const answerMs = performance.now() - startedMs;
			return { readyMs, answerMs, cpuMs: treeCpuMs(child.pid ?? 0).all };
		} finally {
			await end(child, END_MS);
		}
	}

	#gateway(port: number): string[] {
		const options = ["--port", String(port), "--bind", "loopback"];
		return [process.execPath, this.#bin, "gateway", "run", ...options];
	}
}

/** Without the settings that the sidecar's minimal configuration adds to OpenClaw's defaults. */
function withDefaults(text: string): string {
	const { gateway, ...rest } = JSON.parse(text);
	const { controlUi: _, ...kept } = gateway;
	return JSON.stringify({ ...rest, gateway: kept });
}

/** All writes are on the disk; if cold, nothing else of the disk is in memory. */
function freeze(isCold: boolean): void {
	execFileSync("sync");
	if (isCold) writeFileSync("/proc/sys/vm/drop_caches", "3");
}

async function ready(url: string, child: ChildProcess, said: () => string): Promise<void> {
	for (;;) {
		if (child.exitCode !== null)
			throw new Error(`the gateway ended with status ${child.exitCode}: ${said().slice(-1_500)}`);
		const answer = await fetch(url, { headers: { connection: "close" } }).catch(() => undefined);
		if (answer?.ok && (await answer.text()).startsWith("{")) return;
		await delay(LOOK_MS);
	}
}

async function asked(url: string, headers: Record<string, string>, body: object): Promise<void> {
	// `fetch` gives up after five minutes, in which a busy machine may not answer.
	const call = request(url, {
		method: "POST",
		agent: false,
		headers: { "content-type": "application/json", ...headers },
	});
	call.end(JSON.stringify(body));
	const [response] = (await once(call, "response")) as [IncomingMessage];
	const said = await text(response);
	if (response.statusCode !== 200)
		throw new Error(`${url} answered ${response.statusCode}: ${said}`);
}
