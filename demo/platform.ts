/**
 * `pnpm demo:platform`: plays Amazon Bedrock AgentCore, as a timeline with durations. A machine is booted and pinged every two seconds, a
 * user's signed token starts it, turns go through as JSON and as events, forgeries bounce, the idle machine is ended; the next machine goes
 * on, and another user's is empty. Real: the command, an S3 server with an STS, an OpenID issuer. The agent is a small one with a memory.
 */
import { setTimeout as delay } from "node:timers/promises";
import { CLI_BUNDLE, Place } from "../packages/sidecar/test/cli.ts";
import { type OidcS3Server, startOidcS3Server } from "../packages/sidecar/test/oidc-s3-server.ts";
import { PlatformMachine } from "../packages/sidecar/test/platform.ts";
import { buildSidecar } from "./sidecar.ts";

const PING_MS = 2_000;

const began = performance.now();
let hasFailed = false;

function say(machine: string, text: string): void {
	console.log(`${((performance.now() - began) / 1000).toFixed(2).padStart(7)} s  ${machine.padEnd(5)} ${text}`);
}

/** Does one thing, says how long it took, and whether it came out as it must. */
async function step(machine: string, what: string, act: () => Promise<string>, expected: RegExp | string): Promise<void> {
	const started = performance.now();
	const got = await act();
	const isRight = typeof expected === "string" ? got === expected : expected.test(got);
	hasFailed ||= !isRight;
	const ms = Math.round(performance.now() - started);
	say(machine, `${isRight ? "ok " : "BAD"} ${what}: ${got}${isRight ? "" : ` (expected ${expected})`}  ${ms} ms`);
}

class Vm implements AsyncDisposable {
	readonly name: string;
	readonly machine: PlatformMachine;
	readonly #stopPings = new AbortController();
	readonly #pings: Promise<void>;

	private constructor(name: string, machine: PlatformMachine) {
		this.name = name;
		this.machine = machine;
		this.#pings = this.#ping();
	}

	static async boot(cloud: OidcS3Server, place: Place, name: string): Promise<Vm> {
		const { issuer, roleArn, bucket, server } = cloud;
		const store = ["--store", `s3://${bucket}`, "--region", server.region, "--endpoint", server.endpoint];
		const identity = ["--identity", "web-identity", "--issuer", issuer.url, "--audience", issuer.audience, "--role-arn", roleArn];
		const env = { AWS_ENDPOINT_URL_STS: server.endpoint, AWS_REGION: server.region };
		const started = performance.now();
		const machine = await PlatformMachine.boot(place, name, [...store, ...identity], { entry: CLI_BUNDLE, env });
		const { status } = await machine.ping();
		say(name, `booted; first ping ${status} after ${Math.round(performance.now() - started)} ms`);
		return new Vm(name, machine);
	}

	/** As the platform does; says only what changed. */
	async #ping(): Promise<void> {
		let last = "";
		while (!this.#stopPings.signal.aborted) {
			const ping = await this.machine.ping().catch(() => undefined);
			const text =
				ping === undefined ? "no answer" : `${ping.status} since ${new Date(ping.time_of_last_update * 1000).toISOString().slice(11, 19)}`;
			if (text !== last) say(this.name, `ping: ${text}`);
			last = text;
			await delay(PING_MS, undefined, { signal: this.#stopPings.signal }).catch(() => {});
		}
	}

	async untilHealthy(): Promise<string> {
		for (;;) {
			const { status } = await this.machine.ping();
			if (status === "Healthy") return status;
			await delay(50);
		}
	}

	async end(): Promise<string> {
		this.#stopPings.abort();
		await this.#pings;
		const { status, events } = await this.machine.end();
		const drained = events.find(({ event }) => event === "drain.finished");
		return `exit ${status}${drained === undefined ? "" : `, durable ${drained.isDurable}, commit ${drained.headSeq}, drain ${drained.ms} ms`}`;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#stopPings.abort();
		await this.machine[Symbol.asyncDispose]();
	}
}

buildSidecar();
using place = new Place();
await using cloud = await startOidcS3Server();
const anna = await cloud.issuer.token({ sub: "anna" });
const bob = await cloud.issuer.token({ sub: "bob" });

{
	await using vm = await Vm.boot(cloud, place, "vm-1");
	const { machine } = vm;
	await step(
		"vm-1",
		"a token that has expired",
		async () => await machine.ask("hi", await cloud.issuer.token({ sub: "anna" }, { expiresInS: -60 })),
		/^401/,
	);
	await step("vm-1", "anna's first turn (credentials, restore, agent)", async () => await machine.ask("hello", anna), "turn 1 of anna");
	for (const turn of [2, 3, 4]) await step("vm-1", `turn ${turn}`, async () => await machine.ask("more", anna), `turn ${turn} of anna`);
	await step(
		"vm-1",
		"turn 5 as events",
		async () => (await (await machine.invoke({ prompt: "more", stream: true }, anna)).text()).replace(/\s+/g, " "),
		/"turn ".*"5 ".*\[DONE\]/,
	);
	await step("vm-1", "bob's token in anna's machine", async () => await machine.ask("hello", bob), "403 NAMESPACE_FOREIGN");
	await step("vm-1", "all durable", async () => await vm.untilHealthy(), "Healthy");
	await step("vm-1", "SIGTERM", async () => await vm.end(), /^exit 0, durable true/);
}
{
	await using vm = await Vm.boot(cloud, place, "vm-2");
	await step("vm-2", "anna goes on in a fresh machine", async () => await vm.machine.ask("still there?", anna), "turn 6 of anna");
	await step("vm-2", "SIGTERM right after a turn", async () => await vm.end(), /^exit 0, durable true/);
}
{
	await using vm = await Vm.boot(cloud, place, "vm-3");
	await step("vm-3", "bob sees nothing of it", async () => await vm.machine.ask("hello", bob), "turn 1 of bob");
	await step("vm-3", "SIGTERM", async () => await vm.end(), /^exit 0, durable true/);
}
console.log(hasFailed ? "FAILED" : "everything as it must be");
process.exitCode = hasFailed ? 1 : 0;
