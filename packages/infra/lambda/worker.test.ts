import { DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import type { SQSRecord } from "aws-lambda";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { encodeUserId } from "openclaw-sidecar";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startApiFront } from "../../testkit/functions/api-front.ts";
import { SECRETS } from "../../testkit/functions/channel-requests.ts";
import { FakeAws } from "../../testkit/functions/fake-aws.ts";
import { FakeChannel } from "../../testkit/functions/fake-channel.ts";
import { FakeRuntime } from "../../testkit/functions/fake-runtime.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../testkit/functions/table.ts";
import { CATALOG } from "./shared/catalog.ts";
import { deliveryIdOf, type QueuedMessage } from "./shared/message.ts";

asInOwnProcess();

const EN = CATALOG.en;

const servers: AsyncDisposable[] = [];
const lines: string[] = [];
let table: LocalTable;
let aws: FakeAws;
let channels: FakeChannel;
let runtime: FakeRuntime;
let issuerUrl: string;
let worker: typeof import("./worker.ts").handler;

beforeAll(async () => {
	vi.doMock("./shared/log.ts", async () => {
		const { createLogger } = await import("openclaw-sidecar");
		return { logger: createLogger("info", { write: (line: string) => void lines.push(line) }) };
	});
	table = await startTable();
	servers.push(table);
	aws = await FakeAws.start();
	channels = await FakeChannel.start();
	runtime = await FakeRuntime.start();
	const { handler } = await import("./issuer.ts");
	const front = await startApiFront(() => handler);
	servers.push(aws, channels, runtime, front);
	issuerUrl = front.url;
	for (const [channel, secret] of Object.entries(SECRETS))
		aws.secrets.set(`secret-${channel}`, { AWSCURRENT: secret });
	Object.assign(process.env, {
		CHANNEL_SECRETS: JSON.stringify({
			slack: "secret-slack",
			telegram: "secret-telegram",
			feishu: "secret-feishu",
		}),
		RUNTIME_ARN: "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/openclaw-abc",
		RUNTIME_QUALIFIER: "live",
		SIGNING_KEY_ID: "alias/tokens",
		ISSUER: issuerUrl,
		AUDIENCE: "openclaw",
		MAX_RECEIVES: "4",
	});
	worker = (await import("./worker.ts")).handler;
});

beforeEach(async () => {
	await table.allow({ "test.anna": "anna", "test.ben": "ben", "test.jürgen": "jürgen" });
	channels.calls.length = 0;
	runtime.invocations.length = 0;
	runtime.refusal = undefined;
	runtime.machine = () => ({ status: 200, body: { response: "hello back", status: "success" } });
	aws.broken.clear();
	aws.calls.length = 0;
});

afterAll(async () => {
	for (const server of servers) await server[Symbol.asyncDispose]();
});

let count = 0;

interface Handed extends Partial<Omit<QueuedMessage, "channel">> {
	readonly receives?: number;
	readonly user?: string;
	readonly channel?: QueuedMessage["channel"];
	readonly body?: string;
}

const TO = {
	slack: { channel: "D01", user: "U01", ts: "1764000000.000100" },
	telegram: { chat: "4711" },
	feishu: { message: "om_1" },
};

function record(given: Handed = {}): SQSRecord {
	const { receives = 1, user = "anna", channel = "telegram", body, ...rest } = given;
	const isTextless = rest.attachments !== undefined || rest.unread !== undefined;
	const message: QueuedMessage = {
		channel,
		deliveryId: deliveryIdOf(channel, String(++count)),
		sender: `test.${user}`,
		userId: user,
		...(!isTextless && { text: "hello" }),
		replyTo: TO[channel],
		...rest,
	};
	const attributes = {
		ApproximateReceiveCount: String(receives),
		MessageGroupId: encodeUserId(user),
	};
	return {
		messageId: `m-${count}`,
		receiptHandle: `r-${count}`,
		body: body ?? JSON.stringify(message),
		attributes,
	} as unknown as SQSRecord;
}

const again = (one: SQSRecord, receives: number): SQSRecord => ({
	...one,
	attributes: { ...one.attributes, ApproximateReceiveCount: String(receives) },
});

