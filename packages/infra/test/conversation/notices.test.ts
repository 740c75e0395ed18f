/** What the bot itself says, and in which language. */
import { encodeUserId } from "openclaw-sidecar";
import { describe, expect, test } from "vitest";
import {
	feishuMessage,
	slackMessage,
	telegramMessage,
	type WebhookRequest,
} from "../../../testkit/functions/channel-requests.ts";
import { KINDS } from "../../../testkit/functions/message-kinds.ts";
import {
	aws,
	channels,
	en,
	paths,
	post,
	runtime,
	say,
	table,
	texts,
	useConversation,
	work,
	zh,
} from "./conversation.ts";

useConversation();

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
