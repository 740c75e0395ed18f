/**
 * Telegram's Bot API. Every update carries the secret that `setWebhook` set, so anyone who reads
 * one request can forge others. TLS is therefore part of the proof. Updates are not signed one by
 * one; `update_id` identifies a repeated one.
 *
 * The secret has `bot_token` and `secret_token`.
 */
import { isRecord } from "../shared/environment.ts";
import type { Attachment, Said, Unread } from "../shared/message.ts";
import { Refusal } from "../shared/refusal.ts";
import { type Channel, type Content, field, ignored } from "./channel.ts";
import { type Delivery, jsonObjectOf } from "./delivery.ts";
import { isSame } from "./proofs.ts";

/**
 * Telegram keeps undelivered updates for 24 hours. A narrower window would lose messages written
 * during an outage.
 */
const MAX_AGE_S = 86_400;
const MAX_AHEAD_S = 300;
/**
 * Telegram's apps cut a text at 4,096 characters, or before that at a white space in its second
 * half.
 */
const MAY_BE_CUT = 2_048;
/** The kinds of updates that are asked for and read here. */
export const UPDATES = ["message", "edited_message"];

type Json = Readonly<Record<string, unknown>>;

export const telegram: Channel = {
	provedWith: ["secret_token"],

	open(delivery, secret) {
		const given = delivery.header("x-telegram-bot-api-secret-token");
		if (given === undefined || !isSame(given, field(secret, "secret_token")))
			throw new Refusal("SIGNATURE_INVALID");
		return { content: read(jsonObjectOf(delivery.body), delivery), proof: undefined };
	},
};

function read(update: Json, { nowMs }: Delivery): Content {
	const { update_id: updateId, message: sent, edited_message: edited } = update;
	const message = sent ?? edited;
	if (!isRecord(message)) return ignored("no new message");
	const { chat, from, date, edit_date: editDate, location } = message;
	// A live location is edited every few seconds.
	if (sent === undefined && (editDate === undefined || location !== undefined))
		return ignored("not changed by a person");
	if (!isRecord(chat) || chat.type !== "private")
		return ignored("not in a one-to-one chat with the bot");
	if (!isRecord(from) || from.is_bot === true) return ignored("not written by a person");
	if (
		!Number.isSafeInteger(updateId) ||
		!Number.isSafeInteger(from.id) ||
		!Number.isSafeInteger(chat.id)
	)
		throw new Refusal("REQUEST_INVALID", "ids are missing");
	const writtenS = sent === undefined ? editDate : date;
	if (
		typeof writtenS !== "number" ||
		writtenS * 1_000 > nowMs + MAX_AHEAD_S * 1_000 ||
		writtenS * 1_000 < nowMs - MAX_AGE_S * 1_000
	)
		throw new Refusal("TIMESTAMP_INVALID", "Telegram delivers within 24 hours");
	const said = saidIn(message);
	const { message_thread_id: topic, is_topic_message: isTopic, media_group_id: album } = message;
	return {
		kind: "message",
		message: {
			// "Allows you to ignore repeated updates": https://core.telegram.org/bots/api#update
			eventId: String(updateId),
			sender: `telegram.${from.id}`,
			...(typeof from.language_code === "string" && { language: from.language_code }),
			...(sent === undefined && { isEdit: true as const }),
			piece: {
				order: Number(message.message_id) || Number(updateId),
				writtenMs: writtenS * 1_000,
				mayContinue: album !== undefined || (textIn(message)?.length ?? 0) >= MAY_BE_CUT,
			},
			...said,
			replyTo: {
				chat: String(chat.id),
				...(isTopic === true && Number.isSafeInteger(topic) && { topic: String(topic) }),
			},
		},
	};
}

/** The parts of a message that the agent can read, and those that it cannot. */
function saidIn(message: Json): Said {
	const origin = forwardedFrom(message.forward_origin);
	const lines = [textIn(message), ...spoken(message)].filter((line) => line !== undefined);
	const attachments = attachmentsIn(message);
	const unread = unreadIn(message);
	const isEmpty = lines.length === 0 && attachments.length === 0 && unread.length === 0;
	return {
		...(lines.length > 0 && { text: [...origin, ...lines].join("\n") }),
		...(attachments.length > 0 && { attachments }),
		...(isEmpty ? { unread: ["other"] } : unread.length > 0 && { unread }),
	};
}

/** Telegram's apps may add the bot's name to a command. */
function textIn({ text, caption }: Json): string | undefined {
	const said = [text, caption].find((one): one is string => typeof one === "string" && one !== "");
	return said?.replace(/^(\/\w+)@\w+(?=\s|$)/, "$1");
}

function forwardedFrom(origin: unknown): string[] {
	if (!isRecord(origin)) return [];
	const { sender_user: user, sender_user_name: name, chat, sender_chat: group } = origin;
	const from = [user, chat ?? group].find(isRecord);
	const shown = from?.title ?? [from?.first_name, from?.last_name].filter(Boolean).join(" ");
	return [`Forwarded from ${String(shown || name || "somebody")}:`];
}

/** Other content that words can say. */
function spoken({ sticker, dice, location, venue, contact, poll }: Json): string[] {
	const lines: string[] = [];
	if (isRecord(sticker) && typeof sticker.emoji === "string") lines.push(sticker.emoji);
	if (isRecord(dice)) lines.push(`${dice.emoji} ${dice.value}`);
	if (isRecord(venue)) lines.push(`${venue.title}, ${venue.address}`);
	if (isRecord(location)) lines.push(`Location: ${location.latitude}, ${location.longitude}`);
	if (isRecord(contact))
		lines.push(
			`Contact: ${[contact.first_name, contact.last_name, contact.phone_number].filter(Boolean).join(" ")}`,
		);
	if (isRecord(poll) && Array.isArray(poll.options))
		lines.push(
			[`Poll: ${poll.question}`, ...poll.options.map((one: Json) => `- ${one.text}`)].join("\n"),
		);
	return lines;
}

function attachmentsIn({ photo, document, animation }: Json): Attachment[] {
	const sizes = Array.isArray(photo) ? (photo as Json[]) : [];
	// Telegram sends several sizes of one picture; the last is the largest.
	const image = sizes.at(-1);
	if (isRecord(image)) return [attachment("image", "photo.jpg", image)];
	// An animation has a document of itself, for older bots.
	if (!isRecord(document) || animation !== undefined) return [];
	const type = String(document.mime_type ?? "");
	const kind = type.startsWith("image/") ? "image" : "file";
	return [attachment(kind, String(document.file_name ?? "file"), document)];
}

function attachment(kind: "image" | "file", name: string, file: Json): Attachment {
	const { file_id: id, file_size: bytes } = file;
	return {
		kind,
		name,
		...(typeof bytes === "number" && { bytes }),
		ref: { file: String(id) },
	};
}

function unreadIn(message: Json): Unread[] {
	const { voice, audio, video, video_note: note, animation, sticker } = message;
	return [
		...(voice !== undefined || audio !== undefined ? (["audio"] as const) : []),
		...(video !== undefined || note !== undefined || animation !== undefined
			? (["video"] as const)
			: []),
		...(isRecord(sticker) && typeof sticker.emoji !== "string" ? (["sticker"] as const) : []),
	];
}
