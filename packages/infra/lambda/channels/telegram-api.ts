/** Calls to Telegram's Bot API: https://core.telegram.org/bots/api */
import { isRecord } from "../environment.ts";
import { plainText } from "../format/rich-text.ts";
import { telegramHtml } from "../format/telegram-html.ts";
import type { Attachment } from "../message.ts";
import { type Answer, ChannelFailure, call, download } from "./call.ts";
import {
	field,
	type ProgressSign,
	type ReplyPart,
	type ReplyTo,
	type SecretFields,
} from "./channel.ts";

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
export async function sendTelegram(
	{ spans, replyTo }: ReplyPart,
	secret: SecretFields,
): Promise<void> {
	const to = { ...chatOf(replyTo), link_preview_options: { is_disabled: true } };
	const html = { ...to, text: telegramHtml(spans), parse_mode: "HTML" };
	const answer = await ask("sendMessage", html, secret);
	if (answer.ok === true || answer.error_code !== 400) return void resultOf("sendMessage", answer);
	await callTelegram("sendMessage", { ...to, text: plainText(spans) }, secret);
}

/** "Typing" lasts 5 s, or until a message of the bot. */
export const telegramProgress: ProgressSign = {
	everyMs: 4_000,
	async show(replyTo, secret, signal) {
		const body = { ...chatOf(replyTo), action: "typing" };
		await callTelegram("sendChatAction", body, secret, signal);
		return undefined;
	},
};

export async function downloadTelegram(
	{ ref }: Attachment,
	maxBytes: number,
	secret: SecretFields,
): Promise<Buffer> {
	const file = await callTelegram("getFile", { file_id: ref.file }, secret);
	const path = isRecord(file) ? file.file_path : undefined;
	if (typeof path !== "string" || path.split("/").includes(".."))
		throw new ChannelFailure("telegram getFile", "no file");
	const url = `${apiUrl()}/file/bot${field(secret, "bot_token")}/${path}`;
	return await download("telegram file", url, maxBytes);
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

function resultOf(method: string, answer: Answer): unknown {
	if (answer.ok !== true)
		throw new ChannelFailure(`telegram ${method}`, String(answer.description ?? "not ok"));
	return answer.result;
}

function chatOf({ chat, topic }: ReplyTo): object {
	return { chat_id: chat, ...(topic !== undefined && { message_thread_id: Number(topic) }) };
}

function apiUrl(): string {
	return process.env.TELEGRAM_API_URL ?? "https://api.telegram.org";
}