async function work(...Records: SQSRecord[]): Promise<string[]> {
	const { batchItemFailures } = await worker(
		{ Records },
		{ getRemainingTimeInMillis: () => 60_000 },
	);
	return batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
}

const texts = () => channels.messages.map(({ text }) => text);

test.each([
	["slack", "D01", "/slack/chat.postMessage", "Bearer xoxb-slack-bot-token"],
	["telegram", "4711", "/telegram/bot4711:AAtelegram-bot-token/sendMessage", undefined],
	["feishu", "om_1", "/feishu/open-apis/im/v1/messages/om_1/reply", "Bearer t-1"],
] as const)(
	"%s: the agent is asked and its answer sent",
	async (channel, to, path, authorization) => {
		runtime.machine = ({ prompt }) => ({ status: 200, body: { response: `you said: ${prompt}` } });
		expect(await work(record({ channel, text: "Grüße 你好" }))).toEqual([]);
		expect(channels.messages).toEqual([{ to, text: "you said: Grüße 你好" }]);
		expect(channels.calls.find((call) => call.path === path)).toMatchObject({ authorization });
	},
);

test("the machine gets the user's own session, and a token that the issuer's published keys verify", async () => {
	await work(record({ user: "jürgen" }), record({ user: "anna" }), record({ user: "anna" }));
	const [first, second, third] = runtime.invocations;
	expect(first!.path).toContain(encodeURIComponent(process.env.RUNTIME_ARN!));
	expect(first!.path).toContain("qualifier=live");
	expect(first!.sessionId).toMatch(/^openclaw-[0-9a-f]{64}$/);
	expect(new Set([first, second, third].map((one) => one!.sessionId)).size).toBe(2);

	const discovery = (await (
		await fetch(`${issuerUrl}/.well-known/openid-configuration`)
	).json()) as { issuer: string; jwks_uri: string };
	expect(discovery).toMatchObject({
		issuer: issuerUrl,
		id_token_signing_alg_values_supported: ["RS256"],
	});
	const keys = createLocalJWKSet((await (await fetch(discovery.jwks_uri)).json()) as JSONWebKeySet);
	const token = runtime.invocations.find(({ payload }) => payload.prompt === "hello")!.payload
		.identityToken as string;
	const { payload, protectedHeader } = await jwtVerify(token, keys, {
		issuer: issuerUrl,
		audience: "openclaw",
		requiredClaims: ["exp", "iat"],
	});
	expect(protectedHeader).toMatchObject({ alg: "RS256", kid: expect.any(String) });
	expect(payload.exp! - payload.iat!).toBe(900);
	const of = ({ sub }: { sub?: string | undefined }) => ({
		principal_tags: { namespace: [encodeUserId(sub!)] },
		transitive_tag_keys: ["namespace"],
	});
	expect(payload["https://aws.amazon.com/tags"]).toEqual(of(payload));
	await expect(jwtVerify(`${token.slice(0, -4)}AAAA`, keys)).rejects.toThrow("signature");
});

test("the issuer answers other paths with 404, and all with 503 while its key cannot be read", async () => {
	expect((await fetch(`${issuerUrl}/.well-known/other`)).status).toBe(404);
	vi.resetModules();
	const { handler } = await import("./issuer.ts");
	aws.broken.add("TrentService.GetPublicKey");
	await using front = await startApiFront(() => handler);
	const response = await fetch(`${front.url}/.well-known/jwks.json`);
	expect(response.status).toBe(503);
	aws.broken.clear();
	expect((await fetch(`${front.url}/.well-known/jwks.json`)).status).toBe(200);
});

test("a long answer is split at the channel's limit, without loss", async () => {
	const response = Array.from({ length: 1_200 }, (_, index) => `word${index}`).join(" ");
	runtime.machine = () => ({ status: 200, body: { response } });
	await work(record());
	expect(texts().length).toBeGreaterThan(1);
	for (const text of texts()) expect(text.length).toBeLessThanOrEqual(4_096);
	expect(texts().join(" ")).toBe(response);
});

