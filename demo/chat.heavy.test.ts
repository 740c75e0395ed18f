/**
 * A chat with the real OpenClaw: a signed message of a channel through the webhook handler, the
 * queue, the worker and the daemon to the agent, and its answer in the channel's format. Machines
 * end meanwhile in each way, and the user gets one answer or one notice for each message.
 *
 * Moto stands in for SQS, KMS and Secrets Manager, MinIO for S3 and STS, and a fake for AgentCore's
 * InvokeAgentRuntime. Needs what `prerequisites.ts` and `moto.ts` name. With CI=true their absence
 * is an error.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import buildSidecar from "../packages/testkit/build-command.ts";
import { startApiFront } from "../packages/testkit/functions/api-front.ts";
import { SECRETS, slackMessage } from "../packages/testkit/functions/channel-requests.ts";
import { FakeChannel } from "../packages/testkit/functions/fake-channel.ts";
import { FakeRuntime } from "../packages/testkit/functions/fake-runtime.ts";
import {
	MessageQueue,
	makeSigningKey,
	storeSecret,
} from "../packages/testkit/functions/message-queue.ts";
import { startMoto } from "../packages/testkit/functions/moto.ts";
import { startTable } from "../packages/testkit/functions/table.ts";
import { type FakeModel, startFakeModel } from "../packages/testkit/openclaw/fake-model.ts";
import { removePartialInstall } from "../packages/testkit/openclaw/openclaw.ts";
import { killEverything } from "../packages/testkit/processes.ts";
import { startTrustingS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import { Machine } from "./machine.ts";
import { openClaw } from "./platform-agents.ts";
import { type Cloud, Vm } from "./platform-vm.ts";
import { findPrerequisites, type Prerequisites } from "./prerequisites.ts";
import { Timeline } from "./timeline.ts";

const found = await findPrerequisites("a chat");
const moto = found && (await startMoto());
const isMissing = moto === undefined;

const SLOW = "Think for long. [[slow:60]]";
const AUDIENCE = "openclaw";

const root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-chat-")));
const lines: string[] = [];
const timeline = new Timeline((line) => lines.push(line));
const servers: AsyncDisposable[] = [];
let cloud: Cloud;
let model: FakeModel;
let channel: FakeChannel;
let front: { readonly url: string };
let queue: MessageQueue;
let vm: Vm | undefined;
let count = 0;

beforeAll(async () => {
	if (moto === undefined) return;
	buildSidecar();
	const { createLogger } = await import("../packages/sidecar/src/index.ts");
	vi.doMock("../packages/infra/lambda/shared/log.ts", () => ({ logger: createLogger("silent") }));
	const table = await startTable();
	servers.push(table, moto);
	await storeSecret("slack", SECRETS.slack);
	queue = await MessageQueue.make();
	Object.assign(process.env, {
		QUEUE_URL: queue.url,
		CHANNEL_SECRETS: JSON.stringify({ slack: "slack" }),
		SIGNING_KEY_ID: await makeSigningKey(),
		AUDIENCE,
		RUNTIME_ARN: "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/openclaw-abc",
		RUNTIME_QUALIFIER: "live",
		MAX_RECEIVES: "8",
	});
	const { handler: webhook } = await import("../packages/infra/lambda/webhook.ts");
	const { handler: issuer } = await import("../packages/infra/lambda/issuer.ts");
	const api = await startApiFront((path) => (path.startsWith("/webhook/") ? webhook : issuer));
	front = api;
	process.env.ISSUER = api.url;
	const trusted = { url: api.url, audience: AUDIENCE };
	cloud = { ...(await startTrustingS3Server(trusted)), issuer: trusted };
	channel = await FakeChannel.start();
	model = await startFakeModel();
	const runtime = await FakeRuntime.start();
	runtime.machine = async (payload) => {
		vm ??= await boot();
		try {
			const response = await vm.invoke(payload, "");
			return { status: response.status, body: (await response.json()) as object };
		} catch {
			// The machine is gone, and AgentCore reports that as a failure of the machine.
			return { status: 500, body: {} };
		}
	};
	servers.unshift(api, channel, runtime);
	await table.allow({ "slack.T01.U01": "anna" });
}, 300_000);

beforeEach(() => {
	if (isMissing) return;
	channel.calls.length = 0;
	model.isSlow = true;
});

afterAll(async () => {
	console.log(lines.join("\n"));
	await vm?.[Symbol.asyncDispose]();
	killEverything();
	await model?.close();
	for (const server of servers) await server[Symbol.asyncDispose]();
	await cloud?.server.stop();
	removePartialInstall();
	rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

async function boot(): Promise<Vm> {
	const { openclaw, isolation } = found as Prerequisites;
	const agent = await openClaw(openclaw, model);
	const machine = new Machine(root, ++count, isolation, agent.scratch);
	return await Vm.boot(`vm-${count}`, machine, cloud, agent, timeline);
}

async function say(text: string): Promise<void> {
	const { path, headers, body } = slackMessage({ text });
	const response = await fetch(front.url + path, { method: "POST", headers, body });
	expect(await response.json()).toEqual({ code: "QUEUED" });
}

/** Does the work of Lambda's event source. @returns the number of messages that come back */
async function work(): Promise<number> {
	const { handler } = await import("../packages/infra/lambda/worker.ts");
	return await queue.work(handler, 600_000);
}

/** One message, and what the user sees of it. */
async function chat(text: string): Promise<readonly string[]> {
	const from = Date.now();
	await say(text);
	expect(await work()).toBe(0);
	const seen = channel.messages.map((message) => message.text);
	const after = (Date.now() - from) / 1_000;
	timeline.say("chat", `${text.slice(0, 30)}: ${seen.join(" | ").slice(0, 60)} (${after} s)`);
	return seen;
}

async function endMachine(how: (machine: Vm) => Promise<unknown>): Promise<void> {
	const ended = vm as Vm;
	vm = undefined;
	timeline.say(ended.name, String((await how(ended)) ?? "killed"));
}

test.skipIf(isMissing)("a first message is answered, and a second machine goes on", async () => {
	expect(await chat("Hello")).toEqual([expect.stringMatching(/^reply-1-word-0 /)]);
	await endMachine((machine) => machine.end());
	channel.calls.length = 0;
	expect(await chat("Still there?")).toEqual([expect.stringMatching(/^reply-2-word-0 /)]);
	expect(model.lastAsked).toContain("Hello");
});

test.skipIf(isMissing).each([
	["SIGTERM", (machine: Vm) => machine.end()],
	["kill -9 of everything", (machine: Vm) => machine.kill()],
])("a turn that %s interrupts gets one notice, and the next message one answer", async (_, end) => {
	vm ??= await boot();
	const asked = model.asked();
	const turn = chat(SLOW);
	await asked;
	await (vm as Vm).committedTurn();
	await endMachine(end);
	expect(await turn).toEqual([expect.stringContaining("may or may not")]);
	// Nothing is left in the queue: the message is never asked again.
	expect(await work()).toBe(0);
	expect(channel.messages).toHaveLength(1);
	channel.calls.length = 0;
	model.isSlow = false;
	expect(await chat("Are you done?")).toEqual([expect.stringMatching(/^reply-/)]);
	expect(model.lastAsked).toContain("Think for long.");
});
