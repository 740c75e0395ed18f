/** Calls to Telegram's Bot API: https://core.telegram.org/bots/api */

import { plainText } from "../format/rich-text.ts";
import { telegramHtml } from "../format/telegram-html.ts";
import { isRecord } from "../shared/environment.ts";
import type { Attachment } from "../shared/message.ts";
import { type Answer, ChannelFailure, call, download } from "./call.ts";
import {
	field,
	type Outbound,
	type ReplyPart,
	type ReplyTo,
	type SecretFields,
} from "./channel.ts";

export const telegramOutbound: Outbound = {
	maxPartLength: 4_096,
	send,
	download: fetchFile,
	// "Typing" lasts 5 s, or until a message of the bot.
	progress: { everyMs: 4_000, show: showTyping },
};

/** @throws ChannelFailure */
export async function callTelegram(
	method: string,
	body: object,
	secret: SecretFields,
	signal?: AbortSignal,
): Promise<unknown> {
	return resultOf(method, await ask(method, body, secret, signal));
}

/** A message that Telegram cannot read as HTML is sent as plain text: 400 says that nothing was sent. */
async function send({ spans, replyTo }: ReplyPart, secret: SecretFields): Promise<void> {
	const to = { ...chatOf(replyTo), link_preview_options: { is_disabled: true } };
	const html = { ...to, text: telegramHtml(spans), parse_mode: "HTML" };
	const answer = await ask("sendMessage", html, secret);
	if (answer.ok === true || answer.error_code !== 400) return void resultOf("sendMessage", answer);
	await callTelegram("sendMessage", { ...to, text: plainText(spans) }, secret);
}

async function showTyping(
	replyTo: ReplyTo,
	secret: SecretFields,
	signal: AbortSignal,
): Promise<undefined> {
	const body = { ...chatOf(replyTo), action: "typing" };
	await callTelegram("sendChatAction", body, secret, signal);
}

async function fetchFile(
	{ ref }: Attachment,
	maxBytes: number,
	secret: SecretFields,
	signal: AbortSignal,
): Promise<Buffer> {
	const file = await callTelegram("getFile", { file_id: ref.file }, secret, signal);
	const path = isRecord(file) ? file.file_path : undefined;
	if (typeof path !== "string" || path.split("/").includes(".."))
		throw new ChannelFailure("telegram getFile", "no file");
	const url = `${apiUrl()}/file/bot${field(secret, "bot_token")}/${path}`;
	return await download("telegram file", url, { maxBytes, signal });
}

async function ask(
	method: string,
	body: object,
	secret: SecretFields,
	signal?: AbortSignal,
): Promise<Answer> {
	const url = `${apiUrl()}/bot${field(secret, "bot_token")}/${method}`;
	return await call(`telegram ${method}`, url, body, { signal });
}

function resultOf(method: string, { ok, result, description, error_code: code }: Answer): unknown {
	if (ok === true) return result;
	// 403: the person blocked the bot.
	const kind = Number(code) >= 400 && Number(code) < 500 ? "refused" : undefined;
	throw new ChannelFailure(`telegram ${method}`, String(description ?? "not ok"), kind);
}

function chatOf({ chat, topic }: ReplyTo): object {
	return { chat_id: chat, ...(topic !== undefined && { message_thread_id: Number(topic) }) };
}

function apiUrl(): string {
	return process.env.TELEGRAM_API_URL ?? "https://api.telegram.org";
}
