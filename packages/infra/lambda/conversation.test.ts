/**
 * What a user sees: from the request of a channel, through the webhook handler, the queue and the
 * worker, to the messages in the channel. Channels, AWS and AgentCore are fakes that check what the
 * real ones do.
 */
import {
	DeleteItemCommand,
	DynamoDBClient,
	GetItemCommand,
	ScanCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import type { SQSRecord } from "aws-lambda";
import { encodeUserId } from "openclaw-sidecar";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startApiFront } from "../../testkit/functions/api-front.ts";
import {
	feishuMessage,
	type Said,
	SECRETS,
	slackMessage,
	telegramMessage,
	type WebhookRequest,
} from "../../testkit/functions/channel-requests.ts";
import { FakeAws, type SentMessage } from "../../testkit/functions/fake-aws.ts";
import { FakeChannel } from "../../testkit/functions/fake-channel.ts";
import { FakeRuntime } from "../../testkit/functions/fake-runtime.ts";
import { LocalServer } from "../../testkit/functions/local-server.ts";
import { KINDS } from "../../testkit/functions/message-kinds.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../testkit/functions/table.ts";
import { CATALOG } from "./catalog.ts";
import type { OUTBOUND } from "./channels/outbound.ts";
import { deliveryIdOf } from "./message.ts";

asInOwnProcess();

const { en, zh } = CATALOG;
const servers: AsyncDisposable[] = [];
let table: LocalTable;
let aws: FakeAws;
let channels: FakeChannel;
let runtime: FakeRuntime;
let front: LocalServer;
let worker: typeof import("./worker.ts").handler;
let own: typeof OUTBOUND;

beforeAll(async () => {
	vi.doMock("./log.ts", async () => {
		const { createLogger } = await import("openclaw-sidecar");
		return { logger: createLogger("silent") };
	});
	table = await startTable();
	servers.push(table);
	await table.allow({
		"slack.T01.U01": "anna",
		"telegram.4711": "anna",
		"feishu.ou_anna": "anna",
	});
	aws = await FakeAws.start();
	channels = await FakeChannel.start();
	runtime = await FakeRuntime.start();
	for (const [channel, secret] of Object.entries(SECRETS))
		aws.secrets.set(channel, { AWSCURRENT: secret });
	Object.assign(process.env, {
		CHANNEL_SECRETS: JSON.stringify({ slack: "slack", telegram: "telegram", feishu: "feishu" }),
		RUNTIME_ARN: "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/openclaw-abc",
		RUNTIME_QUALIFIER: "live",
		SIGNING_KEY_ID: "alias/tokens",
		ISSUER: "https://issuer.example",
		AUDIENCE: "openclaw",
		MAX_RECEIVES: "8",
		PIECE_WAIT_MS: "800",
	});
	const { handler } = await import("./webhook.ts");
	worker = (await import("./worker.ts")).handler;
	own = (await import("./channels/outbound.ts")).OUTBOUND;
	front = await startApiFront(() => handler);
	servers.unshift(aws, channels, runtime, front);
});

beforeEach(() => {
	aws.sent.length = 0;
	channels.calls.length = 0;
	channels.answers.clear();
	channels.held.clear();
	channels.reactions.clear();
	channels.assistantThreads.clear();
	channels.files.clear();
	channels.slackLocale = "en-US";
	for (const scope of ["reactions:write", "users:read", "files:read"])
		channels.slackScopes.add(scope);
	runtime.invocations.length = 0;
	runtime.refusal = undefined;
	runtime.machine = () => ({ status: 200, body: { response: "hello back" } });
});

afterAll(async () => {
	for (const server of servers) await server[Symbol.asyncDispose]();
});

const MESSAGES = { slack: slackMessage, telegram: telegramMessage, feishu: feishuMessage };

async function post({ path, headers, body }: WebhookRequest): Promise<unknown> {
	const response = await fetch(front.url + path, { method: "POST", headers, body });
	return ((await response.json()) as { code: string }).code;
}

function recordOf({ MessageBody, MessageGroupId }: SentMessage, receives = 1): SQSRecord {
	const attributes = { ApproximateReceiveCount: String(receives), MessageGroupId };
	return {
		messageId: "m",
		receiptHandle: "r",
		body: MessageBody,
		attributes,
	} as unknown as SQSRecord;
}

/** Does the work of the queue. @returns the number of failures */
async function work(receives = 1): Promise<number> {
	let failures = 0;
	for (const sent of aws.sent.splice(0)) {
		const event = { Records: [recordOf(sent, receives)] };
		const { batchItemFailures } = await worker(event, { getRemainingTimeInMillis: () => 60_000 });
		failures += batchItemFailures.length;
	}
	return failures;
}

