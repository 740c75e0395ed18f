/** Commands of the bot and of the agent. */
import { encodeUserId } from "openclaw-sidecar";
import { describe, expect, test } from "vitest";
import { telegramMessage } from "../../../testkit/functions/channel-requests.ts";
import {
	asked,
	aws,
	en,
	post,
	recordOf,
	runtime,
	texts,
	until,
	useConversation,
	work,
	worker,
} from "./conversation.ts";

useConversation();

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

	test.each([
		...["/new", "/status", "/think high", "/help me", "/etc/hosts is broken"],
		...["/undo", "/history notes.md", "/restore notes.md yesterday 18:00"],
	])("of the agent reaches it in order: %s", async (text) => {
		await post(telegramMessage({ text }));
		expect(aws.sent[0]!.MessageGroupId).toBe(encodeUserId("anna"));
		await work();
		expect(asked()).toEqual({ prompt: text });
	});

	test("that the queue or the channel delivers twice reaches the agent once", async () => {
		const message = telegramMessage({ text: "/undo" });
		await post(message);
		await post(message);
		const [queued, ...more] = aws.sent.splice(0);
		expect(more).toEqual([]);
		const context = { getRemainingTimeInMillis: () => 60_000 };
		for (let time = 0; time < 2; time++) await worker({ Records: [recordOf(queued!)] }, context);
		expect(runtime.invocations.map(({ payload }) => payload.prompt)).toEqual(["/undo"]);
	});
});
