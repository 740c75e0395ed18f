/**
 * Turns a message's attachments into the parts of a chat completion that the daemon takes:
 * docs/agentcore.md#attachments. Other kinds and larger ones are not sent, and the user is told why.
 * Chat completions are used for all, because OpenClaw keeps a separate conversation for each of its
 * two APIs. So PDF, which only the other API takes, is refused.
 */
import { extname } from "node:path";
import { ChannelFailure } from "../channels/call.ts";
import type { ChannelName, SecretFields } from "../channels/channel.ts";
import { OUTBOUND } from "../channels/outbound.ts";
import type { Phrase } from "../shared/catalog.ts";
import { logger } from "../shared/log.ts";
import type { Attachment } from "../shared/message.ts";

const MIB = 1024 * 1024;
const MAX_IMAGES = 8;
const MAX_IMAGE_BYTES = 10 * MIB;
const MAX_FILE_BYTES = 5 * MIB;
const MAX_FILE_CHARS = 60_000;
/** The daemon takes requests of 20 MB, and base64 makes a third more of them. */
const MAX_TOTAL_BYTES = 14 * MIB;
/** For all attachments of a message; the agent needs the rest of the function's time. */
const MAX_FETCH_MS = 90_000;
/** Names of text files. Others are sent too if they are text. */
const TEXT = new Set([".txt", ".md", ".csv", ".json", ".html", ".htm", ".log", ".xml", ".yaml"]);

/** Why an attachment was not sent. */
export interface Problem {
	readonly name: string;
	readonly reason: Phrase;
	readonly limit?: number;
}

export interface Collected {
	readonly parts: readonly object[];
	readonly names: readonly string[];
	readonly problems: readonly Problem[];
}

/** @param signal what is not fetched by then is not sent, and the user is told */
export async function collect(
	attachments: readonly Attachment[],
	channel: ChannelName,
	secret: SecretFields,
	signal: AbortSignal,
): Promise<Collected> {
	const parts: object[] = [];
	const names: string[] = [];
	const problems: Problem[] = [];
	const either = AbortSignal.any([signal, AbortSignal.timeout(MAX_FETCH_MS)]);
	const room = { images: MAX_IMAGES, bytes: MAX_TOTAL_BYTES };
	for (const attachment of attachments) {
		const { name } = attachment;
		const read = await readOne(attachment, channel, { secret, room, signal: either });
		if ("reason" in read) {
			problems.push({ name, ...read });
			continue;
		}
		parts.push(read.part);
		names.push(name);
		room.bytes -= read.bytes;
		if (attachment.kind === "image") room.images--;
	}
	return { parts, names, problems };
}

type Read = { readonly part: object; readonly bytes: number } | Omit<Problem, "name">;

async function readOne(
	attachment: Attachment,
	channel: ChannelName,
	{
		secret,
		room,
		signal,
	}: {
		readonly secret: SecretFields;
		readonly room: { readonly images: number; readonly bytes: number };
		readonly signal: AbortSignal;
	},
): Promise<Read> {
	const { kind, name, bytes = 0 } = attachment;
	const isImage = kind === "image";
	if (!isImage && extname(name).toLowerCase() === ".pdf") return { reason: "pdf" };
	if (isImage && room.images === 0) return { reason: "many", limit: MAX_IMAGES };
	const maxBytes = Math.min(isImage ? MAX_IMAGE_BYTES : MAX_FILE_BYTES, room.bytes);
	const tooLarge = { reason: "large", limit: Math.floor(maxBytes / MIB) } as const;
	if (bytes > maxBytes) return tooLarge;
	let content: Buffer;
	try {
		content = await OUTBOUND[channel].download(attachment, maxBytes, secret, signal);
	} catch (error) {
		if (error instanceof ChannelFailure && error.kind === "large") return tooLarge;
		logger.warn("worker.attachment-not-fetched", { channel, error });
		return { reason: "download" };
	}
	return isImage ? imageOf(content) : fileOf(name, content);
}

function imageOf(content: Buffer): Read {
	const type = imageType(content);
	if (type === undefined) return { reason: "type" };
	const url = `data:image/${type};base64,${content.toString("base64")}`;
	return { part: { type: "image_url", image_url: { url } }, bytes: content.length };
}

/** By its first bytes, because channels tell the type differently or not at all. */
function imageType(content: Buffer): string | undefined {
	const head = content.toString("latin1", 0, 16);
	if (head.startsWith("\x89PNG\r\n\x1a\n")) return "png";
	if (head.startsWith("\xff\xd8\xff")) return "jpeg";
	if (/^GIF8[79]a/.test(head)) return "gif";
	if (/^RIFF.{4}WEBP/s.test(head)) return "webp";
	return /^.{4}ftyp(?:heic|heix|mif1|msf1|heif)/s.test(head) ? "heic" : undefined;
}

function fileOf(name: string, content: Buffer): Read {
	const isNamedText = TEXT.has(extname(name).toLowerCase());
	let text: string;
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(content);
	} catch {
		return { reason: isNamedText ? "binary" : "type" };
	}
	if (text.includes("\0")) return { reason: "type" };
	if (text.length > MAX_FILE_CHARS) return { reason: "long", limit: MAX_FILE_CHARS };
	const data = `data:text/plain;base64,${content.toString("base64")}`;
	const file = { filename: name, file_data: data };
	return { part: { type: "file", file }, bytes: content.length };
}
