/** Pieces of a long text, and albums, as one turn. */

import {
	DeleteItemCommand,
	DynamoDBClient,
	ScanCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { describe, expect, test } from "vitest";
import {
	telegramMessage,
	type WebhookRequest,
} from "../../../testkit/functions/channel-requests.ts";
import { KINDS } from "../../../testkit/functions/message-kinds.ts";
import { deliveryIdOf } from "../../lambda/shared/message.ts";
import {
	asked,
	aws,
	channels,
	en,
	PNG,
	post,
	runtime,
	say,
	texts,
	until,
	useConversation,
	work,
} from "./conversation.ts";

useConversation();

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
