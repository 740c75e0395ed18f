/**
 * From the start of a process to OpenClaw's first answer: the sidecar on an empty disk, and a bare
 * gateway that finds the same state on its disk.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../packages/testkit/free-port.ts";
import { type FakeModel, startFakeModel } from "../../packages/testkit/openclaw/fake-model.ts";
import { findOpenClaw, OPENCLAW_ENV } from "../../packages/testkit/openclaw/openclaw.ts";
import { type Budget, figureRatio } from "../budget.ts";
import type { Lab } from "../lab.ts";
import type { Measurement } from "../measurement.ts";
import { freeze, type PageCache } from "../page-cache.ts";
import { treeCpuMs } from "../proc.ts";
import { baseEnv, collect, end, start } from "../processes.ts";
import { seconds } from "../statistics.ts";
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

const CACHES: readonly PageCache[] = ["cold", "warm"];

/** The figures of one page cache. */
const ofCache = (cache: PageCache) => ({
	answer: `cache ${cache}: answer, ms`,
	bareAnswer: `cache ${cache}: bare answer, ms`,
	ready: `cache ${cache}: ready, ms`,
	bareReady: `cache ${cache}: bare ready, ms`,
	cpu: `cache ${cache}: CPU, ms`,
	bareCpu: `cache ${cache}: bare CPU, ms`,
	own: `cache ${cache}: the sidecar itself, ms`,
	ownCpu: `cache ${cache}: the sidecar itself, CPU, ms`,
});

export const firstReply: Measurement = {
	name: "first-reply",
	title: "From the start of a process to the first answer of a real OpenClaw",
	notQuick: "it starts a real OpenClaw ten times",
	budgets: CACHES.flatMap((cache): Budget[] => {
		const { answer, bareAnswer, own } = ofCache(cache);
		return [
			figureRatio(
				`first reply, page cache ${cache}: exec to the first answer`,
				[answer, bareAnswer],
				MOST_OF_BARE,
				seconds,
				"a bare gateway with its defaults",
			),
			figureRatio(
				`first reply, page cache ${cache}: the sidecar's own share`,
				[own, answer],
				MOST_OF_OWN,
				seconds,
				"the whole",
			),
		];
	}),
	run: async (lab) => {
		const openclaw = await findOpenClaw();
		if (openclaw.kind === "missing") throw new Error(openclaw.reason);
		const model = await startFakeModel();
		try {
			const stage = new Stage(lab, openclaw.bin, model);
			await stage.prepare();
			const figures: Record<string, number[]> = {};
			const put = (name: string, value: number) => {
				figures[name] = [...(figures[name] ?? []), value];
			};
			for (let round = 0; round < Math.min(ROUNDS, lab.options.rounds); round++) {
				for (const cache of CACHES.filter((each) => lab.options.caches.includes(each))) {
					const names = ofCache(cache);
					const ours = await stage.sidecar(cache);
					put(names.answer, ours.answerMs);
					put(names.ready, ours.readyMs);
					put(names.cpu, ours.cpuMs);
					put(names.own, ours.ownMs);
					put(names.ownCpu, ours.ownCpuMs);
					const bare = await stage.bare(cache);
					put(names.bareAnswer, bare.answerMs);
					put(names.bareReady, bare.readyMs);
					put(names.bareCpu, bare.cpuMs);
				}
			}
			return { figures };
		} finally {
			await model.close();
		}
	},
};

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
		await this.sidecar("warm");
		const config = join(this.#state, "openclaw.json");
		writeFileSync(config, withDefaults(readFileSync(config, "utf8")));
		cpSync(this.#state, this.#template, { recursive: true, preserveTimestamps: true });
		await this.bare("warm", this.#imageVariables);
		await this.bare("warm");
		rmSync(this.#template, { recursive: true });
		cpSync(this.#state, this.#template, { recursive: true, preserveTimestamps: true });
	}

	/** Restores, starts the gateway and asks, on a machine whose disk holds nothing of the user. */
	async sidecar(cache: PageCache): Promise<OwnReply> {
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
		freeze(cache);
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
	async bare(cache: PageCache, more: Readonly<Record<string, string>> = {}): Promise<Reply> {
		const port = await freePort();
		rmSync(this.#state, { recursive: true, force: true });
		cpSync(this.#template, this.#state, { recursive: true, preserveTimestamps: true });
		freeze(cache);
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
		return [this.#lab.tool.node, this.#bin, "gateway", "run", ...options];
	}
}

/** Without the settings that the sidecar's minimal configuration adds to OpenClaw's defaults. */
function withDefaults(text: string): string {
	const { gateway, ...rest } = JSON.parse(text);
	const { controlUi: _, ...kept } = gateway;
	return JSON.stringify({ ...rest, gateway: kept });
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
