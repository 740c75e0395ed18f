/**
 * Simulates the APIs of Slack, Telegram and Feishu: checks what they check, records calls, and fails
 * on request.
 */
import { readFeishuPost, readSlackBlocks, readTelegramHtml } from "./channel-formats.ts";
import { type LocalRequest, type LocalResponse, LocalServer } from "./local-server.ts";

export interface ChannelCall {
	readonly method: string;
	readonly path: string;
	readonly authorization: string | undefined;
	readonly body: Json;
	readonly atMs: number;
}

interface Planned {
	readonly status: number;
	readonly body: object;
	readonly headers?: Record<string, string>;
}

type Json = Readonly<Record<string, unknown>>;

export class FakeChannel implements AsyncDisposable {
	readonly calls: ChannelCall[] = [];
	/** Responses that replace the usual ones, in order, for calls whose path contains the key. */
	readonly answers = new Map<string, Planned[]>();
	/** Calls whose path ends so are answered only after this. */
	readonly held = new Map<string, Promise<void>>();
	/** The app secrets that Feishu accepts. */
	readonly feishuSecrets = new Set(["feishu-app-secret"]);
	/** The scopes of Slack's bot token. */
	readonly slackScopes = new Set(["chat:write", "reactions:write", "users:read", "files:read"]);
	/** The threads of Slack that belong to an assistant. */
	readonly assistantThreads = new Set<string>();
	slackLocale = "en-US";
	/** Files by the end of their path. */
	readonly files = new Map<string, Buffer>();
	/** The reactions that are shown, by channel and message. */
	readonly reactions = new Set<string>();
	/** The last value that `setWebhook` set. */
	telegramWebhook: Json = {};
	url = "";
	#server: LocalServer | undefined;

	/** Points the handlers at this server. */
	static async start(): Promise<FakeChannel> {
		const fake = new FakeChannel();
		fake.#server = await LocalServer.start((request) => fake.#respond(request));
		const { url } = fake.#server;
		fake.url = url;
		Object.assign(process.env, {
			SLACK_API_URL: `${url}/slack`,
			TELEGRAM_API_URL: `${url}/telegram`,
			FEISHU_API_URL: `${url}/feishu`,
		});
		return fake;
	}

	/** The messages that were posted, as a person reads them, with their recipients. */
	get messages(): readonly { readonly to: string; readonly text: string }[] {
		return this.calls.flatMap(({ path, body }) => {
			if (path === "/slack/chat.postMessage")
				return [{ to: String(body.channel), text: slackText(body) }];
			if (path.endsWith("/sendMessage"))
				return [{ to: String(body.chat_id), text: telegramText(body) }];
			const replied = /\/messages\/(.+)\/reply$/.exec(path)?.[1];
			return replied === undefined ? [] : [{ to: replied, text: feishuText(body) }];
		});
	}