/** Sends a message, and works until it is answered. @returns the texts in the channel */
async function say(...requests: readonly WebhookRequest[]): Promise<string[]> {
	for (const request of requests) await post(request);
	await work();
	return texts();
}

/** A loaded machine needs more than the second that `waitFor` gives. */
const until = async (check: () => void | Promise<void>) =>
	await vi.waitFor(check, { timeout: 20_000 });
const texts = () => channels.messages.map(({ text }) => text);
const paths = () => channels.calls.map(({ path }) => path.replace(/\?.*/, "").split("/").at(-1)!);
const answerWith = (response: string) => {
	runtime.machine = () => ({ status: 200, body: { response } });
};
/** What the agent was asked last. */
const asked = () => {
	const { identityToken: _, ...request } = runtime.invocations.at(-1)?.payload ?? {};
	return request;
};

describe("while the agent works, the user sees", () => {
	/** An agent that answers when it is told to. */
	function slowAgent(): () => void {
		const { promise, resolve } = Promise.withResolvers<void>();
		runtime.machine = async () => {
			await promise;
			return { status: 200, body: { response: "done" } };
		};
		return resolve;
	}

	test("in Telegram that the bot is typing, at once, again and again, and not after the answer", async () => {
		const { progress } = own.telegram;
		const { everyMs } = progress;
		Object.assign(progress, { everyMs: 20 });
		const answer = slowAgent();
		const saying = say(telegramMessage());
		await until(() =>
			expect(paths().filter((path) => path === "sendChatAction").length).toBeGreaterThan(3),
		);
		answer();
		expect(await saying).toEqual(["done"]);
		Object.assign(progress, { everyMs });
		expect(channels.calls[0]).toMatchObject({ body: { chat_id: "4711", action: "typing" } });
		expect(paths().at(-1)).toBe("sendMessage");
	});

	test("in Slack a reaction, which goes with the answer", async () => {
		const answer = slowAgent();
		const saying = say(slackMessage());
		const eyes = "slack D01 1764000000.000100 eyes";
		await until(() => expect([...channels.reactions]).toEqual([eyes]));
		expect(texts()).toEqual([]);
		answer();
		expect(await saying).toEqual(["done"]);
		expect([...channels.reactions]).toEqual([]);
		expect(paths()).toEqual(["reactions.add", "chat.postMessage", "reactions.remove"]);
	});

	test("in an assistant's thread of Slack its status, and in any other thread a reaction", async () => {
		channels.assistantThreads.add("1764.5");
		await say(slackMessage({ change: { thread_ts: "1764.5" } }));
		expect(paths()).toEqual(["assistant.threads.setStatus", "chat.postMessage"]);
		channels.calls.length = 0;
		await say(slackMessage({ change: { thread_ts: "1764.6" } }));
		expect(paths()).toEqual([
			"assistant.threads.setStatus",
			"reactions.add",
			"chat.postMessage",
			"reactions.remove",
		]);
	});

	test("in Feishu a reaction, which goes with the answer", async () => {
		const answer = slowAgent();
		const saying = say(feishuMessage({ eventId: "f1" }));
		await until(() => expect([...channels.reactions]).toEqual(["feishu om_f1 Typing"]));
		answer();
		expect(await saying).toEqual(["done"]);
		expect([...channels.reactions]).toEqual([]);
	});

	test.each([
		["slack", "reactions.add", slackMessage],
		["telegram", "sendChatAction", telegramMessage],
		["feishu", "reactions", feishuMessage],
	] as const)("nothing in %s if %s fails, and gets the answer", async (_channel, part, message) => {
		channels.slackScopes.delete("reactions:write");
		channels.answers.set(part, [{ status: 500, body: { ok: false, code: 1 } }]);
		expect(await say(message())).toEqual(["hello back"]);
	});

	test("the answer before a sign that hangs", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		channels.held.set("reactions.add", promise);
		const saying = say(slackMessage());
		await until(() => expect(texts()).toEqual(["hello back"]));
		expect(paths()).not.toContain("reactions.remove");
		resolve();
		await saying;
		expect([...channels.reactions]).toEqual([]);
	});

	test("no sign any more after an attempt whose function died, or a removal that failed once", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		runtime.machine = async () => {
			await promise;
			return { status: 200, body: { response: "late" } };
		};
		await post(feishuMessage({ eventId: "f9" }));
		const [sent] = aws.sent.splice(0);
		const event = { Records: [recordOf(sent!)] };
		const dying = worker(event, { getRemainingTimeInMillis: () => 60_000 });
		await until(() => expect([...channels.reactions]).toEqual(["feishu om_f9 Typing"]));
		await until(async () => expect(await isNoted(sent!)).toBe(true));
		channels.answers.set("reactions/r-", [{ status: 502, body: { code: 1 } }]);
		aws.sent.push(sent!);
		expect(await work(2)).toBe(0);
		expect([...channels.reactions]).toEqual([]);
		expect(texts()).toEqual([zh.unknown]);
		resolve();
		await dying;
	});

	async function isNoted({ MessageBody }: SentMessage): Promise<boolean> {
		const { deliveryId } = JSON.parse(MessageBody);
		const Key = { id: { S: `answer#${deliveryId}` } };
		const command = new GetItemCommand({ TableName: "state", Key, ConsistentRead: true });
		return (await new DynamoDBClient({}).send(command)).Item?.shown !== undefined;
	}

	test("no sign any more if the function died between the answer and the removal", async () => {
		await post(slackMessage());
		const [sent] = aws.sent;
		await work();
		channels.reactions.add("slack D01 1764000000.000100 eyes");
		aws.sent.push(sent!);
		expect(await work(2)).toBe(0);
		expect(texts()).toEqual(["hello back"]);
		expect([...channels.reactions]).toEqual([]);
	});

	test("no sign any more after an attempt that failed", async () => {
		runtime.refusal = { name: "ThrottlingException", status: 429 };
		await post(slackMessage());
		expect(await work()).toBe(1);
		expect([...channels.reactions]).toEqual([]);
	});
});

