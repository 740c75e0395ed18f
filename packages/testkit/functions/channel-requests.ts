/** Requests as the channels send them. */
import { createCipheriv, createHash, createHmac, randomBytes, randomUUID } from "node:crypto";

export interface WebhookRequest {
	readonly path: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

export const SECRETS = {
	slack: { signing_secret: "8f742231b10e8888abcd99yyyzzz85a5", bot_token: "xoxb-slack-bot-token" },
	telegram: { secret_token: "telegram-secret-token-1", bot_token: "4711:AAtelegram-bot-token" },
	feishu: {
		app_id: "cli_a1",
		app_secret: "feishu-app-secret",
		encrypt_key: "feishu-encrypt-key",
		verification_token: "feishu-token",
	},
};

export interface Said {
	readonly text?: string;
	readonly eventId?: string;
	/** Seconds from now. */
	readonly skewS?: number;
	readonly secret?: string;
	/** Changes the event. */
	readonly change?: Readonly<Record<string, unknown>>;
}

export function slackBody(
	body: object,
	{ skewS = 0, secret = SECRETS.slack.signing_secret }: Said = {},
): WebhookRequest {
	return slackText(JSON.stringify(body), { skewS, secret });
}

export function slackText(
	body: string,
	{ skewS = 0, secret = SECRETS.slack.signing_secret }: Said = {},
): WebhookRequest {
	const timestamp = String(nowS() + skewS);
	const signature = `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:${body}`).digest("hex")}`;
	return {
		path: "/webhook/slack",
		headers: { "x-slack-request-timestamp": timestamp, "x-slack-signature": signature },
		body,
	};
}

export function slackMessage(said: Said = {}): WebhookRequest {
	const { text = "hello", eventId = `Ev${randomUUID()}`, change } = said;
	const event = {
		type: "message",
		channel_type: "im",
		user: "U01",
		channel: "D01",
		text,
		ts: "1764000000.000100",
		...change,
	};
	return slackBody({ type: "event_callback", team_id: "T01", event_id: eventId, event }, said);
}

let updateId = 1_000;

export function telegramMessage({
	text = "hello",
	eventId,
	skewS = 0,
	secret,
	change,
}: Said = {}): WebhookRequest {
	updateId++;
	const from = { id: 4711, is_bot: false, first_name: "Anna", language_code: "en" };
	const message = {
		message_id: updateId,
		date: nowS() + skewS,
		chat: { id: 4711, type: "private" },
		from,
		text,
		...change,
	};
	return {
		path: "/webhook/telegram",
		headers: { "x-telegram-bot-api-secret-token": secret ?? SECRETS.telegram.secret_token },
		body: JSON.stringify({
			update_id: eventId === undefined ? updateId : Number(eventId),
			message,
		}),
	};
}

/** Encrypted, and signed by default. */
export function feishuBody(
	event: object,
	{ skewS = 0, secret = SECRETS.feishu.encrypt_key }: Said = {},
	isSigned = true,
): WebhookRequest {
	const iv = randomBytes(16);
	const cipher = createCipheriv("aes-256-cbc", createHash("sha256").update(secret).digest(), iv);
	const encrypt = Buffer.concat([
		iv,
		cipher.update(JSON.stringify(event), "utf8"),
		cipher.final(),
	]).toString("base64");
	const body = JSON.stringify({ encrypt });
	const [timestamp, nonce] = [String(nowS() + skewS), randomUUID()];
	const signature = createHash("sha256")
		.update(`${timestamp}${nonce}${secret}${body}`)
		.digest("hex");
	const signed = {
		"x-lark-request-timestamp": timestamp,
		"x-lark-request-nonce": nonce,
		"x-lark-signature": signature,
	};
	return { path: "/webhook/feishu", headers: isSigned ? signed : {}, body };
}

/** @param said.eventId names the message; each event about it has an id of its own */
export function feishuEvent({ text = "hello", eventId = randomUUID(), change }: Said = {}): object {
	const { verification_token: token, app_id } = SECRETS.feishu;
	const header = {
		event_id: randomUUID(),
		event_type: "im.message.receive_v1",
		create_time: String(nowS() * 1_000),
		token,
		app_id,
	};
	const sender = {
		sender_id: { open_id: "ou_anna", union_id: "on_1" },
		sender_type: "user",
		tenant_key: "t",
	};
	const message = {
		message_id: `om_${eventId}`,
		chat_id: "oc_1",
		chat_type: "p2p",
		message_type: "text",
		content: JSON.stringify({ text }),
		...change,
	};
	return { schema: "2.0", header, event: { sender, message } };
}

export function feishuMessage(said: Said = {}): WebhookRequest {
	return feishuBody(feishuEvent(said), said);
}

function nowS(): number {
	return Math.floor(Date.now() / 1_000);
}
