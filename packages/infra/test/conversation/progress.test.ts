/** What shows a user that the agent works. */
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import {
	feishuMessage,
	slackMessage,
	telegramMessage,
} from "../../../testkit/functions/channel-requests.ts";
import type { SentMessage } from "../../../testkit/functions/fake-aws.ts";
import {
	aws,
	channels,
	own,
	paths,
	post,
	recordOf,
	runtime,
	say,
	texts,
	until,
	useConversation,
	work,
	worker,
	zh,
} from "./conversation.ts";

useConversation();

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
