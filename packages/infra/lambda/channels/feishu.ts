/**
 * Feishu and Lark, events of schema 2.0. Requests are signed and encrypted with the app's encrypt
 * key, and contain its verification token.
 *
 * The secret has `app_id`, `app_secret`, `encrypt_key` and `verification_token`. `FEISHU_API_URL`
 * is `https://open.larksuite.com` for Lark.
 */

import { isRecord, parseJson } from "../environment.ts";
import { type Delivery, jsonObjectOf } from "../webhook/delivery.ts";
import { checkWindow, isSame } from "../webhook/proofs.ts";
import { Refusal } from "../webhook/refusal.ts";
import { ChannelFailure, call } from "./call.ts";
import { type Channel, type Content, field, ignored, type SecretFields } from "./channel.ts";
import { decryptEvent, signatureOf } from "./feishu-cipher.ts";
import { feishuUrl, tenantToken } from "./feishu-token.ts";

const ID = /^[A-Za-z0-9_-]{1,80}$/;

export const feishu: Channel = {
	provedWith: ["encrypt_key", "verification_token"],
	/** 150 KB of JSON within JSON: 20,000 units take 140 KB if every one of them is escaped twice. */
	maxPartLength: 20_000,

	open(delivery, secret) {
		const encryptKey = field(secret, "encrypt_key");
		// Only the challenge may be unsigned; its content must then prove it.
		const proof =
			delivery.header("x-lark-signature") === undefined ? undefined : prove(delivery, encryptKey);
		const { encrypt } = jsonObjectOf(delivery.body);
		const plain = typeof encrypt === "string" ? decryptEvent(encrypt, encryptKey) : undefined;
		const event = plain && parseJson(plain.toString("utf8"));
		if (!isRecord(event) || !isSame(tokenOf(event), field(secret, "verification_token")))
			throw new Refusal("SIGNATURE_INVALID");
		if (event.type === "url_verification")
			return { content: { kind: "challenge", answer: { challenge: event.challenge } }, proof };
		if (proof === undefined) throw new Refusal("SIGNATURE_INVALID");
		return { content: read(event), proof };
	},

	async send({ text, replyTo, id }, secret) {
		const url = `${feishuUrl()}/open-apis/im/v1/messages/${replyTo.message}/reply`;
		const authorization = `Bearer ${await tenantToken(secret)}`;
		// Of two messages with the same `uuid` within an hour, Feishu sends one.
		const body = { msg_type: "text", content: JSON.stringify({ text }), uuid: id };
		const answer = await call("feishu reply", url, body, { authorization });
		if (answer.code !== 0)
			throw new ChannelFailure("feishu reply", `code ${answer.code}: ${answer.msg}`);
	},
};

/** @throws Refusal */
function prove({ header, body, nowMs }: Delivery, encryptKey: string): string {
	const timestamp = header("x-lark-request-timestamp");
	checkWindow(timestamp, nowMs);
	const expected = signatureOf(
		timestamp as string,
		header("x-lark-request-nonce") ?? "",
		encryptKey,
		body,
	);
	if (!isSame(header("x-lark-signature") ?? "", expected)) throw new Refusal("SIGNATURE_INVALID");
	return expected;
}

function tokenOf(event: SecretFields): string {
	const token = isRecord(event.header) ? event.header.token : event.token;
	return typeof token === "string" ? token : "";
}

function read({ header, event }: Readonly<Record<string, unknown>>): Content {
	if (!isRecord(header) || !isRecord(event)) return ignored("not an event of schema 2.0");
	if (header.event_type !== "im.message.receive_v1") return ignored("no message");
	const { sender, message } = event;
	if (!isRecord(sender) || !isRecord(message) || sender.sender_type !== "user")
		return ignored("not written by a person");
	if (message.chat_type !== "p2p") return ignored("not in a one-to-one chat with the bot");
	const openId = isRecord(sender.sender_id) ? sender.sender_id.open_id : undefined;
	const { event_id: eventId } = header;
	if (!isId(openId) || !isId(message.message_id) || !isId(eventId))
		throw new Refusal("REQUEST_INVALID", "ids are missing");
	return {
		kind: "message",
		message: {
			eventId,
			sender: `feishu.${openId}`,
			text: textOf(message.message_type, message.content),
			replyTo: { message: message.message_id },
		},
	};
}

function isId(value: unknown): value is string {
	return typeof value === "string" && ID.test(value);
}

/**
 * `text`, and the text of a `post`, which people create without noticing when they paste
 * paragraphs.
 */
function textOf(type: unknown, json: unknown): string | undefined {
	const content = typeof json === "string" ? parseJson(json) : undefined;
	if (!isRecord(content)) return undefined;
	if (type === "text")
		return typeof content.text === "string" && content.text !== "" ? content.text : undefined;
	if (type !== "post" || !Array.isArray(content.content)) return undefined;
	const lines = content.content.map((line: unknown) =>
		(Array.isArray(line) ? line : [])
			.map((part: unknown) => (isRecord(part) && typeof part.text === "string" ? part.text : ""))
			.join(""),
	);
	const text = [content.title, ...lines]
		.filter((line) => typeof line === "string" && line !== "")
		.join("\n");
	return text === "" ? undefined : text;
}
