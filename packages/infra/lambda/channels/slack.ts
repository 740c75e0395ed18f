/**
 * Slack's Events API. Requests are signed `v0=` HMAC-SHA256 of `v0:{timestamp}:{body}` with the
 * app's signing secret.
 *
 * The secret has `signing_secret` and `bot_token`.
 */
import { createHmac } from "node:crypto";
import { isRecord } from "../environment.ts";
import { type Delivery, jsonObjectOf } from "../webhook/delivery.ts";
import { checkWindow, isSame } from "../webhook/proofs.ts";
import { Refusal } from "../webhook/refusal.ts";
import { type Answer, ChannelFailure, call } from "./call.ts";
import { type Channel, type Content, field, ignored, type SecretFields } from "./channel.ts";

const ID = /^[A-Z0-9]{2,32}$/;

export const slack: Channel = {
	provedWith: ["signing_secret"],
	/** `markdown_text`, Slack's own rendering of Markdown, allows 12,000; readers prefer less. */
	maxPartLength: 4_000,

	open(delivery, secret) {
		const proof = prove(delivery, field(secret, "signing_secret"));
		return { content: read(jsonObjectOf(delivery.body)), proof };
	},

	async send({ text, replyTo }, secret) {
		const body = {
			channel: replyTo.channel,
			markdown_text: text,
			unfurl_links: false,
			unfurl_media: false,
		};
		await callSlack("chat.postMessage", body, secret);
	},
};

/** @throws ChannelFailure */
export async function callSlack(
	method: string,
	body: object,
	secret: SecretFields,
): Promise<Answer> {
	const url = `${process.env.SLACK_API_URL ?? "https://slack.com/api"}/${method}`;
	const answer = await call(`slack ${method}`, url, body, {
		authorization: `Bearer ${field(secret, "bot_token")}`,
	});
	if (answer.ok !== true)
		throw new ChannelFailure(`slack ${method}`, String(answer.error ?? "not ok"));
	return answer;
}

/** @throws Refusal */
function prove({ header, body, nowMs }: Delivery, signingSecret: string): string {
	const timestamp = header("x-slack-request-timestamp");
	checkWindow(timestamp, nowMs);
	const signature = header("x-slack-signature");
	const expected = `v0=${createHmac("sha256", signingSecret).update(`v0:${timestamp}:`).update(body).digest("hex")}`;
	if (signature === undefined || !isSame(signature, expected))
		throw new Refusal("SIGNATURE_INVALID");
	return expected;
}

function read(body: Readonly<Record<string, unknown>>): Content {
	if (body.type === "url_verification")
		return { kind: "challenge", answer: { challenge: body.challenge } };
	const { event, event_id: eventId, team_id: team } = body;
	if (body.type !== "event_callback" || !isRecord(event)) return ignored("no event");
	if (event.type !== "message") return ignored("no message");
	if (event.channel_type !== "im") return ignored("not in a one-to-one chat with the bot");
	const { user, channel, subtype, text } = event;
	// The bot's own messages come back as events; edits and the like are subtypes.
	if (event.bot_id !== undefined || (subtype !== undefined && subtype !== "file_share"))
		return ignored("not written by a person");
	if (!isId(team) || !isId(user) || !isId(channel) || typeof eventId !== "string")
		throw new Refusal("REQUEST_INVALID", "ids are missing");
	const said = typeof text === "string" && text !== "" ? unescaped(text) : undefined;
	return {
		kind: "message",
		message: { eventId, sender: `slack.${team}.${user}`, text: said, replyTo: { channel } },
	};
}

function isId(value: unknown): value is string {
	return typeof value === "string" && ID.test(value);
}

/** Slack escapes three characters in messages. */
function unescaped(text: string): string {
	return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
