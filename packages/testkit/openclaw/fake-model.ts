/**
 * Simulates a model: an OpenAI-compatible server on the loopback interface. It streams words and
 * counts the messages that it received. `[[write:PATH:BYTES]]` in the user's message makes it call
 * the agent's `write` tool first, `[[tool:NAME:{…}]]` any tool with those arguments.
 * `[[slow:SECONDS]]` delays its answer while `isSlow` is set.
 */
import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

export interface FakeModel {
	readonly url: string;
	readonly id: string;
	/** The number of messages in each request so far. It grows as a conversation continues. */
	readonly messageCounts: readonly number[];
	/** Each request so far: its text, and the number of its images. */
	readonly requests: readonly { readonly text: string; readonly images: number }[];
	/** The text of the last request. */
	readonly lastAsked: string;
	/** Unset it to answer at once when a turn that was interrupted is taken up. Default: true. */
	isSlow: boolean;
	/** Resolves at the next request, before the answer. */
	asked(): Promise<void>;
	close(): Promise<void>;
}

interface Message {
	readonly role: string;
	readonly content?: string | readonly { readonly type?: string; readonly text?: string }[];
}

const MODEL_ID = "fake-1";
const REPLY_WORDS = 120;

export async function startFakeModel(): Promise<FakeModel> {
	const messageCounts: number[] = [];
	const closing = new AbortController();
	const asking = new EventEmitter();
	const requests: { text: string; images: number }[] = [];
	const server = createServer((request, response) => {
		const think = async (messages: readonly Message[]) => {
			requests.push({
				text: messages.map(textOf).join("\n"),
				images: messages.flatMap(imagesOf).length,
			});
			messageCounts.push(messages.length);
			asking.emit("asked");
			const [, thinking] = /\[\[slow:(\d+)\]\]/.exec(latestUserText(messages)) ?? [];
			if (thinking !== undefined && model.isSlow)
				await delay(Number(thinking) * 1000, undefined, { signal: closing.signal });
			return messageCounts.length;
		};
		answer(request, response, think).catch((error: unknown) => response.destroy(error as Error));
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const model: FakeModel = {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
		id: MODEL_ID,
		messageCounts,
		requests,
		get lastAsked() {
			return requests.at(-1)?.text ?? "";
		},
		isSlow: true,
		async asked() {
			await once(asking, "asked");
		},
		async close() {
			closing.abort();
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
	return model;
}

async function answer(
	request: IncomingMessage,
	response: ServerResponse,
	/** Returns the number of this request. */
	think: (messages: readonly Message[]) => Promise<number>,
): Promise<void> {
	if (request.method === "GET") {
		response.writeHead(200, { "content-type": "application/json" });
		response.end(
			JSON.stringify({
				object: "list",
				data: [{ id: MODEL_ID, object: "model", owned_by: "fake" }],
			}),
		);
		return;
	}
	const { messages = [], stream } = (await json(request)) as {
		messages?: Message[];
		stream?: boolean;
	};
	const number = await think(messages);

	const tool = toolCall(latestUserText(messages), number);
	const words = Array.from({ length: REPLY_WORDS }, (_, i) => `reply-${number}-word-${i}`).join(
		" ",
	);
	const say = tool === undefined ? { content: words } : { tool_calls: [tool] };
	const finish_reason = tool === undefined ? "stop" : "tool_calls";
	const usage = {
		prompt_tokens: messages.length * 100,
		completion_tokens: REPLY_WORDS,
		total_tokens: messages.length * 100 + REPLY_WORDS,
	};
	const common = {
		id: `chatcmpl-${number}`,
		created: Math.floor(Date.now() / 1000),
		model: MODEL_ID,
	};

	if (stream !== true) {
		response.writeHead(200, { "content-type": "application/json" });
		const message = { role: "assistant", content: null, ...say };
		response.end(
			JSON.stringify({
				...common,
				object: "chat.completion",
				usage,
				choices: [{ index: 0, finish_reason, message }],
			}),
		);
		return;
	}
	response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
	const send = (part: object) =>
		response.write(
			`data: ${JSON.stringify({ ...common, object: "chat.completion.chunk", ...part })}\n\n`,
		);
	send({ choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] });
	send({ choices: [{ index: 0, delta: say, finish_reason: null }] });
	send({ choices: [{ index: 0, delta: {}, finish_reason }] });
	send({ choices: [], usage });
	response.end("data: [DONE]\n\n");
}

/**
 * All user messages after the last message of another role: OpenClaw adds its own context after the
 * user's message.
 */
function latestUserText(messages: readonly Message[]): string {
	const last = messages.findLastIndex(({ role }) => role !== "user");
	return messages
		.slice(last + 1)
		.map(textOf)
		.join("\n");
}

function textOf({ content }: Message): string {
	if (typeof content === "string") return content;
	return (content ?? []).map(({ text }) => text ?? "").join("\n");
}

const imagesOf = ({ content }: Message) =>
	typeof content === "string" ? [] : (content ?? []).filter(({ type }) => type === "image_url");

function toolCall(text: string, number: number): object | undefined {
	const call = anyCall(text) ?? writeCall(text, number);
	return call && { index: 0, id: `call_${number}`, type: "function", function: call };
}

interface Call {
	readonly name: string;
	/** JSON. */
	readonly arguments: string;
}

function anyCall(text: string): Call | undefined {
	const [, name, values] = /\[\[tool:(\w+):(\{.*?\})\]\]/s.exec(text) ?? [];
	return name === undefined || values === undefined ? undefined : { name, arguments: values };
}

function writeCall(text: string, number: number): Call | undefined {
	const [, path, bytes] = /\[\[write:([^:\]]+):(\d+)\]\]/.exec(text) ?? [];
	if (path === undefined) return undefined;
	const content = `line of generated content ${number}\n`
		.repeat(Math.ceil(Number(bytes) / 28))
		.slice(0, Number(bytes));
	return { name: "write", arguments: JSON.stringify({ path, content }) };
}
