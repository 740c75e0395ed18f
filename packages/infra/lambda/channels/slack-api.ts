/** Calls to Slack's Web API: https://docs.slack.dev/reference/methods */

import { plainText } from "../format/rich-text.ts";
import { slackBlocks } from "../format/slack-blocks.ts";
import { isRecord } from "../shared/environment.ts";
import type { Attachment } from "../shared/message.ts";
import { type Answer, type CallOptions, ChannelFailure, call, download } from "./call.ts";
import {
	field,
	type Outbound,
	type ProgressSign,
	type ReplyPart,
	type ReplyTo,
	type SecretFields,
} from "./channel.ts";

const BLOCKS_REFUSED = new Set(["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"]);
const WAITING = "eyes";

/** @throws ChannelFailure */
export async function callSlack(
	method: string,
	body: object,
	secret: SecretFields,
): Promise<Answer> {
	return checked(method, await ask(method, body, secret));
}

async function send({ spans, replyTo }: ReplyPart, secret: SecretFields): Promise<void> {
	const { channel, thread } = replyTo;
	const message = {
		channel,
		// Slack shows it in notifications, and reads three characters in it.
		text: escaped(plainText(spans)),
		...(thread !== undefined && { thread_ts: thread }),
		unfurl_links: false,
		unfurl_media: false,
	};
	const blocks = slackBlocks(spans);
	const answer = await ask("chat.postMessage", { ...message, blocks }, secret);
	if (!BLOCKS_REFUSED.has(String(answer.error))) return void checked("chat.postMessage", answer);
	await callSlack("chat.postMessage", { ...message, mrkdwn: false }, secret);
}

/**
 * The status of an assistant's thread, which the answer ends and Slack removes after 2 minutes. In
 * any other conversation, and without the scope for it, a reaction to the message. Without the scope
 * `reactions:write` there is no sign.
 */
const progress: ProgressSign = {
	everyMs: 100_000,

	async show({ channel, thread, ts }, secret, signal) {
		if (thread !== undefined) {
			const status = { channel_id: channel, thread_ts: thread, status: "is working on it…" };
			const answer = await ask("assistant.threads.setStatus", status, secret, { signal });
			if (answer.ok === true) return undefined;
		}
		const reaction = { channel, timestamp: ts, name: WAITING };
		const { ok, error } = await ask("reactions.add", reaction, secret, { signal });
		return ok === true || error === "already_reacted" ? WAITING : undefined;
	},

	async remove(name, { channel, ts }, secret, signal) {
		const reaction = { channel, timestamp: ts, name };
		const answer = await ask("reactions.remove", reaction, secret, { signal });
		if (answer.error !== "no_reaction") checked("reactions.remove", answer);
	},
};

/** Needs the scope `users:read`. */
async function languageOf(
	{ user = "" }: ReplyTo,
	secret: SecretFields,
	signal: AbortSignal,
): Promise<string | undefined> {
	const query = new URLSearchParams({ user, include_locale: "true" });
	// It takes no JSON.
	const answer = await ask(`users.info?${query}`, {}, secret, { method: "GET", signal });
	const locale = isRecord(answer.user) ? answer.user.locale : undefined;
	return typeof locale === "string" ? locale : undefined;
}

/** Needs the scope `files:read`. */
async function fetchFile(
	{ ref }: Attachment,
	maxBytes: number,
	secret: SecretFields,
	signal: AbortSignal,
): Promise<Buffer> {
	const url = URL.parse(ref.url ?? "");
	// The token must reach nobody else, and no method of the API: a person may name any URL.
	if (url?.origin !== filesOrigin())
		throw new ChannelFailure("slack file", "it is not stored by Slack");
	const headers = authorization(secret);
	return await download("slack file", url.href, { maxBytes, signal, headers, mayBeLogin: true });
}

export const slackOutbound: Outbound = {
	/** Slack takes about 13,000 in blocks; readers prefer less. */
	maxPartLength: 4_000,
	send,
	download: fetchFile,
	progress,
	languageOf,
};

async function ask(
	method: string,
	body: object,
	secret: SecretFields,
	options: CallOptions = {},
): Promise<Answer> {
	const headers = authorization(secret);
	const [name = method] = method.split("?");
	return await call(`slack ${name}`, `${apiUrl()}/${method}`, body, { ...options, headers });
}

function checked(method: string, answer: Answer): Answer {
	if (answer.ok !== true)
		throw new ChannelFailure(`slack ${method}`, String(answer.error ?? "not ok"), "refused");
	return answer;
}

function authorization(secret: SecretFields): { readonly authorization: string } {
	return { authorization: `Bearer ${field(secret, "bot_token")}` };
}

function apiUrl(): string {
	return process.env.SLACK_API_URL ?? "https://slack.com/api";
}

/** Tests have files and API on one server. */
function filesOrigin(): string {
	return new URL(process.env.SLACK_API_URL ?? "https://files.slack.com").origin;
}

function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
