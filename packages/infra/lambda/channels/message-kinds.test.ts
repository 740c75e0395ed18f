/** What is read of each kind of message. Nothing that a person sends is dropped without a word. */
import { describe, expect, test } from "vitest";
import {
	feishuMessage,
	type Said as Given,
	SECRETS,
	slackBody,
	slackMessage,
	telegramMessage,
	type WebhookRequest,
} from "../../../testkit/functions/channel-requests.ts";
import { KINDS } from "../../../testkit/functions/message-kinds.ts";
import { CHANNELS } from "./by-name.ts";
import type { ChannelMessage, ChannelName, Content } from "./channel.ts";

const REQUESTS = { slack: slackMessage, telegram: telegramMessage, feishu: feishuMessage };

function open(channel: ChannelName, { headers, body }: WebhookRequest): Content {
	const delivery = {
		header: (name: string) => headers[name],
		body: Buffer.from(body),
		nowMs: Date.now(),
	};
	return CHANNELS[channel].open(delivery, SECRETS[channel]).content;
}

function read(channel: ChannelName, given: Given): ChannelMessage {
	const content = open(channel, REQUESTS[channel](given));
	if (content.kind !== "message") throw new Error(JSON.stringify(content));
	return content.message;
}

const image = (name: string) => [expect.objectContaining({ kind: "image", name })];
const notes = [expect.objectContaining({ kind: "file", name: "notes.md" })];

describe.each<[ChannelName, string, object]>([
	[
		"telegram",
		"photo",
		{
			text: "look",
			attachments: [{ kind: "image", name: "photo.jpg", bytes: 3, ref: { file: "F1" } }],
		},
	],
	["telegram", "file", { attachments: notes }],
	["telegram", "voice", { unread: ["audio"] }],
	["telegram", "sticker", { text: "👍" }],
	["telegram", "location", { text: "Location: 1.5, 2.5" }],
	["telegram", "contact", { text: "Contact: Bo +1" }],
	["telegram", "poll", { text: "Poll: When?\n- now" }],
	["telegram", "video", { text: "see", unread: ["video"] }],
	["telegram", "forward", { text: "Forwarded from Bo Li:\nhello" }],
	["telegram", "unknown", { unread: ["other"] }],
	["feishu", "photo", { attachments: image("image") }],
	["feishu", "file", { attachments: notes }],
	["feishu", "voice", { unread: ["audio"] }],
	["feishu", "sticker", { unread: ["sticker"] }],
	["feishu", "location", { text: "Pier (1.5, 2.5)" }],
	["feishu", "video", { unread: ["video"] }],
	["feishu", "forward", { unread: ["forward"] }],
	[
		"feishu",
		"post",
		{ text: "Plan\na @Bo\n\n```GO\nx()\n```\n[SMILE]", attachments: image("image") },
	],
	["feishu", "unknown", { unread: ["other"] }],
	["slack", "photo", { attachments: image("p.png") }],
	["slack", "file", { attachments: notes }],
	["slack", "voice", { unread: ["audio"] }],
	["slack", "video", { unread: ["video"] }],
	["slack", "forward", { text: "see this\nForwarded from Bo:\n1 < 2" }],
	["slack", "gone", { unread: ["other"] }],
	["slack", "unknown", { unread: ["other"] }],
])("%s: a message of the kind %s", (channel, kind, expected) => {
	test("is read as what it says, and the rest is named", () => {
		const change = (KINDS[channel] as Record<string, Given["change"]>)[kind]!;
		const { text, attachments, unread } = read(channel, { change });
		expect({ text, attachments, unread }).toEqual({
			text: undefined,
			attachments: undefined,
			unread: undefined,
			...expected,
		});
	});
});

test("edits of a person's text are told apart from other changes", () => {
	const { body, ...rest } = telegramMessage();
	const { update_id, message } = JSON.parse(body);
	const edited = { ...message, edit_date: message.date };
	const edit = JSON.stringify({ update_id, edited_message: edited });
	expect(open("telegram", { ...rest, body: edit })).toMatchObject({ message: { isEdit: true } });

	const slackEdit = (change: object) =>
		open(
			"slack",
			slackBody({
				type: "event_callback",
				team_id: "T01",
				event_id: "Ev1",
				event: {
					type: "message",
					subtype: "message_changed",
					channel_type: "im",
					channel: "D01",
					message: { user: "U01", text: "b", ts: "1.1", edited: { user: "U01", ts: "2.1" } },
					previous_message: { user: "U01", text: "a", ts: "1.1" },
					...change,
				},
			}),
		);
	expect(slackEdit({})).toMatchObject({ message: { isEdit: true, sender: "slack.T01.U01" } });
	const unfurled = { message: { user: "U01", text: "a", ts: "1.1", attachments: [{}] } };
	expect(slackEdit(unfurled)).toMatchObject({ kind: "ignored" });
	const own = { message: { bot_id: "B1", text: "b", ts: "1.1", edited: {} } };
	expect(slackEdit(own)).toMatchObject({ kind: "ignored" });
	expect(slackEdit({ subtype: "message_deleted", message: undefined })).toMatchObject({
		kind: "ignored",
	});
});

test("each channel names where its threads and its language are", () => {
	expect(
		read("telegram", { change: { is_topic_message: true, message_thread_id: 7 } }),
	).toMatchObject({ language: "en", replyTo: { chat: "4711", topic: "7" } });
	expect(read("slack", { change: { thread_ts: "1764.5" } })).toMatchObject({
		replyTo: { channel: "D01", user: "U01", thread: "1764.5" },
	});
	expect(read("feishu", { eventId: "9", change: { thread_id: "omt_1" } })).toMatchObject({
		language: "zh",
		replyTo: { message: "om_9", thread: "omt_1" },
	});
	process.env.FEISHU_API_URL = "https://open.larksuite.com";
	expect(read("feishu", {})).toMatchObject({ language: "en" });
	delete process.env.FEISHU_API_URL;
});
