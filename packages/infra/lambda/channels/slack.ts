/**
 * Slack's Events API. Requests are signed `v0=` HMAC-SHA256 of `v0:{timestamp}:{body}` with the
 * app's signing secret.
 *
 * The secret has `signing_secret` and `bot_token`.
 */
import { createHmac } from "node:crypto";
import { isRecord } from "../shared/environment.ts";
import type { Attachment, Said, Unread } from "../shared/message.ts";
import { Refusal } from "../shared/refusal.ts";
import { type Channel, type Content, field, ignored } from "./channel.ts";
import { type Delivery, jsonObjectOf } from "./delivery.ts";
import { checkWindow, isSame } from "./proofs.ts";

const ID = /^[A-Z0-9]{2,32}$/;
const TIMESTAMP = /^\d{1,12}(\.\d{1,12})?$/;
/** Subtypes that a person's own message can have. */
const WRITTEN = new Set([undefined, "file_share", "thread_broadcast", "me_message"]);

type Json = Readonly<Record<string, unknown>>;

export const slack: Channel = {
	provedWith: ["signing_secret"],

	open(delivery, secret) {
		const proof = prove(delivery, field(secret, "signing_secret"));
		return { content: read(jsonObjectOf(delivery.body)), proof };
	},
};

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

function read(body: Json): Content {
	if (body.type === "url_verification")
		return { kind: "challenge", answer: { challenge: body.challenge } };
	const { event, event_id: eventId, team_id: team } = body;
	if (body.type !== "event_callback" || !isRecord(event)) return ignored("no event");
	if (event.type !== "message") return ignored("no message");
	if (event.channel_type !== "im") return ignored("not in a one-to-one chat with the bot");
	const edited = editOf(event);
	const message = edited ?? event;
	const { user, ts, thread_ts: thread, bot_id: bot } = message;
	// The bot's own messages come back as events.
	if (bot !== undefined || (edited === undefined && !WRITTEN.has(event.subtype as undefined)))
		return ignored("not written by a person");
	const { channel } = event;
	if (!isId(team) || !isId(user) || !isId(channel) || typeof eventId !== "string" || !isTime(ts))
		throw new Refusal("REQUEST_INVALID", "ids are missing");
	return {
		kind: "message",
		message: {
			// "Globally unique across all workspaces", and kept by retries: the envelope of
			// https://docs.slack.dev/apis/events-api
			eventId,
			sender: `slack.${team}.${user}`,
			...(edited !== undefined && { isEdit: true as const }),
			...saidIn(message),
			replyTo: { channel, user, ts, ...(isTime(thread) && { thread }) },
		},
	};
}

/** The new version of a message, if a person changed its text. Slack also reports its own changes. */
function editOf({ subtype, message, previous_message: before }: Json): Json | undefined {
	if (subtype !== "message_changed" || !isRecord(message) || !isRecord(before)) return undefined;
	const isByPerson = isRecord(message.edited) && message.text !== before.text;
	return isByPerson ? message : undefined;
}

function saidIn({ text, files, attachments: shared }: Json): Said {
	const written = typeof text === "string" && text !== "" ? [unescaped(text)] : [];
	const lines = [...written, ...listOf(shared).flatMap(forwarded)];
	const given = listOf(files);
	const attachments = given.flatMap(attachment);
	const unread = given.flatMap(unreadOf);
	const isEmpty = lines.length === 0 && attachments.length === 0 && unread.length === 0;
	return {
		...(lines.length > 0 && { text: lines.join("\n") }),
		...(attachments.length > 0 && { attachments }),
		...(isEmpty ? { unread: ["other"] } : unread.length > 0 && { unread }),
	};
}

/** A message that the sender shared; previews of links are attachments too. */
function forwarded({ is_share: isShare, text, fallback, author_name: author }: Json): string[] {
	const said = [text, fallback].find((one): one is string => typeof one === "string" && one !== "");
	if (isShare !== true || said === undefined) return [];
	return [`Forwarded from ${author ?? "somebody"}:\n${unescaped(said)}`];
}

function attachment(file: Json): Attachment[] {
	const { name, size, url_private_download: download, url_private: url } = file;
	if (unreadOf(file).length > 0) return [];
	return [
		{
			kind: String(file.mimetype).startsWith("image/") ? "image" : "file",
			name: String(name ?? "file"),
			...(typeof size === "number" && { bytes: size }),
			ref: { url: String(download ?? url) },
		},
	];
}

function unreadOf(file: Json): Unread[] {
	const { mimetype, is_external: isExternal, url_private: url, url_private_download } = file;
	if (isExternal === true) return ["external"];
	if (String(mimetype).startsWith("audio/")) return ["audio"];
	if (String(mimetype).startsWith("video/")) return ["video"];
	// Deleted, beyond the plan's limit, or of another workspace.
	return url === undefined && url_private_download === undefined ? ["other"] : [];
}

function listOf(value: unknown): Json[] {
	return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isId(value: unknown): value is string {
	return typeof value === "string" && ID.test(value);
}

function isTime(value: unknown): value is string {
	return typeof value === "string" && TIMESTAMP.test(value);
}

/** Slack escapes three characters in messages. */
function unescaped(text: string): string {
	return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
