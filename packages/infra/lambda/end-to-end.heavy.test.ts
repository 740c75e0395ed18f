/**
 * Tests the path from a channel's request to the answer in the channel. The real handlers run over
 * HTTP, with moto's SQS, KMS and Secrets Manager, and one process of the shipped daemon per
 * session. The daemon verifies the worker's tokens with the keys of the real issuer. It trades them
 * at MinIO's STS, which verifies them too, for credentials for that user's part of the store.
 * AgentCore has no local server, so a fake starts a machine for each session id.
 */

import { readFileSync } from "node:fs";
import { createLogger, namespaces } from "openclaw-sidecar";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Place } from "../../testkit/cli.ts";
import { startApiFront } from "../../testkit/functions/api-front.ts";
import {
	feishuMessage,
	SECRETS,
	slackMessage,
	telegramMessage,
	type WebhookRequest,
} from "../../testkit/functions/channel-requests.ts";
import { FakeChannel } from "../../testkit/functions/fake-channel.ts";
import { FakeRuntime } from "../../testkit/functions/fake-runtime.ts";
import type { LocalServer } from "../../testkit/functions/local-server.ts";
import { KINDS } from "../../testkit/functions/message-kinds.ts";
import {
	MessageQueue,
	makeSigningKey,
	storeSecret,
} from "../../testkit/functions/message-queue.ts";
import { startMoto } from "../../testkit/functions/moto.ts";
import { startTable } from "../../testkit/functions/table.ts";
import { PlatformMachine } from "../../testkit/platform/platform.ts";
import {
	startTrustingS3Server,
	type TrustingS3Server,
} from "../../testkit/store/oidc-s3-server.ts";
import { s3TestServer } from "../../testkit/store/s3-server.ts";

const moto = s3TestServer() === undefined ? undefined : await startMoto();

const servers: AsyncDisposable[] = [];
const machines = new Map<string, Promise<PlatformMachine>>();
const place = new Place();
let front: LocalServer;
let cloud: TrustingS3Server;
let channels: FakeChannel;
let queue: MessageQueue;
let keys: readonly [string, string];

beforeAll(async () => {
	if (moto === undefined) return;
	vi.doMock("./shared/log.ts", () => ({ logger: createLogger("silent") }));
	const table = await startTable();
	servers.push(table, moto);
	await table.allow({
		"slack.T01.U01": "anna",
		"feishu.ou_anna": "anna",
		"telegram.4711": "ben",
	});
	for (const [name, secret] of Object.entries(SECRETS)) await storeSecret(name, secret);
	queue = await MessageQueue.make();
	keys = [await makeSigningKey(), await makeSigningKey()];
	Object.assign(process.env, {
		QUEUE_URL: queue.url,
		CHANNEL_SECRETS: JSON.stringify({ slack: "slack", telegram: "telegram", feishu: "feishu" }),
		SIGNING_KEY_ID: keys[0],
		AUDIENCE: "openclaw",
		RUNTIME_ARN: "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/openclaw-abc",
		RUNTIME_QUALIFIER: "live",
		MAX_RECEIVES: "3",
	});
	const [webhook, issuer] = [
		(await import("./webhook.ts")).handler,
		(await import("./issuer.ts")).handler,
	];
	front = await startApiFront((path) => (path.startsWith("/webhook/") ? webhook : issuer));
	process.env.ISSUER = front.url;
	cloud = await startTrustingS3Server({ url: front.url, audience: "openclaw" });
	channels = await FakeChannel.start();
	const runtime = await FakeRuntime.start();
	runtime.machine = async (payload, sessionId) => {
		// A state directory must have a short path, and session ids are long.
		if (!machines.has(sessionId)) machines.set(sessionId, boot(`m${machines.size}`));
		const response = await (await machines.get(sessionId)!).invoke(payload);
		return { status: response.status, body: (await response.json()) as object };
	};
	servers.unshift(front, channels, runtime);
});

beforeEach(() => {
	if (moto !== undefined) channels.calls.length = 0;
});

afterAll(async () => {
	for (const machine of machines.values()) await (await machine).end();
	await cloud?.server.stop();
	for (const server of servers) await server[Symbol.asyncDispose]();
	place[Symbol.dispose]();
});

async function boot(name: string): Promise<PlatformMachine> {
	const { server, bucket, roleArn } = cloud;
	const store = [
		"--store",
		`s3://${bucket}`,
		"--region",
		server.region,
		"--endpoint",
		server.endpoint,
	];
	const identity = [
		"--identity",
		"web-identity",
		"--issuer",
		front.url,
		"--audience",
		"openclaw",
		"--role-arn",
		roleArn,
	];
	const args = [...store, ...identity, "--role-duration", "15m"];
	const env = { AWS_ENDPOINT_URL_STS: server.endpoint, AWS_REGION: server.region };
	return await PlatformMachine.boot(place, name, args, { env });
}