describe("an answer in Markdown", () => {
	const MARKDOWN = "**Bold** and `1 < 2`\n\n```js\nrun()\n```";
	const SEEN = { slack: "Bold and 1 < 2\nrun()", telegram: "Bold and 1 < 2\n\nrun()" };

	test("is HTML in Telegram, rich text in Slack and a post in Feishu", async () => {
		answerWith(MARKDOWN);
		await say(telegramMessage(), slackMessage(), feishuMessage());
		const bodies = channels.calls.filter(({ path }) => /sendMessage|postMessage|reply/.test(path));
		expect(bodies[0]!.body).toMatchObject({
			parse_mode: "HTML",
			text: '<b>Bold</b> and <code>1 &lt; 2</code>\n\n<pre><code class="language-js">run()</code></pre>',
		});
		expect(JSON.stringify(bodies[1]!.body.blocks)).toContain(
			'{"type":"text","text":"Bold","style":{"bold":true}}',
		);
		expect(bodies[2]!.body.msg_type).toBe("post");
		expect(texts()).toEqual([SEEN.telegram, SEEN.slack, "Bold and `1 < 2`\nrun()"]);
	});

	test("is sent as plain text if the channel refuses its format", async () => {
		answerWith(MARKDOWN);
		const description = "Bad Request: can't parse entities";
		const refusal = { ok: false, error_code: 400, description };
		channels.answers.set("sendMessage", [{ status: 400, body: refusal }]);
		channels.answers.set("chat.postMessage", [
			{ status: 200, body: { ok: false, error: "invalid_blocks" } },
		]);
		channels.answers.set("/reply", [{ status: 200, body: { code: 230_099, msg: "no" } }]);
		await say(telegramMessage(), slackMessage(), feishuMessage());
		const [telegram, slack, feishu] = [1, 3, 5].map(
			(index) =>
				channels.calls.filter(({ path }) => /sendMessage|postMessage|reply/.test(path))[index]!
					.body,
		);
		expect(telegram).not.toHaveProperty("parse_mode");
		expect(slack).not.toHaveProperty("blocks");
		expect(feishu!.msg_type).toBe("text");
		expect(texts().filter((_, index) => index % 2 === 1)).toEqual(
			Array(3).fill("Bold and 1 < 2\n\nrun()"),
		);
	});

	test("that is too long for the chat ends with a sentence that says how much is left out", async () => {
		answerWith(Array.from({ length: 30_000 }, () => "word").join(" "));
		const parts = await say(telegramMessage());
		expect(parts).toHaveLength(20);
		const [, left, total] = /: (\d+) of (\d+) characters/.exec(parts.at(-1)!)!;
		const sent = parts.slice(0, -1).join("").length;
		expect(Number(left) + sent).toBe(Number(total));
		expect(Number(total)).toBeGreaterThan(149_000);
	});

	test("that is nested too deeply is sent as it is", async () => {
		answerWith(">".repeat(2_000));
		expect(await say(telegramMessage())).toEqual([">".repeat(2_000)]);
	});

	test("that cannot be sent at all is kept for the next attempt", async () => {
		const body = { ok: false, error_code: 403, description: "Forbidden: bot was blocked" };
		channels.answers.set("sendMessage", [{ status: 403, body }]);
		await post(telegramMessage());
		expect(await work()).toBe(1);
		expect(texts()).toHaveLength(1);
	});

	test("has its parts in order, each well-formed, in each channel", async () => {
		const long = Array.from({ length: 1_200 }, (_, index) => `**词${index}** ok`).join(" ");
		answerWith(long);
		const plain = long.replaceAll("*", "");
		for (const message of Object.values(MESSAGES)) {
			channels.calls.length = 0;
			const parts = await say(message());
			expect(parts.length).toBeGreaterThan(2);
			expect(parts.join(" ")).toBe(plain);
		}
	});

	test("that is too large for a post of Feishu is a text", async () => {
		answerWith("**a** ".repeat(1_900));
		await say(feishuMessage());
		const replies = channels.calls.filter(({ path }) => path.endsWith("/reply"));
		expect(replies.map(({ body }) => body.msg_type)).toContain("text");
	});
});

