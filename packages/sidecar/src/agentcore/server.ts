/**
 * The platform's contract over HTTP: `GET /ping`, `POST /invocations`, and for this machine alone `GET /status`.
 *
 * Every answer is JSON or an event stream, every failure `{code, message, remedy}`. Limits: headers of 32 KiB that must be there within
 * 10 s, a whole request within 2 minutes, a body as large as is said, `MAX_REQUESTS` at a time.
 */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import { printable, SidecarError } from "../errors.ts";
import type { Log } from "../telemetry/types.ts";
import { type HttpRefusal, refusalOf, refuse, refuseForNow } from "./http-refusal.ts";
import { type Invocation, parseInvocation } from "./invocation.ts";
import type { Life } from "./life.ts";
import { isLoopback, isLoopbackHost } from "./loopback.ts";
import { readBody } from "./read-body.ts";

export interface ServerOptions {
	/** `0.0.0.0` on the platform. */
	readonly host: string;
	/** 0: any that is free. */
	readonly port: number;
	readonly life: Life;
	/** Answers an admitted invocation. @throws where nothing of an answer was sent yet */
	readonly forward: (admitted: Admitted, caller: ServerResponse, signal: AbortSignal) => Promise<void>;
	/** One JSON object without secrets: the agent can read it. */
	readonly status: () => object;
	/** 100,000,000 on the platform. */
	readonly maxBodyBytes: number;
	readonly log: Log;
	/** For tests. */
	readonly timeouts?: Partial<ServerTimeouts>;
}

export interface Admitted {
	readonly invocation: Invocation;
	readonly namespace: string;
	readonly traceHeaders: Readonly<Record<string, string>>;
}

export interface ServerTimeouts {
	/** Until all headers are there. */
	readonly headersMs: number;
	/** Until the whole request is there: 100 MB at 0.8 MB/s. */
	readonly requestMs: number;
}

export interface RunningServer {
	readonly port: number;
	/** Takes no connection any more; settled when what is under way has been answered, or after `timeoutMs`. */
	close(timeoutMs: number): Promise<void>;
}

const TIMEOUTS: ServerTimeouts = { headersMs: 10_000, requestMs: 120_000 };
const MAX_HEADER_BYTES = 32 * 1024;
/** Of one user's; what more of them would need in memory is not there. */
const MAX_REQUESTS = 64;
const TRACE_HEADERS = ["traceparent", "tracestate", "baggage", "x-amzn-trace-id"];

type Env = { Bindings: HttpBindings };

/** Listens as soon as it returns. @throws SidecarError USAGE: the address cannot be had */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
	const { host, port } = options;
	const { headersMs, requestMs } = { ...TIMEOUTS, ...options.timeouts };
	const server = createAdaptorServer({
		fetch: contract(options).fetch,
		overrideGlobalObjects: false,
		serverOptions: {
			maxHeaderSize: MAX_HEADER_BYTES,
			headersTimeout: headersMs,
			requestTimeout: requestMs,
			connectionsCheckingInterval: Math.min(headersMs, requestMs) / 4,
		},
	}) as Server;
	server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => answerBrokenRequest(error, socket, options.log));
	server.listen(port, host);
	await once(server, "listening").catch((cause: NodeJS.ErrnoException) => {
		throw new SidecarError("USAGE", { value: `${host}:${port}`, reason: `cannot listen there: ${cause.code}`, cause });
	});
	const { port: bound } = server.address() as AddressInfo;
	options.log.info("server.listening", { host, port: bound });
	return { port: bound, close: async (timeoutMs) => await closeServer(server, timeoutMs) };
}