async function say({ path, headers, body }: WebhookRequest): Promise<unknown> {
	const response = await fetch(front.url + path, { method: "POST", headers, body });
	return ((await response.json()) as { code: string }).code;
}

/** @returns the number of failures */
async function drain(): Promise<number> {
	const { handler } = await import("./worker.ts");
	return await queue.work(handler, 120_000);
}

describe.skipIf(moto === undefined)("the webhook, the worker and the daemon", () => {
	test("give a user one machine for all their channels, and its memory grows", async () => {
		expect(await say(slackMessage({ text: "你好" }))).toBe("QUEUED");
		expect(await drain()).toBe(0);
		expect(channels.messages).toEqual([{ to: "D01", text: "turn 1 of anna" }]);
		expect(await say(feishuMessage({ text: "again", eventId: "1" }))).toBe("QUEUED");
		expect(await drain()).toBe(0);
		expect(channels.messages.at(-1)).toEqual({ to: "om_1", text: "turn 2 of anna" });
		expect(machines.size).toBe(1);
	});

	test("give another user another machine and a separate part of the store", async () => {
		expect(await say(telegramMessage())).toBe("QUEUED");
		expect(await drain()).toBe(0);
		expect(channels.messages).toEqual([{ to: "4711", text: "turn 1 of ben" }]);
		expect(machines.size).toBe(2);
		const { endpoint, region, accessKeyId, secretAccessKey } = cloud.server;
		const s3 = {
			store: `s3://${cloud.bucket}`,
			endpoint,
			region,
			credentials: { accessKeyId, secretAccessKey },
		};
		const found: string[] = [];
		for await (const namespace of namespaces(s3)) found.push(namespace);
		expect(found).toEqual(["anna", "ben"]);
	});

	test("process a message once if it is delivered twice", async () => {
		const request = slackMessage();
		expect([await say(request), await say(request)]).toEqual(["QUEUED", "REPLAYED"]);
		expect(await drain()).toBe(0);
		expect(await drain()).toBe(0);
		expect(channels.messages).toEqual([{ to: "D01", text: "turn 3 of anna" }]);
	});

	test("answer in each channel's format and thread, and show progress at once", async () => {
		const said = { text: "in markdown", change: { thread_ts: "1764.5" } };
		const rows: object[] = [];
		for (const [channel, message, sign, answer] of [
			["slack", slackMessage(said), "/reactions.add", "/chat.postMessage"],
			["feishu", feishuMessage(said), "/reactions", "/reply"],
			["telegram", telegramMessage(said), "/sendChatAction", "/sendMessage"],
		] as const) {
			channels.calls.length = 0;
			const from = Date.now();
			expect(await say(message)).toBe("QUEUED");
			const doorMs = Date.now() - from;
			expect(await drain()).toBe(0);
			const after = (end: string) =>
				channels.calls.find(({ path }) => path.endsWith(end))!.atMs - from;
			rows.push({ channel, doorMs, signMs: after(sign), answerMs: after(answer) });
			expect(after(sign)).toBeLessThanOrEqual(after(answer));
			const { body } = channels.calls.find(({ path }) => path.endsWith(answer))!;
			expect(channels.messages.at(-1)!.text).toMatch(/^Turn `?\d`? of (anna|ben)\n+.* 1 < 2$/s);
			if (channel === "telegram") expect(body.text).toMatch(/^<b>Turn<\/b> .*1 &lt; 2$/s);
			if (channel === "slack") expect(body).toMatchObject({ thread_ts: "1764.5" });
			if (channel === "feishu") expect(body.msg_type).toBe("post");
		}
		console.table(rows);
	});

	test("give the agent a picture, and one turn for a text that Telegram cut", async () => {
		const picture = Buffer.from("\x89PNG\r\n\x1a\nrest", "latin1");
		channels.files.set("F1", picture);
		await say(telegramMessage({ change: KINDS.telegram.photo }));
		expect(await drain()).toBe(0);
		const pieces = ["a".repeat(4_096), "the end"];
		for (const text of pieces) expect(await say(telegramMessage({ text }))).toBe("QUEUED");
		expect(await drain()).toBe(0);
		const [, ben] = [...machines.keys()];
		const memory = readFileSync(place.path("m1", "memory.jsonl"), "utf8").trim().split("\n");
		expect(ben).toBeDefined();
		expect(memory.at(-2)).toContain(`data:image/png;base64,${picture.toString("base64")}`);
		expect(JSON.parse(memory.at(-1)!).prompt).toBe(pieces.join(""));
	});

	test("reject a token whose key the issuer does not publish", async () => {
		vi.resetModules();
		process.env.SIGNING_KEY_ID = keys[1];
		expect(await say(slackMessage())).toBe("QUEUED");
		expect(await drain()).toBe(1);
		expect(channels.messages).toEqual([]);
	});
});