test("an answer goes to the thread of its message", async () => {
	await say(slackMessage({ change: { thread_ts: "1764.5" } }), slackMessage());
	await say(telegramMessage({ change: { is_topic_message: true, message_thread_id: 7 } }));
	await say(feishuMessage({ change: { thread_id: "omt_1" } }), feishuMessage());
	const sent = (part: string) =>
		channels.calls.filter(({ path }) => path.includes(part)).map(({ body }) => body);
	expect(sent("postMessage").map((body) => body.thread_ts)).toEqual(["1764.5", undefined]);
	expect(sent("sendMessage")[0]).toMatchObject({ chat_id: "4711", message_thread_id: 7 });
	expect(sent("sendChatAction")[0]).toMatchObject({ message_thread_id: 7 });
	expect(sent("/reply").map((body) => body.reply_in_thread)).toEqual([true, undefined]);
});

const PNG = Buffer.from("\x89PNG\r\n\x1a\nrest", "latin1");

describe("an attachment", () => {
	const slackFile = (change: object): Said => ({
		text: "",
		change: {
			subtype: "file_share",
			files: [
				{
					name: "p.png",
					mimetype: "image/png",
					url_private: `${channels.url}/slack/F1`,
					...change,
				},
			],
		},
	});

	test.each(["telegram", "feishu", "slack"] as const)(
		"of %s reaches the agent: an image as an image, with its caption or a sentence",
		async (channel) => {
			channels.files.set("F1", PNG);
			const given = channel === "slack" ? slackFile({}) : { change: KINDS[channel].photo };
			expect(await say(MESSAGES[channel](given))).toEqual(["hello back"]);
			const name = { telegram: "photo.jpg", feishu: "image", slack: "p.png" }[channel];
			const attached = (channel === "feishu" ? zh : en).attached.replace("{name}", name);
			const text = channel === "telegram" ? "look" : attached;
			const url = `data:image/png;base64,${PNG.toString("base64")}`;
			expect(asked()).toEqual({
				messages: [
					{
						role: "user",
						content: [
							{ type: "text", text },
							{ type: "image_url", image_url: { url } },
						],
					},
				],
			});
		},
	);

	test("that is a text file reaches the agent as a file, whose answer is a chat completion", async () => {
		channels.files.set("F1", Buffer.from("# 笔记"));
		const body = { choices: [{ message: { role: "assistant", content: "read it" } }] };
		runtime.machine = () => ({ status: 200, body });
		expect(await say(telegramMessage({ change: KINDS.telegram.file }))).toEqual(["read it"]);
		const file_data = `data:text/plain;base64,${Buffer.from("# 笔记").toString("base64")}`;
		expect(JSON.stringify(asked())).toContain(
			JSON.stringify({ type: "file", file: { filename: "notes.md", file_data } }),
		);
	});

	const document = (change: object) => ({
		document: { file_id: "F1", file_name: "notes.md", mime_type: "text/markdown", ...change },
	});
	const unread = (name: string, reason: string) =>
		en.unread.replace("{name}", name).replace("{reason}", reason);
	const large = (limit: number) => en.large.replace("{limit}", String(limit));

	test.each<[string, object, Buffer, string]>([
		["is PDF", { file_name: "a.pdf" }, PNG, unread("a.pdf", en.pdf)],
		["is announced as too large", { file_size: 6e6 }, PNG, unread("notes.md", large(5))],
		["is too large", {}, Buffer.alloc(6e6, "a"), unread("notes.md", large(5))],
		[
			"has too much text",
			{},
			Buffer.alloc(6e4 + 1, "a"),
			unread("notes.md", en.long.replace("{limit}", "60000")),
		],
		["is not UTF-8", {}, Buffer.from([0xff, 0xfe]), unread("notes.md", en.binary)],
		["is a program", { file_name: "x.exe" }, Buffer.from("MZ\0"), unread("x.exe", en.type)],
		["is no picture", { mime_type: "image/svg+xml" }, PNG.subarray(1), unread("notes.md", en.type)],
	])("that %s is refused with the reason", async (_what, change, content, reason) => {
		channels.files.set("F1", content);
		const only = telegramMessage({ change: { text: undefined, ...document(change) } });
		expect(await say(only)).toEqual([reason]);
		expect(runtime.invocations).toHaveLength(0);
	});

	test("that cannot be read does not keep the agent from the text beside it", async () => {
		const change = {
			text: undefined,
			caption: "what is this?",
			...document({ file_name: "a.pdf" }),
		};
		const answer = await say(telegramMessage({ change }));
		expect(answer).toEqual([`${unread("a.pdf", en.pdf)}\n\nhello back`]);
		expect(asked()).toEqual({ prompt: "what is this?" });
	});

	test("beyond the eighth picture is refused", async () => {
		channels.files.set("F1", PNG);
		const files = Array.from({ length: 9 }, (_, index) => ({
			name: `${index}.png`,
			mimetype: "image/png",
			url_private: `${channels.url}/slack/F1`,
		}));
		const [answer] = await say(slackMessage({ change: { files, subtype: "file_share" } }));
		expect(answer).toBe(`${unread("8.png", en.many.replace("{limit}", "8"))}\n\nhello back`);
		expect((asked().messages as { content: object[] }[])[0]!.content).toHaveLength(9);
	});

	test("of Slack that its token may not read is refused", async () => {
		channels.files.set("F1", PNG);
		channels.slackScopes.delete("files:read");
		expect(await say(slackMessage(slackFile({})))).toEqual([unread("p.png", en.download)]);
	});

	test("of Slack that names a method of its API is refused, and the token does not go there", async () => {
		const secret = SECRETS.slack;
		const signal = AbortSignal.timeout(10_000);
		const { SLACK_API_URL } = process.env;
		delete process.env.SLACK_API_URL;
		const fetched = vi.spyOn(globalThis, "fetch").mockRejectedValue(new Error("no network"));
		const get = async (url: string) =>
			await own.slack
				.download({ kind: "file", name: "x", ref: { url } }, 10, secret, signal)
				.catch((error: Error) => error.message);
		expect(await get("https://slack.com/api/auth.revoke")).toContain("not stored by Slack");
		expect(fetched).not.toHaveBeenCalled();
		expect(await get("https://files.slack.com/F1")).not.toContain("not stored by Slack");
		expect(fetched).toHaveBeenCalledTimes(1);
		fetched.mockRestore();
		process.env.SLACK_API_URL = SLACK_API_URL;
	});

	test("of Slack that is stored outside Slack is named, and not fetched", async () => {
		expect(await say(slackMessage(slackFile({ is_external: true })))).toEqual([en.external]);
		expect(paths()).not.toContain("F1");
	});

	test("that is a web page of Feishu is read", async () => {
		channels.answers.set("/resources/F1", [
			{ status: 200, body: {}, headers: { "content-type": "text/html" } },
		]);
		expect(await say(feishuMessage({ change: KINDS.feishu.file }))).toEqual(["hello back"]);
	});

	test("that hangs leaves no time for the agent, which is not asked", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		channels.held.set("F1", promise);
		await post(telegramMessage({ change: { caption: "look", text: undefined, ...document({}) } }));
		const event = { Records: [recordOf(aws.sent.shift()!)] };
		const { batchItemFailures } = await worker(event, { getRemainingTimeInMillis: () => 0 });
		resolve();
		expect(batchItemFailures).toHaveLength(1);
		expect(runtime.invocations).toHaveLength(0);
		expect(texts()).toEqual([]);
	});

	test("of Slack that is stored elsewhere is refused, and the token does not go there", async () => {
		let requests = 0;
		await using elsewhere = await LocalServer.start(() => {
			requests++;
			return { status: 200, body: PNG };
		});
		const file = slackFile({ url_private: `${elsewhere.url}/p.png` });
		expect(await say(slackMessage(file))).toEqual([unread("p.png", en.download)]);
		expect(requests).toBe(0);
	});
});

