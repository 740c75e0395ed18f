/**
 * Feishu and Lark, events of schema 2.0. Requests are signed and encrypted with the app's encrypt
 * key, and contain its verification token.
 *
 * The secret has `app_id`, `app_secret`, `encrypt_key` and `verification_token`. `FEISHU_API_URL`
 * is `https://open.larksuite.com` for Lark.
 */
import { isRecord, parseJson } from "../shared/environment.ts";
import type { Attachment, Said, Unread } from "../shared/message.ts";
import { Refusal } from "../shared/refusal.ts";
import { type Channel, type Content, field, ignored, type SecretFields } from "./channel.ts";
import { type Delivery, jsonObjectOf } from "./delivery.ts";
import { decryptEvent, signatureOf } from "./feishu-cipher.ts";
import { feishuUrl } from "./feishu-token.ts";
import { checkWindow, isSame } from "./proofs.ts";

const ID = /^[A-Za-z0-9_-]{1,80}$/;

type Json = Readonly<Record<string, unknown>>;

export const feishu: Channel = {
	provedWith: ["encrypt_key", "verification_token"],

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

function read({ header, event }: Json): Content {
	if (!isRecord(header) || !isRecord(event)) return ignored("not an event of schema 2.0");
	if (header.event_type !== "im.message.receive_v1") return ignored("no message");
	const { sender, message } = event;
	if (!isRecord(sender) || !isRecord(message) || sender.sender_type !== "user")
		return ignored("not written by a person");
	if (message.chat_type !== "p2p") return ignored("not in a one-to-one chat with the bot");
	const openId = isRecord(sender.sender_id) ? sender.sender_id.open_id : undefined;
	const { message_id: id, thread_id: thread } = message;
	if (!isId(openId) || !isId(id)) throw new Refusal("REQUEST_INVALID", "ids are missing");
	const content = typeof message.content === "string" ? parseJson(message.content) : undefined;
	return {
		kind: "message",
		message: {
			// "If you need idempotency, use message_id, do not rely on event_id": the page of the event,
			// https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/reference/im-v1/message/events/receive
			eventId: id,
			sender: `feishu.${openId}`,
			// It does not tell the language of a person. Lark is Feishu outside China.
			language: new URL(feishuUrl()).hostname.endsWith("larksuite.com") ? "en" : "zh",
			...saidIn(String(message.message_type), isRecord(content) ? content : {}, id),
			replyTo: { message: id, ...(typeof thread === "string" && { thread }) },
		},
	};
}

function isId(value: unknown): value is string {
	return typeof value === "string" && ID.test(value);
}

const UNREAD: Readonly<Record<string, Unread>> = {
	audio: "audio",
	media: "video",
	sticker: "sticker",
	merge_forward: "forward",
};

/** https://open.feishu.cn/document/server-docs/im-v1/message-content-description/message_content */
function saidIn(type: string, content: Json, message: string): Said {
	const keyed = (kind: "image" | "file", key: unknown, name: unknown): Said =>
		typeof key === "string"
			? { attachments: [attachment(kind, key, String(name ?? kind), message)] }
			: { unread: ["other"] };
	switch (type) {
		case "text":
			return isText(content.text) ? { text: content.text } : { unread: ["other"] };
		case "post":
			return postIn(content, message);
		case "image":
			return keyed("image", content.image_key, "image");
		case "file":
			return keyed("file", content.file_key, content.file_name);
		case "location":
			return { text: `${content.name} (${content.latitude}, ${content.longitude})` };
		default:
			return { unread: [UNREAD[type] ?? "other"] };
	}
}

/** People create posts without noticing when they paste paragraphs, or pictures into a text. */
function postIn({ title, content }: Json, message: string): Said {
	const rows = (Array.isArray(content) ? content : []).map((row: unknown): readonly Json[] =>
		Array.isArray(row) ? row.filter(isRecord) : [],
	);
	const lines = [title, ...rows.map((row) => row.map(wordsOf).join(""))].filter(isText);
	const images = rows.flat().filter(({ tag, image_key: key }) => tag === "img" && isText(key));
	const attachments = images.map(({ image_key: key }) =>
		attachment("image", key as string, "image", message),
	);
	const hasVideo = rows.flat().some(({ tag }) => tag === "media");
	const isEmpty = lines.length === 0 && attachments.length === 0 && !hasVideo;
	return {
		...(lines.length > 0 && { text: lines.join("\n") }),
		...(attachments.length > 0 && { attachments }),
		...(hasVideo ? { unread: ["video"] } : isEmpty && { unread: ["other"] }),
	};
}

function wordsOf({ tag, text, user_name: name, emoji_type: emoji, language }: Json): string {
	if (tag === "at") return `@${name ?? ""}`;
	if (tag === "emotion") return `[${emoji}]`;
	if (tag === "code_block") return `\n\`\`\`${language ?? ""}\n${text}\n\`\`\``;
	return isText(text) ? text : "";
}

function attachment(
	kind: "image" | "file",
	key: string,
	name: string,
	message: string,
): Attachment {
	return { kind, name, ref: { message, key, type: kind } };
}

function isText(value: unknown): value is string {
	return typeof value === "string" && value !== "";
}
