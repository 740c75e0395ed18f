import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startApiFront } from "../../testkit/functions/api-front.ts";
import {
	feishuBody,
	feishuEvent,
	feishuMessage,
	SECRETS,
	slackBody,
	slackMessage,
	slackText,
	telegramMessage,
	type WebhookRequest,
} from "../../testkit/functions/channel-requests.ts";
import { FakeAws } from "../../testkit/functions/fake-aws.ts";
import type { LocalServer } from "../../testkit/functions/local-server.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../testkit/functions/table.ts";

asInOwnProcess();

let aws: FakeAws;
let table: LocalTable;
let front: LocalServer;
/** Everything that the handler logs. */
const lines: string[] = [];
const logged = () => lines.join("");

beforeAll(async () => {
	[table, aws] = [await startTable(), await FakeAws.start()];
	for (const [channel, secret] of Object.entries(SECRETS))
		aws.secrets.set(`secret-${channel}`, { AWSCURRENT: secret });
	process.env.CHANNEL_SECRETS = JSON.stringify({
		slack: "secret-slack",
		telegram: "secret-telegram",
		feishu: "secret-feishu",
	});
	await table.allow({
		"slack.T01.U01": "anna",
		"telegram.4711": "anna",
		"feishu.ou_anna": "anna",
		"telegram.5": "jürgen",
		"telegram.6": "mei",
	});
	vi.doMock("./shared/log.ts", async () => {
		const { createLogger } = await import("openclaw-sidecar");
		return { logger: createLogger("info", { write: (line: string) => void lines.push(line) }) };
	});
	const { handler } = await import("./webhook.ts");
	front = await startApiFront(() => handler);
});

beforeEach(() => {
	aws.sent.length = 0;
});

afterAll(async () => {
	for (const one of [front, aws, table]) await one[Symbol.asyncDispose]();
});