describe("the bot itself says", () => {
	test("what it cannot read, in the user's language", async () => {
		const change = KINDS.telegram.voice;
		const from = { id: 4711, is_bot: false, language_code: "zh-hans" };
		expect(await say(telegramMessage({ change }))).toEqual([en.audio]);
		expect(await say(telegramMessage({ change: { ...change, from } }))).toEqual([
			en.audio,
			zh.audio,
		]);
		channels.calls.length = 0;
		expect(await say(feishuMessage({ change: KINDS.feishu.voice }))).toEqual([zh.audio]);
		expect(runtime.invocations).toHaveLength(0);
	});

	test("in Slack the language of the user's profile, or English without the scope", async () => {
		channels.slackLocale = "zh-CN";
		expect(await say(slackMessage({ change: KINDS.slack.voice }))).toEqual([zh.audio]);
		channels.slackScopes.delete("users:read");
		expect(await say(slackMessage({ change: KINDS.slack.voice }))).toEqual([zh.audio, en.audio]);
	});

	test("what failed and what to do, in the user's language", async () => {
		runtime.refusal = { name: "ThrottlingException", status: 429 };
		for (let attempt = 1; attempt <= 8; attempt++) {
			await post(feishuMessage());
			expect(await work(attempt)).toBe(1);
		}
		expect(texts()).toEqual([zh.delayed, zh.failed]);
		channels.calls.length = 0;
		runtime.refusal = undefined;
		runtime.machine = () => ({ status: 500, body: {} });
		expect(await say(feishuMessage())).toEqual([zh.unknown]);
	});

	test("asks Slack once for the language of a message", async () => {
		const change = { text: "", subtype: "file_share" };
		const files = ["audio/webm", "video/mp4"].map((mimetype) => ({ mimetype, name: "x" }));
		expect(await say(slackMessage({ change: { ...change, files } }))).toEqual([
			`${en.audio}\n\n${en.video}`,
		]);
		expect(paths().filter((path) => path === "users.info")).toHaveLength(1);
	});

	test.each([400, 413, 415])(
		"that the agent refused the message (%i), and does not ask again",
		async (status) => {
			runtime.machine = () => ({ status, body: {} });
			expect(await say(telegramMessage())).toEqual([en.refused]);
			expect(runtime.invocations).toHaveLength(1);
		},
	);

	function editOf(change: object): WebhookRequest {
		const { body, ...rest } = telegramMessage();
		const { message, update_id } = JSON.parse(body);
		const edited_message = { ...message, edit_date: message.date, ...change };
		return { ...rest, body: JSON.stringify({ update_id: update_id + 500_000, edited_message }) };
	}

	test("that it does not read edits, once an hour", async () => {
		expect(await say(editOf({}))).toEqual([en.edited]);
		expect(await say(editOf({}), editOf({}))).toEqual([en.edited]);
		expect(runtime.invocations).toHaveLength(0);
	});

	test("nothing about a live location that moves, and an update that no person made", async () => {
		const location = { latitude: 1, longitude: 2 };
		await table.allow({ "telegram.4712": "anna" });
		const from = { id: 4712, is_bot: false };
		for (const change of [{ text: undefined, location }, { edit_date: undefined }])
			expect(await post(editOf({ from, ...change }))).toBe("IGNORED");
		expect(aws.sent).toEqual([]);
	});

	test("nothing more to a stranger who blocked the bot, which is no failure", async () => {
		const body = { ok: false, error_code: 403, description: "Forbidden: bot was blocked" };
		channels.answers.set("sendMessage", [{ status: 403, body }]);
		await post(telegramMessage({ change: { from: { id: 43, is_bot: false } } }));
		expect(await work()).toBe(0);
		expect(texts()).toHaveLength(1);
	});

	test("to a stranger their id once if they write several messages at the same time", async () => {
		const from = { id: 45, is_bot: false };
		await Promise.all([1, 2, 3].map(() => post(telegramMessage({ change: { from } }))));
		// SQS takes one of these within five minutes.
		const ids = aws.sent.map(({ MessageDeduplicationId }) => MessageDeduplicationId);
		expect(new Set(ids).size).toBe(1);
	});

	test("to a stranger their id when the message is repeated, if the queue failed once", async () => {
		const request = telegramMessage({ change: { from: { id: 44, is_bot: false } } });
		aws.broken.add("AmazonSQS.SendMessage");
		expect(await post(request)).toBe("UNAVAILABLE");
		aws.broken.clear();
		await post(request);
		expect(aws.sent).toHaveLength(1);
	});

	test.each([
		["/whoami", "Your id is telegram.4711. You are the user anna."],
		["/whoami@the_bot ", "Your id is telegram.4711. You are the user anna."],
		["/help", en.help],
		["/start", en.help],
	])("its answer to %s, without waking the agent or waiting for it", async (text, answer) => {
		await post(telegramMessage({ text }));
		expect(aws.sent[0]!.MessageGroupId).not.toBe(encodeUserId("anna"));
		await work();
		expect(texts()).toEqual([answer]);
		expect(runtime.invocations).toHaveLength(0);
	});

	test("to a stranger their id, once a day, and once more when asked", async () => {
		const from = { id: 42, is_bot: false, language_code: "zh-hant" };
		const told = zh.stranger.replace("{sender}", "telegram.42");
		const chat = { id: 42, type: "private" };
		for (const text of ["hello", "hello?"])
			await say(telegramMessage({ text, change: { from, chat } }));
		expect(channels.messages).toEqual([{ to: "42", text: told }]);
		for (const text of ["/whoami", "/help", "/start", "/stop", "/whoami"])
			await say(telegramMessage({ text, change: { from, chat } }));
		expect(texts()).toEqual([told, told]);
		expect(runtime.invocations).toHaveLength(0);
	});
});

