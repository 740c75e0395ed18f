/**
 * Creates Telegram's `secret_token` and sets it at Telegram. A new bot token comes from BotFather,
 * and an operator stages it.
 *
 * Environment: `WEBHOOK_URL`, to which Telegram sends updates; `PROBE_KEY`, with which WAF lets this
 * function reach it. The webhook handler accepts both secrets during the change.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { field, type SecretFields } from "../channels/channel.ts";
import { UPDATES } from "../channels/telegram.ts";
import { callTelegram } from "../channels/telegram-api.ts";
import { isRecord, required } from "../shared/environment.ts";
import { has, type Replacement, RotationFailure, type Strategy } from "./strategy.ts";

/** Random bytes of a secret. Telegram accepts up to 256 characters of `A-Z a-z 0-9 _ -`. */
const TOKEN_BYTES = 32;
/** The webhook handler looks for the next secret at most every 10 s. */
const PROBES = 4;
const PROBE_PAUSE_MS = 4_000;

export const telegram: Strategy = {
	fields: ["bot_token", "secret_token"],
	generated: "secret_token",

	propose(current, staged) {
		const next = { ...current, ...staged };
		if (!has(next, "bot_token")) return current;
		if (has(current, "bot_token") && botOf(next) !== botOf(current))
			throw new RotationFailure("STAGED_REFUSED", "the bot token belongs to another bot");
		return { ...next, secret_token: randomBytes(TOKEN_BYTES).toString("base64url") };
	},

	apply: async ({ next }) => await setWebhook(next),
	revert,

	async test({ next }, isApplied) {
		await callTelegram("getMe", {}, next);
		if (!isApplied) return;
		const info = await callTelegram("getWebhookInfo", {}, next);
		if (!isRecord(info) || info.url !== required("WEBHOOK_URL"))
			throw new RotationFailure("NOT_PROVED", "Telegram has another webhook");
		await knock(field(next, "secret_token"));
	},
};

/** Before the first rotation there is no webhook to go back to. */
async function revert({ current, next }: Replacement): Promise<void> {
	if (has(current, "secret_token") && has(current, "bot_token")) return await setWebhook(current);
	await callTelegram("deleteWebhook", {}, has(current, "bot_token") ? current : next);
}

async function setWebhook(secret: SecretFields): Promise<void> {
	const body = {
		url: required("WEBHOOK_URL"),
		secret_token: field(secret, "secret_token"),
		allowed_updates: UPDATES,
	};
	await callTelegram("setWebhook", body, secret);
}

/** Sends an empty update, as Telegram will. @throws RotationFailure */
async function knock(secretToken: string): Promise<void> {
	let status = 0;
	for (let probe = 1; probe <= PROBES; probe++) {
		const headers = {
			"content-type": "application/json",
			"x-telegram-bot-api-secret-token": secretToken,
			// WAF opens this path only to Telegram's addresses, and to this.
			"x-openclaw-probe": process.env.PROBE_KEY ?? "",
		};
		const response = await fetch(required("WEBHOOK_URL"), {
			method: "POST",
			headers,
			body: JSON.stringify({ update_id: 0 }),
			redirect: "error",
			signal: AbortSignal.timeout(10_000),
		});
		await response.body?.cancel();
		status = response.status;
		if (status === 200) return;
		if (status !== 401) break;
		if (probe < PROBES) await wait(PROBE_PAUSE_MS);
	}
	throw new RotationFailure("WEBHOOK_FAILED", `the webhook answers ${status} to the new secret`);
}

/** `4711:AAH…` belongs to bot 4711. */
function botOf(secret: SecretFields): string | undefined {
	return field(secret, "bot_token").split(":")[0];
}
