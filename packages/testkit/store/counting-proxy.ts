/** A link to an S3 server that counts what goes over it, and changes nothing. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { RequestReader } from "./request-reader.ts";

export interface Traffic {
	/** By method; LIST is counted apart from GET. */
	readonly requests: Readonly<Record<string, number>>;
	readonly sentBytes: number;
	readonly receivedBytes: number;
}

export class CountingProxy implements AsyncDisposable {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	#requests: Record<string, number> = {};
	#sentBytes = 0;
	#receivedBytes = 0;

	private constructor(upstream: URL) {
		this.#server = createServer((client) => {
			const server = connect({ host: upstream.hostname, port: Number(upstream.port) });
			const reader = new RequestReader((name) => {
				this.#requests[name] = (this.#requests[name] ?? 0) + 1;
			});
			client.on("data", (bytes: Buffer) => {
				this.#sentBytes += bytes.length;
				reader.read(bytes);
			});
			server.on("data", (bytes: Buffer) => {
				this.#receivedBytes += bytes.length;
			});
			for (const [from, to] of [
				[client, server],
				[server, client],
			] as const) {
				this.#sockets.add(from);
				from.once("close", () => this.#sockets.delete(from));
				from.on("error", () => to.destroy());
				from.pipe(to);
			}
		});
	}

	/** @param endpoint of the S3 server, without TLS */
	static async start(endpoint: string): Promise<CountingProxy> {
		const proxy = new CountingProxy(new URL(endpoint));
		proxy.#server.listen(0, "127.0.0.1");
		await once(proxy.#server, "listening");
		return proxy;
	}

	get endpoint(): string {
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** Since the last call. */
	take(): Traffic {
		const traffic = {
			requests: this.#requests,
			sentBytes: this.#sentBytes,
			receivedBytes: this.#receivedBytes,
		};
		this.#requests = {};
		this.#sentBytes = 0;
		this.#receivedBytes = 0;
		return traffic;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const socket of this.#sockets) socket.destroy();
		this.#server.close();
		await once(this.#server, "close");
	}
}
