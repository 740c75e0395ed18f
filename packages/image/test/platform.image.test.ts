/**
 * Runs the image as AgentCore does, with OpenClaw itself. A user's token starts the machine, turns
 * pass through, the machine is ended, and the next one continues. Outside the image: an S3 server
 * with an STS, an OpenID issuer, and a model. Prints its measurements.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FakeModel, startFakeModel } from "../../testkit/openclaw/fake-model.ts";
import { type OidcS3Server, startOidcS3Server } from "../../testkit/store/oidc-s3-server.ts";
import { Container, inImage, statusOf } from "./container.ts";
import { ask, invoke, machineVariables, ping, TIMEOUT_MS, untilPinged } from "./contract.ts";

/** The unit in which the kernel counts process times. */
const TICK_MS = 10;

let cloud: OidcS3Server;
let model: FakeModel;
beforeAll(async () => {
	cloud = await startOidcS3Server();
	model = await startFakeModel();
});
afterAll(async () => {
	await model.close();
	await cloud[Symbol.asyncDispose]();
});

test("a user's conversation outlives the machine", { timeout: 2 * TIMEOUT_MS }, async () => {
	const anna = await cloud.issuer.token({ sub: "anna" });
	const bob = await cloud.issuer.token({ sub: "bob" });
	const numbers: Record<string, string> = {};
	let asked: number;
	{
		await using vm = machine("vm-1");
		const first = await firstHealthyPing(vm);
		numbers["start of the process to the first healthy ping"] =
			`${first.ms} ms; ${first.computedMs} ms of computing, with what it loads right after`;
		const daemon = vm.pid;
		numbers["sidecar's memory before the first request"] = memory(daemon);
		expect(await ask("hello", await cloud.issuer.token({ sub: "anna" }, { expiresInS: -60 }))).toBe(
			"401 IDENTITY_REFUSED",
		);
		expect(model.messageCounts).toEqual([]);

		expect(await ask("hello", anna)).toMatch(/^reply-1-word-0 /);
		const [{ ms: readyMs }, { ms: servingMs }] = [
			await vm.process.event("agent.ready"),
			await vm.process.event("machine.serving"),
		];
		numbers["first request to agent ready"] =
			`${servingMs} ms, of which OpenClaw took ${readyMs} ms`;
		numbers["sidecar's memory with the agent"] = memory(daemon);
		expectConfined(vm);
		await expectGateway(vm);

		const streamed = await invoke({ prompt: "and more", stream: true }, anna);
		const events = await streamed.text();
		expect(events).toMatch(/^(?:data: ".*"\n\n)+$/);
		expect(events).toContain("reply-2-word-119");
		expect(await ask("hello", bob)).toBe("403 NAMESPACE_FOREIGN");
		asked = model.messageCounts.at(-1) ?? 0;
		await untilHealthy();
		expect(await vm.end()).toEqual({ code: 0, signal: null });
		expect(vm.process.events("drain.finished").at(-1)).toMatchObject({ isDurable: true });
	}
	{
		await using vm = machine("vm-2");
		await firstHealthyPing(vm);
		expect(await ask("still there?", anna)).toMatch(/^reply-3-word-0 /);
		// The model gets the conversation of the first machine, plus two turns.
		expect(model.messageCounts.at(-1)).toBe(asked + 2);
		expect(model.lastAsked).toContain("and more");
		const [{ ms: readyMs }, { ms: servingMs }] = [
			await vm.process.event("agent.ready"),
			await vm.process.event("machine.serving"),
		];
		numbers["second machine: first request to agent ready"] =
			`${servingMs} ms, of which OpenClaw took ${readyMs} ms`;
		expect(await vm.end()).toEqual({ code: 0, signal: null });
		expect(vm.process.events("drain.finished").at(-1)).toMatchObject({ isDurable: true });
	}
	for (const [what, value] of Object.entries(numbers)) console.log(`${what}: ${value}`);
});

