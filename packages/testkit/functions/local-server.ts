/** A server on a free port of this machine, for the duration of a test. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface LocalRequest {
	readonly method: string;
	/** Includes the query. */
	readonly path: string;
	readonly headers: IncomingMessage["headers"];
	readonly body: Buffer;
}

export interface LocalResponse {
	readonly status: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body: string | Uint8Array;
}

export class LocalServer implements AsyncDisposable {
	readonly url: string;
	readonly #server: ReturnType<typeof createServer>;

	private constructor(server: ReturnType<typeof createServer>) {
		this.#server = server;
		this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	/** If `answer` throws, the response is 500 with the error's message. */
	static async start(
		answer: (request: LocalRequest) => Promise<LocalResponse> | LocalResponse,
	): Promise<LocalServer> {
		const server = createServer(async (request, response) => {
			const parts: Buffer[] = [];
			for await (const part of request) parts.push(part as Buffer);
			const { method = "GET", url: path = "/", headers } = request;
			const {
				status,
				headers: sent,
				body,
			} = await Promise.resolve()
				.then(() => answer({ method, path, headers, body: Buffer.concat(parts) }))
				.catch((error: Error): LocalResponse => ({ status: 500, body: error.message }));
			response.writeHead(status, sent).end(body);
		}).listen(0, "127.0.0.1");
		await once(server, "listening");
		return new LocalServer(server);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, "close");
	}
}