function contract({ life, status, forward, maxBodyBytes, log }: ServerOptions): Hono<Env> {
	const app = new Hono<Env>();
	app.get("/ping", (c) => c.json(life.ping()));
	app.get("/status", (c) => {
		if (!isLoopback(c.env.incoming.socket.remoteAddress) || !isLoopbackHost(c.req.header("host"))) throw notFound(c.req.path);
		return c.json(status());
	});
	app.post("/invocations", async (c) => {
		const { incoming, outgoing } = c.env;
		if (life.requestsInFlight >= MAX_REQUESTS) throw refuseForNow(`${MAX_REQUESTS} requests are under way`, 5);
		await life.request(async () => {
			if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(incoming.headers["content-type"] ?? "")) throw unsupportedType(incoming);
			const gone = goneSignal(outgoing);
			const invocation = parseInvocation(await readBody(incoming, maxBodyBytes), incoming.headers.accept);
			const proof = { authorization: incoming.headers.authorization, payloadToken: invocation.identityToken };
			const namespace = await life.admit(proof, gone);
			await forward({ invocation, namespace, traceHeaders: traceHeadersOf(incoming) }, outgoing, gone);
		}, platformIdsOf(incoming));
		return RESPONSE_ALREADY_SENT;
	});
	for (const [path, method] of [
		["/ping", "GET"],
		["/status", "GET"],
		["/invocations", "POST"],
	] as const) {
		app.all(path, (c) => {
			throw refuse(
				405,
				"REQUEST_INVALID",
				{ value: `${c.req.method} ${path}`, reason: `only ${method} is answered here` },
				{ allow: method },
			);
		});
	}
	app.notFound((c) => answer(c, notFound(c.req.path)));
	app.onError((error, c) => {
		if (c.env.outgoing.destroyed || c.env.outgoing.headersSent) {
			// Whoever asked has gone, or has half an answer that must not look like a whole one.
			c.env.outgoing.destroy();
			return RESPONSE_ALREADY_SENT;
		}
		const refusal = refusalOf(error);
		if (refusal.error.code === "INTERNAL") log.error("request.failed", { error });
		else log.warn("request.refused", { status: refusal.status, error: refusal.error });
		return answer(c, refusal);
	});
	return app;
}

function answer(c: Context<Env>, { status, body, headers }: HttpRefusal): Response {
	for (const [name, value] of Object.entries(headers)) c.header(name, value);
	return c.json(body, status as 400);
}

const notFound = (path: string) =>
	refuse(404, "REQUEST_INVALID", { value: path, reason: "there is nothing here but /ping and /invocations" });

const unsupportedType = ({ headers }: IncomingMessage) =>
	refuse(415, "REQUEST_INVALID", { value: headers["content-type"] ?? "no Content-Type", reason: "the body must be application/json" });

/** Aborted when the caller's connection ends before the answer does. */
function goneSignal(outgoing: ServerResponse): AbortSignal {
	const gone = new AbortController();
	const onClose = () => {
		if (!outgoing.writableFinished) gone.abort(new Error("the caller has gone"));
	};
	if (outgoing.closed) onClose();
	else outgoing.once("close", onClose);
	return gone.signal;
}

/** By which a line of ours is found from one of the platform's. */
function platformIdsOf({ headers }: IncomingMessage): { readonly sessionId?: string; readonly requestId?: string } {
	const sessionId = headers["x-amzn-bedrock-agentcore-runtime-session-id"];
	const requestId = headers["x-amzn-bedrock-agentcore-runtime-request-id"];
	return {
		...(typeof sessionId === "string" && { sessionId: printable(sessionId) }),
		...(typeof requestId === "string" && { requestId: printable(requestId) }),
	};
}

function traceHeadersOf({ headers }: IncomingMessage): Record<string, string> {
	return Object.fromEntries(
		TRACE_HEADERS.flatMap((name) => {
			const value = headers[name];
			return typeof value === "string" ? [[name, value]] : [];
		}),
	);
}

const BROKEN: Readonly<Record<string, readonly [status: number, phrase: string, reason: string]>> = {
	HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large", `the headers exceed ${MAX_HEADER_BYTES} bytes`],
	ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout", "the request was not complete in time"],
};

/** What Node's parser refuses never becomes a request. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
	if (error.code === "ECONNRESET" || !socket.writable) {
		socket.destroy();
		return;
	}
	const [status, phrase, reason] = BROKEN[error.code ?? ""] ?? [400, "Bad Request", "this is not HTTP"];
	const refusal = refuse(status, "REQUEST_INVALID", { reason });
	log.warn("request.refused", { status, error: refusal.error });
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