describe("a command", () => {
	test("to stop does not wait behind the turn that it ends, whose answer is that it stopped", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		runtime.machine = async ({ prompt }) => {
			if (prompt === "/stop") {
				resolve();
				return { status: 200, body: { response: "⚙️ ended 1 turn" } };
			}
			await promise;
			return { status: 409, body: {} };
		};
		await post(telegramMessage({ text: "a long task" }));
		const [turn] = aws.sent.splice(0);
		const context = { getRemainingTimeInMillis: () => 60_000 };
		const working = worker({ Records: [recordOf(turn!)] }, context);
		await until(() => expect(runtime.invocations).toHaveLength(1));
		await post(telegramMessage({ text: "/stop" }));
		expect(aws.sent[0]!.MessageGroupId).not.toBe(turn!.MessageGroupId);
		await work();
		expect((await working).batchItemFailures).toEqual([]);
		expect(texts().sort()).toEqual([en.stopped, "⚙️ ended 1 turn"]);
	});

	test("to stop ends messages that wait, but no later ones, and does not wait for notices", async () => {
		await post(telegramMessage({ text: "first" }));
		runtime.refusal = { name: "ThrottlingException", status: 429 };
		const [waiting] = aws.sent;
		expect(await work()).toBe(1);
		runtime.refusal = undefined;
		await post(telegramMessage({ text: "/stop" }));
		await post(telegramMessage({ text: "/whoami" }));
		await post(telegramMessage({ text: "later" }));
		const groups = aws.sent.map(({ MessageGroupId }) => MessageGroupId);
		expect(new Set(groups).size).toBe(3);
		aws.sent.unshift(waiting!);
		runtime.invocations.length = 0;
		expect(await work(2)).toBe(0);
		expect(texts()[0]).toBe(en.stopped);
		expect(runtime.invocations.map(({ payload }) => payload.prompt)).toEqual(["/stop", "later"]);
	});

	test.each(["/new", "/status", "/think high", "/help me", "/etc/hosts is broken"])(
		"of the agent reaches it in order: %s",
		async (text) => {
			await post(telegramMessage({ text }));
			expect(aws.sent[0]!.MessageGroupId).toBe(encodeUserId("anna"));
			await work();
			expect(asked()).toEqual({ prompt: text });
		},
	);
});

