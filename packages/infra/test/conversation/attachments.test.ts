/** Pictures and files that a user sends. */
import { describe, expect, test, vi } from "vitest";
import {
	feishuMessage,
	type Said,
	SECRETS,
	slackMessage,
	telegramMessage,
} from "../../../testkit/functions/channel-requests.ts";
import { LocalServer } from "../../../testkit/functions/local-server.ts";
import { KINDS } from "../../../testkit/functions/message-kinds.ts";
import {
	asked,
	aws,
	channels,
	en,
	MESSAGES,
	own,
	PNG,
	paths,
	post,
	recordOf,
	runtime,
	say,
	texts,
	useConversation,
	worker,
	zh,
} from "./conversation.ts";

useConversation();

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
