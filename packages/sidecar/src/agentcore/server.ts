/**
 * The time-critical part of the platform's contract over HTTP: the limits, and `GET /ping`. The
 * other routes are loaded after the first ping has been answered, or at the first other request.
 *
 * Every answer is JSON or an event stream, every failure `{code, message, remedy}`. Limits: headers
 * of 32 KiB that must arrive within 10 s, a whole request within 2 minutes, a body of
 * `maxBodyBytes`, 64 requests at a time.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import type { ContractOptions, Listener } from "./contract.ts";
import { refuse } from "./http-refusal.ts";
import type { PingAnswer } from "./ping.ts";

export interface ServerOptions extends ContractOptions {
	/** `0.0.0.0` on the platform. */
	readonly host: string;
	/** 0: any free port. */
	readonly port: number;
	/** For tests. */
	readonly timeouts?: Partial<ServerTimeouts>;
}

export interface ServerTimeouts {
	/** Until all headers have arrived. */
	readonly headersMs: number;
	/** Until the whole request has arrived: 100 MB at 0.8 MB/s. */
	readonly requestMs: number;
}

export interface RunningServer {
	readonly port: number;
	/**
	 * Accepts no more connections; resolves when running requests have been answered, or after
	 * `timeoutMs`.
	 */
	close(timeoutMs: number): Promise<void>;
}

const TIMEOUTS: ServerTimeouts = { headersMs: 10_000, requestMs: 120_000 };
const MAX_HEADER_BYTES = 32 * 1024;

/** Listens as soon as it returns. @throws SidecarError USAGE: the address cannot be used */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
	const { host, port } = options;
	const { headersMs, requestMs } = { ...TIMEOUTS, ...options.timeouts };
	const limits = {
		maxHeaderSize: MAX_HEADER_BYTES,
		headersTimeout: headersMs,
		requestTimeout: requestMs,
		connectionsCheckingInterval: Math.min(headersMs, requestMs) / 4,
	};
	const server = createServer(limits, listener(options));
	server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
		answerBrokenRequest(error, socket, options.logger),
	);
	server.listen(port, host);
	await once(server, "listening").catch((cause: NodeJS.ErrnoException) => {
		throw new SidecarError("USAGE", {
			value: `${host}:${port}`,
			reason: `cannot listen there: ${cause.code}`,
			cause,
		});
	});
	const { port: bound } = server.address() as AddressInfo;
	options.logger.info("server.listening", { host, port: bound });
	return { port: bound, close: async (timeoutMs) => await closeServer(server, timeoutMs) };
}

/** Hono's adapter loads half of Node's HTTP: 40 ms of the 300 that the first ping has. */
function listener(options: ServerOptions): Listener {
	let rest: Promise<Listener> | undefined;
	const loadRest = () => {
		rest ??= import("./contract.ts").then(({ contractListener }) => contractListener(options));
		return rest;
	};
	return (incoming, outgoing) => {
		if (isPing(incoming)) {
			answerPing(options.life.ping(), outgoing);
			setImmediate(() => loadRest().catch(() => {}));
			return;
		}
		loadRest()
			.then((rest) => rest(incoming, outgoing))
			.catch((error: unknown) => {
				options.logger.error("request.failed", { error });
				outgoing.destroy();
			});
	};
}

const isPing = ({ method, url }: IncomingMessage) =>
	(method === "GET" || method === "HEAD") && /^\/ping(?:\?|$)/.test(url ?? "");

function answerPing(ping: PingAnswer, outgoing: ServerResponse): void {
	const text = JSON.stringify(ping);
	outgoing
		.writeHead(200, {
			"content-type": "application/json",
			"content-length": Buffer.byteLength(text),
		})
		.end(text);
}

const BROKEN: Readonly<Record<string, readonly [status: number, phrase: string, reason: string]>> =
	{
		HPE_HEADER_OVERFLOW: [
			431,
			"Request Header Fields Too Large",
			`the headers exceed ${MAX_HEADER_BYTES} bytes`,
		],
		ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "the request did not arrive in time"],
	};

/** A request that Node's parser refuses never becomes a request object. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
	if (error.code === "ECONNRESET" || !socket.writable) {
		socket.destroy();
		return;
	}
	const [status, phrase, reason] = BROKEN[error.code ?? ""] ?? [
		400,
		"Bad Request",
		"the request is not HTTP",
	];
	const refusal = refuse(status, "REQUEST_INVALID", { reason });
	logger.warn("request.refused", { status, error: refusal.error });
	const body = JSON.stringify(refusal.body);
	const head = `HTTP/1.1 ${status} ${phrase}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
	socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}

async function closeServer(server: Server, timeoutMs: number): Promise<void> {
	const closed = once(server, "close");
	server.close();
	server.closeIdleConnections();
	const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
	await closed;
	clearTimeout(timer);
}