test("with OPENCLAW_IMAGE_WARM_UP, OpenClaw's files have been read at the first ping", {
	timeout: TIMEOUT_MS,
}, async () => {
	const readBytes = async (name: string, env: Record<string, string>) => {
		await using vm = machine(name, env);
		await firstHealthyPing(vm);
		// Includes what its children read, as soon as they have ended.
		return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${vm.pid}/io`, "utf8"))?.[1]);
	};
	const size = Number(inImage("du", "--bytes", "--summarize", "/opt/openclaw").split("\t")[0]);
	const without = await readBytes("vm-3", {});
	expect(without).toBeLessThan(size / 2);
	expect(await readBytes("vm-4", { OPENCLAW_IMAGE_WARM_UP: "1" })).toBeGreaterThan(size);
});

function machine(name: string, given: Readonly<Record<string, string>> = {}): Container {
	const env = {
		...machineVariables(cloud),
		OPENCLAW_OFFLINE: "1",
		OPENCLAW_MODEL_BASE_URL: model.url,
		OPENCLAW_MODEL_ID: model.id,
		...given,
	};
	return new Container(name, { env });
}

/** Time since the kernel started the container's first process, with a resolution of 10 ms. */
async function firstHealthyPing(
	vm: Container,
): Promise<{ readonly ms: number; readonly computedMs: number }> {
	await untilPinged(vm);
	const [nowS = "0"] = readFileSync("/proc/uptime", "utf8").split(" ");
	// From the third field on. In proc(5), utime and stime are fields 14 and 15, and starttime is 22.
	const fields =
		readFileSync(`/proc/${vm.pid}/stat`, "utf8").split(") ")[1]?.split(" ").map(Number) ?? [];
	const [utime = 0, stime = 0, startTime = 0] = [fields[11], fields[12], fields[19]];
	return {
		ms: Math.round(Number(nowS) * 1000 - startTime * TICK_MS),
		computedMs: (utime + stime) * TICK_MS,
	};
}

async function untilHealthy(): Promise<void> {
	await expect.poll(ping, { timeout: TIMEOUT_MS }).toBe("Healthy");
}

const memory = (pid: number) =>
	`${Math.round(Number.parseInt(statusOf(pid).get("VmRSS") ?? "", 10) / 1000)} MB`;

/**
 * Checks that the agent's process is the gateway itself: killing a launcher would leave the gateway
 * running. Checks its paths: OpenClaw's fingerprint of its configuration contains them, so that a
 * change makes the next start of every user slow.
 */
async function expectGateway(vm: Container): Promise<void> {
	const { pid } = await vm.process.event("agent.started");
	// Only the same user may read the environment.
	const asAgent = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "sh", "-c"];
	const linesOf = (file: string) =>
		vm.exec(...asAgent, `tr '\\0' '\\n' </proc/${pid}/${file}`).split("\n");
	expect(linesOf("cmdline").filter(Boolean)).toEqual(["openclaw-gateway"]);
	expect(linesOf("environ")).toEqual(
		expect.arrayContaining([
			"HOME=/home/openclaw",
			"NODE_COMPILE_CACHE=/opt/openclaw/compile-cache",
			"OPENCLAW_TRAJECTORY=0",
		]),
	);
	const program = "/opt/openclaw/node_modules/openclaw/openclaw.mjs";
	expect(vm.exec("readlink", "-f", program)).toBe(program);
}

/**
 * Checks every process in the container: only the daemon is root's, and no process can gain a
 * capability.
 */
function expectConfined(vm: Container): void {
	const text = vm.exec(
		"sh",
		"-c",
		"for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || cat $p/status 2>/dev/null; done",
	);
	const processes = text
		.split(/^(?=Name:)/m)
		.map(
			(part) => new Map(part.split("\n").map((line) => line.split(/:\s*/, 2) as [string, string])),
		);
	const ofAgent = processes.filter((status) => status.get("Uid")?.startsWith("10001\t"));
	expect(ofAgent.length).toBeGreaterThan(0);
	for (const status of ofAgent) {
		for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
			expect([set, status.get(set)]).toEqual([set, "0000000000000000"]);
		expect(status.get("NoNewPrivs")).toBe("1");
	}
	const daemon = processes.find((status) => status.get("Pid") === "1");
	expect(daemon?.get("Uid")).toMatch(/^0\t/);
	expect(daemon?.get("CapBnd")).toBe("0000000000000000");
	expect(daemon?.get("NoNewPrivs")).toBe("1");
}