	async #respond({ method, path, headers, body }: LocalRequest): Promise<LocalResponse> {
		const { authorization } = headers;
		const isJson = String(headers["content-type"]).startsWith("application/json");
		const call: ChannelCall = {
			method,
			path,
			authorization,
			body: isJson ? JSON.parse(body.toString()) : {},
			atMs: Date.now(),
		};
		this.calls.push(call);
		await [...this.held].find(([end]) => path.endsWith(end))?.[1];
		const planned = [...this.answers]
			.find(([part, answers]) => path.includes(part) && answers.length > 0)?.[1]
			.shift();
		if (planned !== undefined) return jsonOf(planned);
		const file = [...this.files].find(([end]) => path.split("?")[0]!.endsWith(`/${end}`));
		if (method === "GET" && file !== undefined) return this.#file(call, file[1]);
		if (path.startsWith("/slack/")) return jsonOf({ status: 200, body: this.#slack(call) });
		if (path.startsWith("/telegram/")) return this.#telegram(call);
		return jsonOf({ status: 200, body: this.#feishu(call) });
	}

	#file({ path, authorization }: ChannelCall, content: Buffer): LocalResponse {
		const isSlack = path.startsWith("/slack/");
		if (
			isSlack &&
			!(authorization?.startsWith("Bearer xoxb-") && this.slackScopes.has("files:read"))
		)
			return {
				status: 200,
				headers: { "content-type": "text/html; charset=utf-8" },
				body: "<!DOCTYPE html><title>Sign in</title>",
			};
		if (path.startsWith("/feishu/") && authorization !== "Bearer t-1")
			return { status: 401, body: "" };
		return { status: 200, headers: { "content-type": "application/octet-stream" }, body: content };
	}

	#telegram({ path, body }: ChannelCall): LocalResponse {
		const method = path.split("/").at(-1);
		const result = (value: object | true) =>
			jsonOf({ status: 200, body: { ok: true, result: value } });
		const refused = (description: string) =>
			jsonOf({
				status: 400,
				body: { ok: false, error_code: 400, description: `Bad Request: ${description}` },
			});
		switch (method) {
			case "setWebhook":
				this.telegramWebhook = body;
				return result(true);
			case "deleteWebhook":
				this.telegramWebhook = {};
				return result(true);
			case "getWebhookInfo":
				return result({ url: this.telegramWebhook.url ?? "" });
			case "getFile":
				return result({ file_id: body.file_id, file_path: `documents/${body.file_id}` });
			case "sendChatAction":
				if (typeof body.chat_id !== "string") return refused("chat not found");
				return body.action === "typing" ? result(true) : refused("wrong parameter action");
			case "sendMessage":
				try {
					const text = telegramText(body);
					if (text.trim() === "") return refused("message text is empty");
					if (text.length > 4_096) return refused("message is too long");
					return typeof body.chat_id === "string" ? result({}) : refused("chat not found");
				} catch (error) {
					return refused((error as Error).message);
				}
			default:
				return result({});
		}
	}

	#slack({ method, path, authorization, body }: ChannelCall): object {
		const [name, query] = path.slice("/slack/".length).split("?");
		if (!authorization?.startsWith("Bearer xoxb-")) return { ok: false, error: "not_authed" };
		const needed = {
			"chat.postMessage": "chat:write",
			"assistant.threads.setStatus": "chat:write",
			"reactions.add": "reactions:write",
			"reactions.remove": "reactions:write",
			"users.info": "users:read",
		}[name as string];
		if (needed !== undefined && !this.slackScopes.has(needed))
			return { ok: false, error: "missing_scope", needed };
		const reaction = `slack ${body.channel} ${body.timestamp} ${body.name}`;
		switch (name) {
			case "chat.postMessage":
				try {
					if (slackText(body).trim() === "") return { ok: false, error: "no_text" };
				} catch {
					return { ok: false, error: "invalid_blocks" };
				}
				return body.channel === undefined ? { ok: false, error: "channel_not_found" } : OK;
			case "assistant.threads.setStatus":
				if (!this.assistantThreads.has(String(body.thread_ts)))
					return { ok: false, error: "invalid_thread_ts" };
				return typeof body.status === "string" ? OK : { ok: false, error: "invalid_arguments" };
			case "reactions.add":
				if (typeof body.timestamp !== "string") return { ok: false, error: "message_not_found" };
				if (this.reactions.has(reaction)) return { ok: false, error: "already_reacted" };
				this.reactions.add(reaction);
				return OK;
			case "reactions.remove":
				return this.reactions.delete(reaction) ? OK : { ok: false, error: "no_reaction" };
			case "users.info":
				if (method !== "GET") return { ok: false, error: "user_not_found" };
				return query?.includes("include_locale=true") && query.includes("user=U")
					? { ok: true, user: { id: "U01", locale: this.slackLocale } }
					: { ok: true, user: { id: "U01" } };
			default:
				return { ok: true, team_id: "T01" };
		}
	}

	#feishu({ method, path, authorization, body }: ChannelCall): object {
		if (path.endsWith("/tenant_access_token/internal"))
			return this.feishuSecrets.has(String(body.app_secret))
				? { code: 0, msg: "ok", tenant_access_token: "t-1", expire: 7_200 }
				: { code: 10_014, msg: "app secret invalid" };
		if (authorization !== "Bearer t-1")
			return { code: 99_991_663, msg: "Invalid access token for authorization" };
		if (path.includes("/im/v1/messages?")) return { code: 0, data: { message_id: "om_new" } };
		const [, message, rest = ""] = /\/messages\/([^/]+)\/(.+)$/.exec(path) ?? [];
		if (rest === "reactions") {
			const { emoji_type: emoji } = (body.reaction_type ?? {}) as Json;
			if (emoji !== "Typing") return { code: 231_001, msg: "reaction type is invalid" };
			this.reactions.add(`feishu ${message} ${emoji}`);
			return { code: 0, data: { reaction_id: `r-${message}` } };
		}
		if (method === "DELETE") {
			const isThere = rest === `reactions/r-${message}`;
			if (isThere) this.reactions.delete(`feishu ${message} Typing`);
			return isThere ? { code: 0 } : { code: 231_003, msg: "reaction not found" };
		}
		if (rest !== "reply") return { code: 0, msg: "success" };
		if (String(body.uuid ?? "").length > 50) return { code: 230_001, msg: "invalid uuid" };
		try {
			if (feishuText(body).trim() === "") return { code: 230_001, msg: "empty content" };
		} catch (error) {
			return { code: 230_001, msg: (error as Error).message };
		}
		const limit = body.msg_type === "post" ? 30_000 : 150_000;
		return Buffer.byteLength(JSON.stringify(body)) > limit
			? { code: 230_025, msg: "the length of the message content reaches its limit" }
			: { code: 0, msg: "success" };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}

const OK = { ok: true };

function jsonOf({ status, body, headers }: Planned): LocalResponse {
	return {
		status,
		headers: { "content-type": "application/json", ...headers },
		body: JSON.stringify(body),
	};
}

/** Each throws an Error for a format that its channel refuses. */
function telegramText({ text, parse_mode: mode }: Json): string {
	return mode === "HTML" ? readTelegramHtml(String(text)).text : String(text ?? "");
}

function slackText({ blocks, text = "" }: Json): string {
	if (blocks !== undefined) return readSlackBlocks(blocks).text;
	return String(text).replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function feishuText({ msg_type: type, content }: Json): string {
	const value = JSON.parse(String(content));
	if (type === "text") return String(value.text ?? "");
	if (type !== "post") throw new Error(`unknown msg_type ${type}`);
	return readFeishuPost(value).text;
}
