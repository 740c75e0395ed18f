/**
 * Telegram's Bot API. Every update carries the secret that `setWebhook` set, so anyone who reads
 * one request can forge others. TLS is therefore part of the proof. Updates are not signed one by
 * one; `update_id` identifies a repeated one.
 *
 * The secret has `bot_token` and `secret_token`.
 */

import { isRecord } from "../environment.ts";
import { type Delivery, jsonObjectOf } from "../webhook/delivery.ts";
import { isSame } from "../webhook/proofs.ts";
import { Refusal } from "../webhook/refusal.ts";
import { ChannelFailure, call } from "./call.ts";
import { type Channel, type Content, field, ignored, type SecretFields } from "./channel.ts";

/**
 * Telegram keeps undelivered updates for 24 hours. A narrower window would lose messages written
 * during an outage.
 */
const MAX_AGE_S = 86_400;
const MAX_AHEAD_S = 300;

export const telegram: Channel = {
	provedWith: ["secret_token"],
	maxPartLength: 4_096,

	open(delivery, secret) {
		const given = delivery.header("x-telegram-bot-api-secret-token");
		if (given === undefined || !isSame(given, field(secret, "secret_token")))
			throw new Refusal("SIGNATURE_INVALID");
		return { content: read(jsonObjectOf(delivery.body), delivery), proof: undefined };
	},

	async send({ text, replyTo }, secret) {
		await callTelegram(
			"sendMessage",
			{ chat_id: replyTo.chat, text, link_preview_options: { is_disabled: true } },
			secret,
		);
	},
};

/** @throws ChannelFailure */
export async function callTelegram(
	method: string,
	body: object,
	secret: SecretFields,
): Promise<unknown> {
	const url = `${process.env.TELEGRAM_API_URL ?? "https://api.telegram.org"}/bot${field(secret, "bot_token")}/${method}`;
	const answer = await call(`telegram ${method}`, url, body);
	if (answer.ok !== true)
		throw new ChannelFailure(`telegram ${method}`, String(answer.description ?? "not ok"));
	return answer.result;
}

function read(
	{ update_id: updateId, message }: Readonly<Record<string, unknown>>,
	{ nowMs }: Delivery,
): Content {
	if (!isRecord(message)) return ignored("no new message");
	const { chat, from, date } = message;
	if (!isRecord(chat) || chat.type !== "private")
		return ignored("not in a one-to-one chat with the bot");
	if (!isRecord(from) || from.is_bot === true) return ignored("not written by a person");
	if (
		!Number.isSafeInteger(updateId) ||
		!Number.isSafeInteger(from.id) ||
		!Number.isSafeInteger(chat.id)
	)
		throw new Refusal("REQUEST_INVALID", "ids are missing");
	if (
		typeof date !== "number" ||
		date * 1_000 > nowMs + MAX_AHEAD_S * 1_000 ||
		date * 1_000 < nowMs - MAX_AGE_S * 1_000
	)
		throw new Refusal("TIMESTAMP_INVALID", "Telegram delivers within 24 hours");
	const text = [message.text, message.caption].find(
		(one) => typeof one === "string" && one !== "",
	) as string | undefined;
	return {
		kind: "message",
		message: {
			eventId: String(updateId),
			sender: `telegram.${from.id}`,
			text,
			replyTo: { chat: String(chat.id) },
		},
	};
}
