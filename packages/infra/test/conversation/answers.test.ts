/** Answers in the format of each channel, in parts, in the thread of the message. */
import { describe, expect, test } from "vitest";
import {
	feishuMessage,
	slackMessage,
	telegramMessage,
} from "../../../testkit/functions/channel-requests.ts";
import {
	answerWith,
	channels,
	MESSAGES,
	post,
	say,
	texts,
	useConversation,
	work,
} from "./conversation.ts";

useConversation();

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
