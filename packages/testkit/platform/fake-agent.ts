/** An agent's HTTP API. The test decides the answer to each request. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface AgentRequest {
	readonly path: string;
	readonly headers: IncomingMessage["headers"];
	readonly body: Record<string, unknown>;
	/** Resolves if the request's connection closes before the answer is complete. */
	readonly gone: Promise<void>;
}

export type Answer = (request: AgentRequest, response: ServerResponse) => void | Promise<void>;

export class FakeAgent implements AsyncDisposable {
	readonly url: string;
	readonly requests: AgentRequest[] = [];
	isReady = true;
	/** The paths of all requests so far, with the answer's status where it tells the readiness. */
	readonly asked: string[] = [];
	/** The number of connections opened so far. */
	connections = 0;
	/** The answer to a request. */
	answer: Answer = ({ body }, response) =>
		json(response, 200, completion(`you said ${JSON.stringify(body.messages ?? body.input)}`));
	readonly #server;

	private constructor(server: ReturnType<typeof createServer>) {
		this.#server = server;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		server.on("connection", () => this.connections++);
		server.on("request", (request, response) => void this.#take(request, response));
	}

	static async start(): Promise<FakeAgent> {
		const server = createServer().listen(0, "127.0.0.1");
		await once(server, "listening");
		return new FakeAgent(server);
	}

	async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
		if (request.url === "/readyz") {
			const status = this.isReady ? 200 : 503;
			this.asked.push(`/readyz ${status}`);
			return json(response, status, { ready: this.isReady });
		}
		this.asked.push(request.url ?? "");
		if (!request.url?.startsWith("/v1/")) {
			// As OpenClaw answers unknown paths.
			response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
			return;
		}
		let text = "";
		for await (const part of request) text += part;
		const { promise: gone, resolve } = Promise.withResolvers<void>();
		response.once("close", () => {
			if (!response.writableFinished) resolve();
		});
		const taken: AgentRequest = {
			path: request.url,
			headers: request.headers,
			body: JSON.parse(text),
			gone,
		};
		this.requests.push(taken);
		await this.answer(taken, response);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}
}

export function json(
	response: ServerResponse,
	status: number,
	body: object,
	headers: Record<string, string> = {},
): void {
	response
		.writeHead(status, { "content-type": "application/json", ...headers })
		.end(JSON.stringify(body));
}

export const completion = (content: string) => ({
	object: "chat.completion",
	choices: [{ index: 0, message: { role: "assistant", content } }],
});