test("the user is also informed about an empty answer and an unreadable message", async () => {
	runtime.machine = () => ({ status: 200, body: { response: " \n" } });
	await work(record(), record({ unread: ["other"] }));
	expect(texts()).toEqual([EN.empty, EN.other]);
	expect(runtime.invocations).toHaveLength(1);
});

describe("the record of a message", () => {
	test("keeps an answered message from being asked or sent again", async () => {
		const one = record();
		await work(one);
		expect(await work(again(one, 2))).toEqual([]);
		expect([runtime.invocations.length, texts().length]).toEqual([1, 1]);
	});

	test("drops the answer once it was sent", async () => {
		runtime.machine = () => ({ status: 200, body: { response: "between us" } });
		const one = record({ text: "a question" });
		channels.answers.set("sendMessage", [{ status: 500, body: { ok: false } }]);
		const kept = async () =>
			JSON.stringify(
				(await new DynamoDBClient({}).send(new ScanCommand({ TableName: "state" }))).Items,
			);
		await work(one);
		expect(await kept()).toContain("between us");
		await work(again(one, 2));
		expect(await kept()).not.toMatch(/between us|a question/);
	});

	test("is neither asked nor answered once its user was removed, and its answer is deleted", async () => {
		const [queued, answered] = [record(), record()];
		runtime.machine = () => ({ status: 200, body: { response: "a private answer" } });
		channels.answers.set("sendMessage", [{ status: 500, body: { ok: false } }]);
		await work(answered);
		await table.refuse("test.anna");
		runtime.invocations.length = 0;
		channels.calls.length = 0;
		expect(await work(queued, again(answered, 2))).toEqual([]);
		expect(runtime.invocations).toEqual([]);
		expect(channels.messages).toEqual([]);
		expect(
			JSON.stringify(
				(await new DynamoDBClient({}).send(new ScanCommand({ TableName: "state" }))).Items,
			),
		).not.toContain("a private answer");
		// The same person, allowed as another user, has no access to the first one's agent.
		await table.allow({ "test.anna": "ben" });
		expect(await work(record())).toEqual([]);
		expect(runtime.invocations).toEqual([]);
	});

	test("lets a partly sent answer continue with the next part, without asking", async () => {
		runtime.machine = () => ({
			status: 200,
			body: { response: `${"a".repeat(4_000)} ${"b".repeat(4_000)}` },
		});
		const one = record();
		channels.answers.set("sendMessage", [
			{ status: 200, body: { ok: true, result: {} } },
			{ status: 502, body: { ok: false, description: "bad gateway" } },
		]);
		expect(await work(one)).toEqual([one.messageId]);
		expect(await work(again(one, 2))).toEqual([]);
		expect(texts().map((text) => text[0])).toEqual(["a", "b", "b"]);
		expect(runtime.invocations).toHaveLength(1);
	});

	test("does not repeat a message whose function died while asking, and informs the user", async () => {
		const one = record();
		runtime.machine = async () => await new Promise<never>(() => {});
		const dying = worker({ Records: [one] }, { getRemainingTimeInMillis: () => 0 });
		await vi.waitFor(() => expect(runtime.invocations).toHaveLength(1));
		expect(await work(again(one, 2))).toEqual([]);
		expect(texts()).toContain(EN.unknown);
		expect(runtime.invocations).toHaveLength(1);
		await dying;
	});
});