describe("a long text that Telegram's app sent in pieces", () => {
	const PIECES = ["a".repeat(4_096), "b".repeat(3_000), "the end"];

	test("is one turn, in order, and the pieces are queued once", async () => {
		const [first, second, third] = PIECES.map((text) => telegramMessage({ text }));
		// The second overtakes nothing: it is only repeated by Telegram.
		for (const request of [first!, second!, second!, third!]) await post(request);
		expect(aws.sent).toHaveLength(1);
		await work();
		expect(runtime.invocations).toHaveLength(1);
		expect(asked()).toEqual({ prompt: `${PIECES[0]}${PIECES[1]}\nthe end` });
	});

	test("is one turn if the pieces come while the worker waits", async () => {
		const [first, last] = [PIECES[0]!, "the end"].map((text) => telegramMessage({ text }));
		await post(first!);
		const working = work();
		await post(last!);
		await working;
		expect(aws.sent).toHaveLength(0);
		expect(asked()).toEqual({ prompt: `${PIECES[0]}the end` });
	});

	test("is asked whole again after an attempt that did not reach the agent", async () => {
		const pieces = PIECES.slice(1).map((text) => telegramMessage({ text }));
		for (const piece of pieces) await post(piece);
		const [sent] = aws.sent;
		runtime.refusal = { name: "ThrottlingException", status: 429 };
		expect(await work()).toBe(1);
		runtime.refusal = undefined;
		aws.sent.push(sent!);
		expect(await work(2)).toBe(0);
		expect(asked()).toEqual({ prompt: `${PIECES[1]}\nthe end` });
	});

	test("does not take in a message that was written later, or that comes too late", async () => {
		await post(telegramMessage({ text: PIECES[0]!, skewS: -60 }));
		await post(telegramMessage({ text: "much later" }));
		expect(aws.sent).toHaveLength(2);
		await work();
		expect(runtime.invocations.map(({ payload }) => payload.prompt)).toEqual([
			PIECES[0],
			"much later",
		]);
		await post(telegramMessage({ text: PIECES[0]! }));
		await work();
		await post(telegramMessage({ text: "too late" }));
		expect(aws.sent).toHaveLength(1);
	});

	test("does not take in a piece that comes while the agent works, which is a turn of its own", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		runtime.machine = async () => {
			await promise;
			return { status: 200, body: { response: "done" } };
		};
		const [first, late] = [PIECES[0]!, "late"].map((text) => telegramMessage({ text }));
		await post(first!);
		const working = work();
		await until(() => expect(runtime.invocations).toHaveLength(1));
		await post(late!);
		expect(aws.sent).toHaveLength(1);
		resolve();
		await working;
		await work();
		expect(runtime.invocations.map(({ payload }) => payload.prompt)).toEqual([PIECES[0], "late"]);
	});

	/** A function that died before it remembered the delivery. */
	async function forgetQueued({ body }: WebhookRequest): Promise<void> {
		const { update_id: id } = JSON.parse(body);
		await new DynamoDBClient({}).send(
			new UpdateItemCommand({
				TableName: "state",
				Key: { id: { S: `event#${deliveryIdOf("telegram", String(id))}` } },
				UpdateExpression: "REMOVE queued",
				ConditionExpression: "attribute_exists(queued)",
			}),
		);
	}

	test("is queued when Telegram repeats it, if the queue failed once, with what joined it meanwhile", async () => {
		const [first, second, third] = PIECES.map((text) => telegramMessage({ text }));
		aws.broken.add("AmazonSQS.SendMessage");
		expect(await post(first!)).toBe("UNAVAILABLE");
		aws.broken.clear();
		expect(await post(second!)).toBe("QUEUED");
		expect(aws.sent).toHaveLength(0);
		expect(await post(first!)).toBe("QUEUED");
		expect(aws.sent).toHaveLength(1);
		expect(await post(third!)).toBe("QUEUED");
		await work();
		expect(asked()).toEqual({ prompt: `${PIECES[0]}${PIECES[1]}\nthe end` });
	});

	test.each(["at once", "after the answer", "after the next long text"])(
		"is asked once if a piece is repeated %s because its function died",
		async (when) => {
			const [first, last] = PIECES.map((text) => telegramMessage({ text }));
			for (const request of [first!, last!]) await post(request);
			if (when !== "at once") await work();
			if (when === "after the next long text") {
				await post(telegramMessage({ text: "n".repeat(4_096) }));
				await work();
			}
			const before = runtime.invocations.length;
			await forgetQueued(last!);
			expect(await post(last!)).toBe("QUEUED");
			expect(aws.sent).toHaveLength(when === "at once" ? 1 : 0);
			await work();
			expect(runtime.invocations).toHaveLength(when === "at once" ? 1 : before);
			expect(runtime.invocations[0]!.payload.prompt).toBe(`${PIECES[0]}${PIECES[1]}`);
		},
	);

	test("takes in a piece that begins with a path, and one of several lines that begins so", async () => {
		const pieces = [PIECES[0]!, `/etc/hosts ${"b".repeat(4_000)}`, "/x\nend"];
		await say(...pieces.map((text) => telegramMessage({ text })));
		expect(runtime.invocations).toHaveLength(1);
		expect(asked()).toEqual({ prompt: `${pieces[0]}${pieces[1]}\n${pieces[2]}` });
	});

	test("does not take in a command", async () => {
		for (const text of [PIECES[1]!, "/new@the_bot"]) await post(telegramMessage({ text }));
		await work();
		expect(runtime.invocations.map(({ payload }) => payload.prompt)).toEqual([PIECES[1], "/new"]);
	});

	test("is not asked in part if its pieces are gone, and keeps no text after its end", async () => {
		const kept = async () => {
			const { Items } = await new DynamoDBClient({}).send(new ScanCommand({ TableName: "state" }));
			return JSON.stringify(Items);
		};
		await post(telegramMessage({ text: `secret ${PIECES[0]!.slice(10)}` }));
		expect(await kept()).toContain("secret a");
		const [sent] = aws.sent;
		const { deliveryId } = JSON.parse(sent!.MessageBody);
		runtime.machine = () => ({ status: 500, body: {} });
		await work();
		expect(await kept()).not.toContain("secret a");
		const client = new DynamoDBClient({});
		for (const kind of ["paste", "answer"]) {
			const Key = { id: { S: `${kind}#${deliveryId}` } };
			await client.send(new DeleteItemCommand({ TableName: "state", Key }));
		}
		runtime.invocations.length = 0;
		aws.sent.push(sent!);
		expect(await work(2)).toBe(0);
		expect(runtime.invocations).toEqual([]);
		expect(texts()).toEqual([en.unknown, en.failed]);
	});

	test("is not mixed with messages of other channels, or with an album", async () => {
		channels.files.set("F1", PNG);
		const photo = { ...KINDS.telegram.photo, media_group_id: "7" };
		await say(telegramMessage({ change: photo }), telegramMessage({ change: photo }));
		expect(runtime.invocations).toHaveLength(1);
		const [{ content }] = asked().messages as [{ content: { type: string }[] }];
		expect(content.map(({ type }) => type)).toEqual(["text", "image_url", "image_url"]);
	});
});
