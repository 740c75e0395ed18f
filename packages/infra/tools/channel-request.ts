/** A message as the channel itself would send it, signed with the stored secret. */
import { createCipheriv, createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { feishuUrl, tenantToken } from "../lambda/channels/feishu-token.ts";
import type { Channel } from "../lib/settings/config.ts";
import type { SecretFields } from "./channel-setup.ts";
import { ToolError } from "./tool-error.ts";

export interface ChannelRequest {
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

type Sign = (
	/** Without the channel's name. */
	sender: string,
	text: string,
	secret: SecretFields,
) => Promise<ChannelRequest> | ChannelRequest;

/** @param sender as in the table of users: its channel gets the answer */
export async function requestAs(
	channel: Channel,
	sender: string,
	text: string,
	secret: SecretFields,
): Promise<ChannelRequest> {
	return await SIGNERS[channel](sender.slice(channel.length + 1), text, secret);
}

const SIGNERS: Readonly<Record<Channel, Sign>> = {
	telegram(id, text, { secret_token = "" }) {
		const user = Number(id);
		// Telegram's own ids are positive, so this one never hides a real message.
		const unique = -(Date.now() * 1_000 + (randomBytes(2).readUInt16BE() % 1_000));
		const message = {
			message_id: unique,
			date: nowS(),
			chat: { id: user, type: "private" },
			from: { id: user, is_bot: false, first_name: "Smoke test" },
			text,
		};
		return {
			headers: { "x-telegram-bot-api-secret-token": secret_token },
			body: JSON.stringify({ update_id: unique, message }),
		};
	},

	slack(id, text, { signing_secret = "" }) {
		const [team, user] = id.split(".");
		const event = {
			type: "message",
			channel_type: "im",
			user,
			// `chat.postMessage` takes a member's id for their direct messages.
			channel: user,
			text,
			ts: (Date.now() / 1_000).toFixed(6),
		};
		const body = JSON.stringify({
			type: "event_callback",
			team_id: team,
			event_id: `Ev${randomUUID()}`,
			event,
		});
		const timestamp = String(nowS());
		const hmac = createHmac("sha256", signing_secret).update(`v0:${timestamp}:${body}`);
		return {
			headers: {
				"x-slack-request-timestamp": timestamp,
				"x-slack-signature": `v0=${hmac.digest("hex")}`,
			},
			body,
		};
	},

	async feishu(id, text, secret) {
		const { encrypt_key = "", verification_token: token, app_id } = secret;
		const message_id = await announce(id, secret);
		const plain = {
			schema: "2.0",
			header: {
				event_id: randomUUID(),
				event_type: "im.message.receive_v1",
				create_time: String(Date.now()),
				token,
				app_id,
			},
			event: {
				sender: { sender_id: { open_id: id }, sender_type: "user" },
				message: {
					message_id,
					create_time: String(Date.now()),
					chat_type: "p2p",
					message_type: "text",
					content: JSON.stringify({ text }),
				},
			},
		};
		const iv = randomBytes(16);
		const key = createHash("sha256").update(encrypt_key).digest();
		const cipher = createCipheriv("aes-256-cbc", key, iv);
		const encrypted = Buffer.concat([iv, cipher.update(JSON.stringify(plain)), cipher.final()]);
		const body = JSON.stringify({ encrypt: encrypted.toString("base64") });
		const [timestamp, nonce] = [String(nowS()), randomUUID()];
		const signature = createHash("sha256")
			.update(`${timestamp}${nonce}${encrypt_key}${body}`)
			.digest("hex");
		return {
			headers: {
				"x-lark-request-timestamp": timestamp,
				"x-lark-request-nonce": nonce,
				"x-lark-signature": signature,
			},
			body,
		};
	},
};

/** Feishu answers a message by its id, so the bot sends one first. @throws ToolError */
async function announce(openId: string, secret: SecretFields): Promise<string> {
	const response = await fetch(`${feishuUrl()}/open-apis/im/v1/messages?receive_id_type=open_id`, {
		method: "POST",
		headers: {
			"content-type": "application/json",
			authorization: `Bearer ${await tenantToken(secret)}`,
		},
		body: JSON.stringify({
			receive_id: openId,
			msg_type: "text",
			content: JSON.stringify({ text: "Smoke test: your agent answers this message." }),
		}),
		signal: AbortSignal.timeout(10_000),
	});
	const { code, msg, data } = (await response.json()) as {
		readonly code?: number;
		readonly msg?: string;
		readonly data?: { readonly message_id?: string };
	};
	if (data?.message_id !== undefined) return data.message_id;
	throw new ToolError(
		"SMOKE_FAILED",
		`Feishu did not take a message of the bot: code ${code}: ${msg}`,
		"check the app's id, secret and permissions, and that the person can see the app",
	);
}

function nowS(): number {
	return Math.floor(Date.now() / 1_000);
}
