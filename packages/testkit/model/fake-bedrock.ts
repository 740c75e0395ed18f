/**
 * Simulates Amazon Bedrock's two endpoints: the Messages API and chat completions, streamed and not.
 * It checks every signature and answers AWS's refusals in AWS's form. Observed forms: decision 60.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type KeyPair, type Scope, signatureProblem } from "./verify-signature.ts";

export interface ModelCall {
	readonly method: string;
	readonly path: string;
	readonly headers: IncomingMessage["headers"];
	readonly text: string;
	readonly body: ModelBody;
	/** Of the key that signed; undefined: a bearer or an API key. */
	readonly accessKeyId: string | undefined;
	/** Resolves when the connection ends before the answer is complete. */
	readonly gone: Promise<void>;
}

export interface ModelBody {
	readonly model: string;
	readonly stream?: boolean;
	readonly stream_options?: { readonly include_usage?: boolean };
	readonly messages: readonly unknown[];
	readonly [field: string]: unknown;
}

export interface FakeUsage {
	readonly input: number;
	readonly cached: number;
	readonly output: number;
}

export type ModelAnswer = (call: ModelCall, response: ServerResponse) => void | Promise<void>;

export class FakeBedrock implements AsyncDisposable {
	readonly url: string;
	/** Whose signatures are accepted. Empty: a provider that accepts a key, unchecked. */
	readonly known = new Map<string, KeyPair>();
	/** Access keys whose session has ended. */
	readonly expired = new Set<string>();
	readonly calls: ModelCall[] = [];
	/** Each request that was refused for its signature, and why. */
	readonly refused: string[] = [];
	usage: FakeUsage = { input: 100, cached: 40, output: 7 };
	words: readonly string[] = ["Hello", "from", "the", "model."];
	/** The answer to a request with a good signature. */
	answer: ModelAnswer = (call, response) => this.speak(call, response);
	readonly #scope: Scope | undefined;
	readonly #server: Server;

	private constructor(server: Server, scope: Scope | undefined) {
		this.#server = server;
		this.#scope = scope;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		server.on("request", (request, response) => {
			this.#take(request, response).catch((error: unknown) => response.destroy(error as Error));
		});
	}

	/** @param scope undefined: another provider, which is sent a key */
	static async start(scope?: Scope): Promise<FakeBedrock> {
		const server = createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		return new FakeBedrock(server, scope);
	}

	async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const { promise: gone, resolve } = Promise.withResolvers<void>();
		response.once("close", () => {
			if (!response.writableFinished) resolve();
		});
		const bytes = await buffer(request);
		const accessKeyId = /Credential=([^/]+)/.exec(request.headers.authorization ?? "")?.[1];
		if (this.#scope !== undefined) {
			const problem = signatureProblem(request, bytes, this.#scope, this.known);
			if (problem !== undefined) {
				this.refused.push(problem);
				const type = problem === "unknown access key" ? "UnrecognizedClient" : "InvalidSignature";
				return awsError(response, 403, `${type}Exception`, `The signature is wrong: ${problem}`);
			}
			if (this.expired.has(accessKeyId ?? ""))
				return awsError(
					response,
					403,
					"ExpiredTokenException",
					"The security token included in the request is expired",
				);
		}
		const text = bytes.toString();
		const call: ModelCall = {
			method: request.method ?? "",
			path: request.url ?? "",
			headers: request.headers,
			text,
			body: JSON.parse(text),
			accessKeyId,
			gone,
		};
		this.calls.push(call);
		await this.answer(call, response);
	}

	/** `words`, in the API of the call's path. */
	speak({ path, body }: ModelCall, response: ServerResponse): void {
		const isMessages = path.endsWith("/messages");
		const text = this.words.join(" ");
		const id = `msg_${this.calls.length}`;
		const { input, cached, output } = this.usage;
		if (isMessages) {
			const usage = {
				input_tokens: input,
				cache_creation_input_tokens: 0,
				cache_read_input_tokens: cached,
				output_tokens: output,
			};
			const message = { id, type: "message", role: "assistant", model: body.model };
			if (!body.stream)
				return json(response, 200, {
					...message,
					content: [{ type: "text", text }],
					stop_reason: "end_turn",
					stop_sequence: null,
					usage,
				});
			const empty = { ...message, content: [], stop_reason: null, stop_sequence: null };
			const index = 0;
			return events(response, [
				{ type: "message_start", message: { ...empty, usage: { ...usage, output_tokens: 1 } } },
				{ type: "content_block_start", index, content_block: { type: "text", text: "" } },
				...this.words.map((word) => ({
					type: "content_block_delta",
					index,
					delta: { type: "text_delta", text: `${word} ` },
				})),
				{ type: "content_block_stop", index },
				{
					type: "message_delta",
					delta: { stop_reason: "end_turn", stop_sequence: null },
					usage: { output_tokens: output },
				},
				{ type: "message_stop" },
			]);
		}
		const usage = {
			prompt_tokens: input + cached,
			completion_tokens: output,
			total_tokens: input + cached + output,
			prompt_tokens_details: { cached_tokens: cached },
		};
		const common = { id, created: 1, model: body.model };
		if (!body.stream)
			return json(response, 200, {
				...common,
				object: "chat.completion",
				choices: [
					{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" },
				],
				usage,
			});
		const chunk = (delta: object, finish_reason: string | null = null) => ({
			...common,
			object: "chat.completion.chunk",
			choices: [{ index: 0, delta, finish_reason }],
		});
		events(response, [
			chunk({ role: "assistant", content: "" }),
			...this.words.map((word) => chunk({ content: `${word} ` })),
			chunk({}, "stop"),
			...(body.stream_options?.include_usage
				? [{ ...common, object: "chat.completion.chunk", choices: [], usage }]
				: []),
			"[DONE]",
		]);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}
}

export function json(response: ServerResponse, status: number, body: object): void {
	const text = JSON.stringify(body);
	response
		.writeHead(status, {
			"content-type": "application/json",
			"content-length": Buffer.byteLength(text),
			"x-amzn-requestid": "request-1",
			"set-cookie": "from=the-provider",
		})
		.end(text);
}

export function awsError(
	response: ServerResponse,
	status: number,
	type: string,
	message: string,
): void {
	response.setHeader("x-amzn-errortype", `${type}:http://internal.amazon.com/coral/`);
	json(response, status, { message });
}

/** A server-sent event each; Anthropic's also have a name. */
export function events(response: ServerResponse, parts: readonly (string | object)[]): void {
	response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
	for (const part of parts) response.write(eventText(part));
	response.end();
}

export function eventText(part: string | object): string {
	if (typeof part === "string") return `data: ${part}\n\n`;
	const name = "type" in part ? `event: ${part.type}\n` : "";
	return `${name}data: ${JSON.stringify(part)}\n\n`;
}
