/** Simulates the APIs of Slack, Telegram and Feishu: records messages, and fails on request. */
import { LocalServer } from "./local-server.ts";

export interface ChannelCall {
	readonly path: string;
	readonly authorization: string | undefined;
	readonly body: Readonly<Record<string, unknown>>;
}

export class FakeChannel implements AsyncDisposable {
	readonly calls: ChannelCall[] = [];
	/** Responses that replace the usual ones, in order, for calls whose path contains the key. */
	readonly answers = new Map<
		string,
		{ readonly status: number; readonly body: object; readonly headers?: Record<string, string> }[]
	>();
	/** The app secrets that Feishu accepts. */
	readonly feishuSecrets = new Set(["feishu-app-secret"]);
	/** The last value that `setWebhook` set. */
	telegramWebhook: Readonly<Record<string, unknown>> = {};
	#server: LocalServer | undefined;

	/** Points the handlers at this server. */
	static async start(): Promise<FakeChannel> {
		const fake = new FakeChannel();
		fake.#server = await LocalServer.start(({ path, headers, body }) => {
			const call = {
				path,
				authorization: headers.authorization,
				body: JSON.parse(body.toString()),
			};
			fake.calls.push(call);
			const planned = [...fake.answers]
				.find(([part, answers]) => path.includes(part) && answers.length > 0)?.[1]
				.shift();
			const {
				status,
				body: answer,
				headers: sent,
			} = planned ?? { status: 200, body: fake.#answer(call), headers: {} };
			return {
				status,
				headers: { "content-type": "application/json", ...sent },
				body: JSON.stringify(answer),
			};
		});
		const { url } = fake.#server;
		Object.assign(process.env, {
			SLACK_API_URL: `${url}/slack`,
			TELEGRAM_API_URL: `${url}/telegram`,
			FEISHU_API_URL: `${url}/feishu`,
		});
		return fake;
	}

	/** The texts sent, with their recipients. */
	get messages(): readonly { readonly to: string; readonly text: string }[] {
		return this.calls.flatMap(({ path, body }) => {
			if (path === "/slack/chat.postMessage")
				return [{ to: String(body.channel), text: String(body.markdown_text) }];
			if (path.endsWith("/sendMessage"))
				return [{ to: String(body.chat_id), text: String(body.text) }];
			const replied = /\/messages\/(.+)\/reply$/.exec(path)?.[1];
			return replied === undefined
				? []
				: [{ to: replied, text: JSON.parse(String(body.content)).text as string }];
		});
	}

	#answer({ path, body }: ChannelCall): object {
		if (path.startsWith("/slack/")) return { ok: true, team_id: "T01" };
		if (path.endsWith("/setWebhook")) this.telegramWebhook = body;
		if (path.endsWith("/deleteWebhook")) this.telegramWebhook = {};
		if (path.endsWith("/getWebhookInfo"))
			return { ok: true, result: { url: this.telegramWebhook.url ?? "" } };
		if (path.startsWith("/telegram/")) return { ok: true, result: {} };
		if (!path.endsWith("/tenant_access_token/internal")) return { code: 0, msg: "success" };
		const isRight = this.feishuSecrets.has(String(body.app_secret));
		return isRight
			? { code: 0, msg: "ok", tenant_access_token: "t-1", expire: 7_200 }
			: { code: 10_014, msg: "app secret invalid" };
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}