async function post(
	{ path, headers, body }: WebhookRequest,
	method = "POST",
): Promise<{ status: number; answer: Record<string, unknown> }> {
	const response = await fetch(front.url + path, {
		method,
		headers,
		...(method === "POST" && { body }),
	});
	return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

const code = async (request: WebhookRequest) => (await post(request)).answer.code;

const MESSAGES = { slack: slackMessage, telegram: telegramMessage, feishu: feishuMessage };

describe.each(Object.entries(MESSAGES))("%s", (channel, message) => {
	test("a message is queued for its user, with any characters", async () => {
		const text = 'Grüße 你好 👩‍👩‍👧 <b>&amp;</b>\u0000\n"quoted"';
		const shown = channel === "slack" ? text.replaceAll("&amp;", "&amp;amp;") : text;
		expect(await post(message({ text: shown }))).toMatchObject({
			status: 200,
			answer: { code: "QUEUED" },
		});
		expect(aws.sent).toHaveLength(1);
		const [sent] = aws.sent;
		expect(JSON.parse(sent!.MessageBody)).toMatchObject({ channel, userId: "anna", text });
		expect(sent).toMatchObject({
			MessageGroupId: "anna",
			MessageDeduplicationId: JSON.parse(sent!.MessageBody).deliveryId,
		});
	});

	test("a long message in Chinese is queued", async () => {
		const text = "你".repeat(
			{ slack: 40_000, telegram: 4_096, feishu: 50_000 }[channel as "slack"],
		);
		// Of another user, because Telegram's next message might belong to it.
		const from = { id: 6, is_bot: false };
		const request = message({ text, ...(channel === "telegram" && { change: { from } }) });
		// Slack's JSON is ASCII.
		const isSlack = channel === "slack";
		const sent = isSlack ? slackText(request.body.replaceAll("你", "\\u4f60")) : request;
		expect(await code(sent)).toBe("QUEUED");
		expect(JSON.parse(aws.sent[0]!.MessageBody).text).toBe(text);
	});

	test("a retry of the channel is queued once", async () => {
		const first = message({ eventId: "77" });
		expect(await code(first)).toBe("QUEUED");
		expect(await post(message({ eventId: "77", skewS: 1 }))).toMatchObject({
			status: 200,
			answer: { code: "DUPLICATE" },
		});
		expect(aws.sent).toHaveLength(1);
	});

	test("a wrong secret is refused", async () => {
		const wrong = message({ secret: "x".repeat(32) });
		expect(await post(wrong)).toMatchObject({
			status: 401,
			answer: { code: "SIGNATURE_INVALID", remedy: expect.any(String) },
		});
		expect(await post({ ...wrong, headers: {} })).toMatchObject({ status: 401 });
		expect(aws.sent).toHaveLength(0);
	});

	test("a huge body is refused before it is read", async () => {
		const huge = { ...message(), body: "x".repeat(512 * 1024 + 1) };
		expect(await post(huge)).toMatchObject({
			status: 413,
			answer: { code: "BODY_TOO_LARGE", message: expect.stringContaining("524289") },
		});
	});

	test("a user who is not allowed gets the usual status, and is told their id once a day", async () => {
		const stranger = {
			slack: () => message({ change: { user: "U99" } }),
			telegram: () => message({ change: { from: { id: 99, is_bot: false } } }),
			feishu: () =>
				feishuBody({
					...feishuEvent(),
					event: { ...(feishuEvent() as { event: object }).event, sender: STRANGER },
				}),
		}[channel as "slack"];
		const sender = { slack: "slack.T01.U99", telegram: "telegram.99", feishu: "feishu.ou_eve" }[
			channel as "slack"
		];
		expect(await post(stranger())).toEqual({ status: 200, answer: { code: "IGNORED" } });
		const [told] = aws.sent.splice(0).map(({ MessageBody }) => JSON.parse(MessageBody));
		expect(told).toMatchObject({ notice: { phrase: "stranger", values: { sender } } });
		expect(told).not.toHaveProperty("text");
		expect(await post(stranger())).toEqual({ status: 200, answer: { code: "IGNORED" } });
		expect(aws.sent).toHaveLength(0);
		const refused = lines.filter((line) => line.includes("security.user-refused"));
		expect(refused.filter((line) => line.includes(`"sender":"${sender}"`))).toHaveLength(2);
	});

	test("a message that was not queued is accepted when it is sent again", async () => {
		const request = message({ eventId: "88" });
		aws.broken.add("AmazonSQS.SendMessage");
		expect(await post(request)).toMatchObject({ status: 503, answer: { code: "UNAVAILABLE" } });
		aws.broken.clear();
		expect(await code(request)).toBe("QUEUED");
	});

	test("a message other than text is queued without text", async () => {
		const change = {
			text: undefined,
			message_type: "image",
			content: '{"image_key":"i"}',
			photo: [{}],
		};
		expect(await code(message({ change }))).toBe("QUEUED");
		const sent = JSON.parse(aws.sent[0]!.MessageBody);
		expect(sent).not.toHaveProperty("text");
		expect(sent.attachments ?? sent.unread).toHaveLength(1);
	});
});

const STRANGER = { sender_id: { open_id: "ou_eve" }, sender_type: "user" };

describe.each(Object.entries({ slack: slackMessage, feishu: feishuMessage }))(
	"signed by %s",
	(_channel, message) => {
		test("an identical request is refused inside the window", async () => {
			const request = message();
			expect(await code(request)).toBe("QUEUED");
			expect(await post(request)).toMatchObject({ status: 409, answer: { code: "REPLAYED" } });
			expect(aws.sent).toHaveLength(1);
		});

		test.each([
			[-310, "TIMESTAMP_INVALID"],
			[310, "TIMESTAMP_INVALID"],
			[-290, "QUEUED"],
			[290, "QUEUED"],
		])("a clock that is off by %i s: %s", async (skewS, expected) => {
			expect(await code(message({ skewS }))).toBe(expected);
		});

		test("a changed body is refused", async () => {
			const request = message();
			const body = request.body.replace(/.(?=.{20}$)/, (one) => (one === "a" ? "b" : "a"));
			expect(body).not.toBe(request.body);
			expect(await code({ ...request, body })).toBe("SIGNATURE_INVALID");
		});

		test("a changed time is refused", async () => {
			const request = message();
			const headers = Object.fromEntries(
				Object.entries(request.headers).map(([name, value]) => [
					name,
					name.endsWith("timestamp") ? String(Number(value) - 1) : value,
				]),
			);
			expect(await code({ ...request, headers })).toBe("SIGNATURE_INVALID");
		});
	},
);

test("a Feishu message is queued once, whatever the id of the event that brings it", async () => {
	const event = () => feishuEvent({ eventId: "same" });
	const idOf = (one: object) => (one as { header: { event_id: string } }).header.event_id;
	const [first, second] = [event(), event()];
	expect(idOf(first)).not.toBe(idOf(second));
	expect(await code(feishuBody(first))).toBe("QUEUED");
	expect(await code(feishuBody(second))).toBe("DUPLICATE");
});

test("Telegram's updates are accepted for a day; older ones and those of the future are refused", async () => {
	expect(await code(telegramMessage({ skewS: -86_000 }))).toBe("QUEUED");
	expect(await code(telegramMessage({ skewS: -87_000 }))).toBe("TIMESTAMP_INVALID");
	expect(await code(telegramMessage({ skewS: 310 }))).toBe("TIMESTAMP_INVALID");
});

test("the daemon's namespace of a user is the group that keeps their messages in order", async () => {
	await post(telegramMessage({ change: { from: { id: 5, is_bot: false } } }));
	expect(aws.sent[0]).toMatchObject({ MessageGroupId: "j=C3=BCrgen" });
});

describe("a challenge", () => {
	test("of Slack is answered if it is signed", async () => {
		const challenge = { type: "url_verification", challenge: "c-1", token: "t" };
		expect(await post(slackBody(challenge))).toEqual({ status: 200, answer: { challenge: "c-1" } });
		expect((await post(slackBody(challenge, { secret: "wrong" }))).status).toBe(401);
	});

	test("of Feishu is answered if it is encrypted, also without a signature", async () => {
		const challenge = {
			type: "url_verification",
			challenge: "c-2",
			token: SECRETS.feishu.verification_token,
		};
		for (const isSigned of [true, false])
			expect((await post(feishuBody(challenge, {}, isSigned))).answer).toEqual({
				challenge: "c-2",
			});
	});

	test("of Feishu is answered only with Feishu's token, and an unsigned event is refused", async () => {
		expect(
			await code(
				feishuBody({ type: "url_verification", challenge: "c", token: "wrong" }, {}, false),
			),
		).toBe("SIGNATURE_INVALID");
		expect(
			await code(
				feishuBody({ type: "url_verification", challenge: "c" }, { secret: "wrong" }, false),
			),
		).toBe("SIGNATURE_INVALID");
		expect(await code(feishuBody(feishuEvent(), {}, false))).toBe("SIGNATURE_INVALID");
	});
});

describe("nothing is queued of", () => {
	test.each<[string, () => WebhookRequest]>([
		["a Slack channel", () => slackMessage({ change: { channel_type: "channel" } })],
		["a Slack bot", () => slackMessage({ change: { bot_id: "B01" } })],
		["a Slack edit", () => slackMessage({ change: { subtype: "message_changed" } })],
		[
			"another Slack event",
			() => slackBody({ type: "event_callback", event: { type: "app_home_opened" } }),
		],
		[
			"a Telegram group",
			() => telegramMessage({ change: { chat: { id: -1, type: "supergroup" } } }),
		],
		["a Telegram bot", () => telegramMessage({ change: { from: { id: 4711, is_bot: true } } })],
		["a Feishu group", () => feishuMessage({ change: { chat_type: "group" } })],
		[
			"another Feishu event",
			() =>
				feishuBody({
					schema: "2.0",
					header: { token: SECRETS.feishu.verification_token },
					event: {},
				}),
		],
	])("%s", async (_what, request) => {
		expect(await post(request())).toEqual({ status: 200, answer: { code: "IGNORED" } });
		expect(aws.sent).toHaveLength(0);
	});
});

describe("a malformed request", () => {
	test.each<[string, () => WebhookRequest, string]>([
		["JSON of Slack", () => slackText('{"type":'), "REQUEST_INVALID"],
		["JSON that is a list", () => slackText("[]"), "REQUEST_INVALID"],
		["JSON of Telegram", () => ({ ...telegramMessage(), body: "{" }), "REQUEST_INVALID"],
		["JSON of Feishu", () => ({ ...feishuMessage(), body: "{", headers: {} }), "REQUEST_INVALID"],
		["ids", () => slackMessage({ change: { user: "../../x" } }), "REQUEST_INVALID"],
		[
			"a time",
			() => ({
				...slackMessage(),
				headers: { "x-slack-request-timestamp": "1e9", "x-slack-signature": "v0=" },
			}),
			"TIMESTAMP_INVALID",
		],
	])("with malformed %s is refused", async (_what, request, expected) => {
		const { status, answer } = await post(request());
		expect(answer.code).toBe(expected);
		expect(status).toBeGreaterThanOrEqual(400);
		expect(status).toBeLessThan(500);
		expect(JSON.stringify(answer)).not.toMatch(/\bat .*\.ts|SyntaxError/);
	});

	test("with bytes that are not UTF-8 is refused", async () => {
		const response = await fetch(`${front.url}/webhook/telegram`, {
			method: "POST",
			headers: telegramMessage().headers,
			body: Buffer.from('{"update_id":1,"message":{"text":"\xff"}}', "latin1"),
		});
		expect(await response.json()).toMatchObject({ code: "REQUEST_INVALID" });
	});

	test("to an unknown channel, or with an unknown method, is refused", async () => {
		expect((await post({ ...slackMessage(), path: "/webhook/irc" })).status).toBe(404);
		expect((await post({ ...slackMessage(), path: "/webhook/__proto__" })).status).toBe(404);
		expect(await post(slackMessage(), "GET")).toMatchObject({
			status: 405,
			answer: { code: "METHOD_NOT_ALLOWED" },
		});
	});
});

test("nothing is queued if the table of users cannot be read, and the channel sends it again", async () => {
	const before = aws.sent.length;
	vi.resetModules();
	process.env.USERS_TABLE = "gone";
	const { handler } = await import("./webhook.ts");
	await using other = await startApiFront(() => handler);
	const response = await fetch(`${other.url}/webhook/slack`, { method: "POST", ...slackMessage() });
	expect([response.status, await response.json()]).toMatchObject([503, { code: "UNAVAILABLE" }]);
	expect(aws.sent).toHaveLength(before);
	process.env.USERS_TABLE = table.users;
});

test("a channel with an incomplete secret refuses all requests like forged ones, and the log names the missing field", async () => {
	vi.resetModules();
	const { handler } = await import("./webhook.ts");
	await using other = await startApiFront(() => handler);
	aws.secrets.set("secret-slack", { AWSCURRENT: { unused: "x" } });
	const response = await fetch(`${other.url}/webhook/slack`, { method: "POST", ...slackMessage() });
	expect(response.status).toBe(401);
	expect(await response.json()).toMatchObject({ code: "SIGNATURE_INVALID" });
	expect(logged()).toMatch(
		/"level":"error".*"the channel's secret is incomplete: the secret has no signing_secret"/,
	);
	aws.secrets.set("secret-slack", { AWSCURRENT: SECRETS.slack });
});

test.each(Object.entries(MESSAGES))(
	"a first secret of %s proves requests while its rotation tests it, and no other does",
	async (channel, message) => {
		vi.resetModules();
		const { handler } = await import("./webhook.ts");
		await using other = await startApiFront(() => handler);
		const own = SECRETS[channel as "slack"];
		const { bot_token } = own;
		const send = async (request: WebhookRequest) =>
			(await fetch(other.url + request.path, { method: "POST", ...request })).status;
		aws.secrets.set(`secret-${channel}`, { AWSCURRENT: { bot_token }, AWSPENDING: own });
		expect(await send(message({ secret: "forged" }))).toBe(401);
		expect(await send(message())).toBe(200);
		aws.secrets.set(`secret-${channel}`, { AWSCURRENT: own });
	},
);

test("forgeries cost at most three reads of the secrets in ten seconds", async () => {
	vi.resetModules();
	const { handler } = await import("./webhook.ts");
	await using other = await startApiFront(() => handler);
	const forge = async () =>
		await fetch(`${other.url}/webhook/slack`, {
			method: "POST",
			...slackMessage({ secret: "forged" }),
		});
	await forge();
	const before = aws.calls.length;
	for (let count = 0; count < 5; count++) expect((await forge()).status).toBe(401);
	expect(aws.calls.length).toBe(before);
});

test("the log contains no secret", () => {
	expect(logged()).toContain("webhook.refused");
	for (const secret of Object.values(SECRETS).flatMap((fields) => Object.values(fields))) {
		if (secret !== SECRETS.feishu.app_id) expect(logged()).not.toContain(secret);
	}
});
