/** A fake of Telegram's Bot API on the loopback interface, with one person who writes to the bot. */
import { EventEmitter, once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

const PERSON = { id: 4711, is_bot: false, first_name: "Anna" };
const CHAT = { id: PERSON.id, type: "private", first_name: PERSON.first_name };
const BOT = { id: 1, is_bot: true, first_name: "Bot", username: "quiet_bot" };
const POLL_MS = 2_000;
const ANSWER_MS = 120_000;

export class FakeTelegram implements AsyncDisposable {
	readonly #server = createServer((request, response) => {
		text(request).then(
			(body) => this.#answer(request.url ?? "", body, response),
			() => response.destroy(),
		);
	});
	readonly #events = new EventEmitter();
	readonly #updates: { update_id: number; message: object }[] = [];
	#sent = 0;

	static async start(): Promise<FakeTelegram> {
		const telegram = new FakeTelegram();
		telegram.#server.listen(0, "127.0.0.1");
		await once(telegram.#server, "listening");
		return telegram;
	}

	/** `channels.telegram` of an openclaw.json. */
	get channel(): object {
		const { port } = this.#server.address() as AddressInfo;
		return {
			enabled: true,
			botToken: "1:not-a-secret",
			apiRoot: `http://127.0.0.1:${port}`,
			network: { dangerouslyAllowPrivateNetwork: true },
			dmPolicy: "allowlist",
			allowFrom: [String(PERSON.id)],
		};
	}

	/** Resolves when the bot has answered. @throws if it does not within 120 s */
	async say(words: string): Promise<void> {
		const update_id = this.#updates.length + 1;
		const date = Math.floor(Date.now() / 1_000);
		const message = { message_id: update_id, date, chat: CHAT, from: PERSON, text: words };
		const answered = once(this.#events, "sent", { signal: AbortSignal.timeout(ANSWER_MS) });
		this.#updates.push({ update_id, message });
		this.#events.emit("update");
		await answered;
	}

	async #answer(url: string, body: string, response: ServerResponse): Promise<void> {
		const method = url.split("/").at(-1)?.split("?")[0] ?? "";
		const result = await this.#resultOf(method, url, body);
		response.writeHead(200, { "content-type": "application/json", connection: "close" });
		response.end(JSON.stringify({ ok: true, result }));
	}

	async #resultOf(method: string, url: string, body: string): Promise<unknown> {
		if (method === "getMe") return BOT;
		if (method === "getUpdates") return await this.#poll(offsetOf(url, body));
		if (!/^(?:send|edit)/.test(method) || method === "sendChatAction") return true;
		this.#events.emit("sent");
		const date = Math.floor(Date.now() / 1_000);
		return { message_id: 1_000 + ++this.#sent, date, chat: CHAT, from: BOT, text: "answer" };
	}

	async #poll(offset: number): Promise<readonly object[]> {
		const pending = () => this.#updates.filter(({ update_id }) => update_id >= offset);
		if (pending().length === 0)
			await once(this.#events, "update", { signal: AbortSignal.timeout(POLL_MS) }).catch(() => {});
		return pending();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		const closed = once(this.#server, "close");
		this.#server.close();
		this.#server.closeAllConnections();
		await closed;
	}
}

function offsetOf(url: string, body: string): number {
	const inUrl = new URL(url, "http://localhost").searchParams.get("offset");
	const inBody = body.startsWith("{")
		? (JSON.parse(body) as { offset?: number }).offset
		: undefined;
	return Number(inUrl ?? inBody ?? new URLSearchParams(body).get("offset") ?? 0);
}
