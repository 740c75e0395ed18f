/**
 * A machine of the platform: the real command with its own directory and host name, pinged every
 * two seconds.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../packages/testkit/free-port.ts";
import type { Running } from "../packages/testkit/processes.ts";
import type { TrustingS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import type { Machine } from "./machine.ts";
import type { StoryAgent } from "./platform-agents.ts";
import { SIDECAR_LAUNCHER } from "./sidecar.ts";
import type { Timeline } from "./timeline.ts";

const PING_MS = 2_000;
/** The image's value: the platform gives 15 s, and OpenClaw takes up to four to end. */
const DRAIN = "8s";

/** The store, with an STS that trusts the issuer. */
export interface Cloud extends TrustingS3Server {
	readonly issuer: { readonly url: string; readonly audience: string };
}

export interface Ping {
	readonly status: "Healthy" | "HealthyBusy";
	readonly time_of_last_update: number;
}

export class Vm implements AsyncDisposable {
	readonly name: string;
	/** The workspace, as seen from outside all machines. */
	readonly workspace: string;
	readonly #process: Running;
	readonly #url: string;
	readonly #timeline: Timeline;
	readonly #stopPings = new AbortController();
	readonly #pings: Promise<void>;

	private constructor(
		name: string,
		machine: Machine,
		process: Running,
		url: string,
		timeline: Timeline,
	) {
		this.name = name;
		this.workspace = join(machine.outside, "home/.openclaw");
		this.#process = process;
		this.#url = url;
		this.#timeline = timeline;
		this.#pings = this.#keepPinging();
	}

	static async boot(
		name: string,
		machine: Machine,
		cloud: Cloud,
		agent: StoryAgent,
		timeline: Timeline,
		more: readonly string[] = [],
	): Promise<Vm> {
		const { issuer, roleArn, bucket, server } = cloud;
		const port = await freePort();
		const workspace = join(machine.path, "home/.openclaw");
		const options = {
			workspace,
			"state-dir": join(machine.path, "run"),
			listen: "127.0.0.1:0",
			"agent-url": `http://127.0.0.1:${port}`,
			"drain-timeout": DRAIN,
			store: `s3://${bucket}`,
			region: server.region,
			endpoint: server.endpoint,
			identity: "web-identity",
			issuer: issuer.url,
			audience: issuer.audience,
			"role-arn": roleArn,
		};
		const flags = Object.entries(options).flatMap(([option, value]) => [`--${option}`, value]);
		const command = [
			process.execPath,
			SIDECAR_LAUNCHER,
			"run",
			...flags,
			...more,
			"--",
			...agent.command(port, workspace),
		];
		const started = performance.now();
		const running = machine.start(name, command, {
			...agent.env,
			AWS_ENDPOINT_URL_STS: server.endpoint,
			AWS_REGION: server.region,
		});
		const { port: own } = await running.event("server.listening");
		const vm = new Vm(name, machine, running, `http://127.0.0.1:${own}`, timeline);
		const { status } = await vm.ping();
		timeline.say(
			name,
			`booted as ${machine.hostname}; first ping ${status} after ${Math.round(performance.now() - started)} ms`,
		);
		return vm;
	}

	async ping(): Promise<Ping> {
		return (await (await fetch(`${this.#url}/ping`)).json()) as Ping;
	}

	async invoke(body: object, token: string): Promise<Response> {
		return await fetch(`${this.#url}/invocations`, {
			method: "POST",
			headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
			body: JSON.stringify(body),
			signal: AbortSignal.timeout(300_000),
		});
	}

	/** The durations of restore, gate and the agent's start, from the log. */
	startedIn(): string {
		const [restored] = this.#process.events("restore.finished");
		const [ready] = this.#process.events("agent.ready");
		return `restored commit ${restored?.seq} with ${restored?.files} files in ${restored?.ms} ms, agent ready in ${ready?.ms} ms`;
	}

	async untilHealthy(): Promise<Ping> {
		for (;;) {
			const ping = await this.ping();
			if (ping.status === "Healthy") return ping;
			await delay(50);
		}
	}

	/**
	 * Waits until the machine looks idle to the platform: healthy since one moment, ping after ping.
	 */
	async idle(pings: number): Promise<string> {
		const { time_of_last_update: since } = await this.untilHealthy();
		for (let count = 1; count < pings; count++) {
			await delay(PING_MS);
			const ping = await this.ping();
			if (ping.status !== "Healthy" || ping.time_of_last_update !== since)
				return `${ping.status}, changed meanwhile`;
		}
		return `Healthy, unchanged for ${pings} pings`;
	}

	/** Its log lines by the name of the event. */
	events(name: string): readonly object[] {
		return this.#process.events(name);
	}

	/** Resolves when a commit was made after this call. */
	async committedTurn(): Promise<void> {
		const before = this.events("flush.committed").length;
		while (this.events("flush.committed").length === before) await delay(50);
	}

	/** As when the machine loses power. */
	async kill(): Promise<void> {
		this.#stopPings.abort();
		this.#process.killGroup();
		await this.#process.exited;
	}

	async end(): Promise<string> {
		this.#stopPings.abort();
		await this.#pings;
		this.#process.signal("SIGTERM");
		const { code, signal } = await this.#process.exited;
		const [drained] = this.#process.events("drain.finished");
		const text =
			drained === undefined
				? this.#process.tail
				: `durable ${drained.isDurable}, commit ${drained.headSeq}, drain ${drained.ms} ms`;
		return `exit ${code ?? signal}, ${text}`;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#stopPings.abort();
		if (this.#process.exit === undefined) this.#process.killGroup();
		await this.#process.exited;
	}

	/** Prints only changes. */
	async #keepPinging(): Promise<void> {
		let last = "";
		while (!this.#stopPings.signal.aborted) {
			const ping = await this.ping().catch(() => undefined);
			const text =
				ping === undefined
					? "no answer"
					: `${ping.status} since ${new Date(ping.time_of_last_update * 1000).toISOString().slice(11, 19)}`;
			if (text !== last) this.#timeline.say(this.name, `ping: ${text}`);
			last = text;
			await delay(PING_MS, undefined, { signal: this.#stopPings.signal }).catch(() => {});
		}
	}
}