describe("a message that the agent refused", () => {
	test.each([
		["ThrottlingException", 429],
		["ServiceQuotaExceededException", 402],
		["RetryableConflictException", 409],
		["AccessDeniedException", 403],
	])("is asked again after %s of AgentCore", async (name, status) => {
		runtime.refusal = { name, status };
		const one = record();
		expect(await work(one)).toEqual([one.messageId]);
		expect(runtime.invocations).toHaveLength(1);
		expect(texts()).toEqual([]);
		runtime.refusal = undefined;
		expect(await work(again(one, 2))).toEqual([]);
		expect(texts()).toEqual(["hello back"]);
	});

	test("is asked again after a draining machine (503) and after a missing token", async () => {
		const one = record();
		runtime.machine = () => ({ status: 503, body: { code: "NOT_READY" } });
		expect(await work(one)).toEqual([one.messageId]);
		runtime.machine = () => ({ status: 200, body: { response: "here I am" } });
		aws.broken.add("TrentService.Sign");
		expect(await work(again(one, 2))).toEqual([one.messageId]);
		aws.broken.clear();
		expect(await work(again(one, 3))).toEqual([]);
		expect(texts()).toEqual(["here I am"]);
	});

	test("is asked by the next attempt if what it needs could not be read before it was asked", async () => {
		vi.resetModules();
		const { handler } = await import("./worker.ts");
		const one = record();
		const attempt = async (receives: number) =>
			await handler(
				{ Records: [again(one, receives)] },
				{ getRemainingTimeInMillis: () => 60_000 },
			);
		aws.broken.add("secretsmanager.GetSecretValue");
		expect((await attempt(1)).batchItemFailures).toHaveLength(1);
		expect(runtime.invocations).toHaveLength(0);
		aws.broken.clear();
		expect((await attempt(2)).batchItemFailures).toEqual([]);
		expect(texts()).toEqual(["hello back"]);
	});

	test("returns soon, and after the last attempt the user is informed before it goes to the dead-letter queue", async () => {
		runtime.refusal = { name: "ThrottlingException", status: 429 };
		const one = record({ receives: 2 });
		await work(one);
		expect(texts()).toEqual([]);
		await work(again(one, 3));
		expect(texts()).toEqual([EN.delayed]);
		expect(await work(again(one, 4))).toEqual([one.messageId]);
		expect(texts()).toEqual([EN.delayed, EN.failed]);
		expect(aws.calls.filter((call) => call === "AmazonSQS.ChangeMessageVisibility")).toHaveLength(
			3,
		);
	});
});

test.each([422, 500, 502])(
	"a machine that failed while it answered (%i) is not asked again, and the user is informed",
	async (status) => {
		runtime.machine = () => ({ status, body: {} });
		expect(await work(record())).toEqual([]);
		expect(texts()).toEqual([EN.unknown]);
		expect(runtime.invocations).toHaveLength(1);
	},
);

test("a user's messages stay in order behind a failed one, and other users do not wait", async () => {
	runtime.machine = ({ prompt }) =>
		prompt === "fails"
			? { status: 503, body: {} }
			: { status: 200, body: { response: `to ${prompt}` } };
	const batch = [
		record({ text: "1" }),
		record({ text: "fails" }),
		record({ text: "3" }),
		record({ text: "other", user: "ben" }),
	];
	expect(await work(...batch)).toEqual([batch[1]!.messageId, batch[2]!.messageId]);
	expect(texts().sort()).toEqual(["to 1", "to other"]);
});

test("a channel's request to wait is followed", async () => {
	channels.answers.set("sendMessage", [
		{ status: 429, body: { ok: false, parameters: { retry_after: 0.01 } } },
	]);
	expect(await work(record())).toEqual([]);
	expect(texts()).toEqual(["hello back", "hello back"]);
});

test("a part has the same uuid in every attempt, so that Feishu can drop duplicates", async () => {
	const one = record({ channel: "feishu" });
	channels.answers.set("/reply", [{ status: 500, body: { code: 1, msg: "busy" } }]);
	await work(one);
	await work(again(one, 2));
	const ids = channels.calls
		.filter(({ path }) => path.endsWith("/reply"))
		.map(({ body }) => body.uuid);
	expect(ids).toHaveLength(2);
	expect(new Set(ids).size).toBe(1);
	expect(String(ids[0]).length).toBeLessThanOrEqual(50);
});

test("an item of the queue that is not our message fails alone", async () => {
	const [bad, good] = [record({ body: '{"channel":"irc"}', user: "x" }), record()];
	expect(await work(bad, good)).toEqual([bad.messageId]);
	expect(texts()).toEqual(["hello back"]);
});

test("the log contains no secret, no token and no text of messages", () => {
	const logged = lines.join("");
	expect(logged).toContain("worker.sent");
	for (const secret of Object.values(SECRETS).flatMap((fields) => Object.values(fields)))
		expect(logged).not.toContain(secret);
	expect(logged).not.toMatch(/eyJ|hello|Grüße/);
});
