/**
 * The routes of the platform's contract except `GET /ping`, which must be answered before any of
 * this is loaded: `POST /invocations`, `GET /status` for this machine alone, and an answer for
 * everything else.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import { printable } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import { type HttpRefusal, refusalOf, refuse, refuseForNow } from "./http-refusal.ts";
import { type Invocation, parseInvocation } from "./invocation.ts";
import type { Life } from "./life.ts";
import { isLoopback, isLoopbackHost } from "./loopback.ts";
import { readBody } from "./read-body.ts";

export interface ContractOptions {
	readonly life: Life;
	/** Answers an admitted invocation. @throws if no part of an answer was sent yet */
	readonly forward: (
		admitted: Admitted,
		caller: ServerResponse,
		signal: AbortSignal,
	) => Promise<void>;
	/** One JSON object without secrets: the agent can read it. */
	readonly status: () => object;
	/** Whether every request must carry a token of the issuer. */
	readonly needsToken: boolean;
	/** 100,000,000 on the platform. */
	readonly maxBodyBytes: number;
	readonly logger: Logger;
}

export interface Admitted {
	readonly invocation: Invocation;
	readonly namespace: string;
	readonly traceHeaders: Readonly<Record<string, string>>;
}

/** Of one user; there is no memory for more. */
const MAX_REQUESTS = 64;
const TRACE_HEADERS = ["traceparent", "tracestate", "baggage", "x-amzn-trace-id"];

type Env = { Bindings: HttpBindings };

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => unknown;

export function contractListener(options: ContractOptions): Listener {
	return getRequestListener(routes(options).fetch, { overrideGlobalObjects: false });
}

function routes({
	life,
	status,
	forward,
	maxBodyBytes,
	logger,
	needsToken,
}: ContractOptions): Hono<Env> {
	const app = new Hono<Env>();
	app.get("/status", (c) => {
		if (!isLoopback(c.env.incoming.socket.remoteAddress) || !isLoopbackHost(c.req.header("host")))
			throw notFound(c.req.path);
		return c.json(status());
	});
	app.post("/invocations", async (c) => {
		const { incoming, outgoing } = c.env;
		if (life.requestsInFlight >= MAX_REQUESTS)
			throw refuseForNow(`${MAX_REQUESTS} requests are in progress`, 5);
		await life.request(async () => {
			const type = incoming.headers["content-type"] ?? "";
			// A page in the agent's browser can reach this address by DNS rebinding. Its browser sends an
			// Origin, and it has no token of the issuer.
			const isFromPage = incoming.headers.origin !== undefined;
			if (isFromPage && !needsToken)
				throw refuse(403, "REQUEST_INVALID", {
					value: "Origin",
					reason: "a web page may send requests only with a user's token (--issuer)",
				});
			const isPlain = /^text\/plain\b/i.test(type) && !isFromPage;
			if (!isPlain && !/^application\/(?:[\w.-]+\+)?json\b/i.test(type))
				throw unsupportedType(incoming);
			const gone = goneSignal(outgoing);
			const invocation = parseInvocation(
				await readBody(incoming, maxBodyBytes),
				incoming.headers.accept,
				isPlain,
			);
			const proof = {
				authorization: incoming.headers.authorization,
				payloadToken: invocation.identityToken,
			};
			const namespace = await life.admit(proof, gone);
			await forward(
				{ invocation, namespace, traceHeaders: traceHeadersOf(incoming) },
				outgoing,
				gone,
			);
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
				{ value: `${c.req.method} ${path}`, reason: `only ${method} is supported` },
				{ allow: method },
			);
		});
	}
	app.notFound((c) => answer(c, notFound(c.req.path)));
	app.onError((error, c) => {
		if (c.env.outgoing.destroyed || c.env.outgoing.headersSent) {
			// The caller has disconnected, or has half an answer that must not look complete.
			c.env.outgoing.destroy();
			return RESPONSE_ALREADY_SENT;
		}
		const refusal = refusalOf(error);
		if (refusal.error.code === "INTERNAL") logger.error("request.failed", { error });
		else logger.warn("request.refused", { status: refusal.status, error: refusal.error });
		return answer(c, refusal);
	});
	return app;
}

function answer(c: Context<Env>, { status, body, headers }: HttpRefusal): Response {
	for (const [name, value] of Object.entries(headers)) c.header(name, value);
	return c.json(body, status as 400);
}

const notFound = (path: string) =>
	refuse(404, "REQUEST_INVALID", {
		value: path,
		reason: "only /ping and /invocations exist",
	});

const unsupportedType = ({ headers }: IncomingMessage) =>
	refuse(415, "REQUEST_INVALID", {
		value: headers["content-type"] ?? "no Content-Type",
		reason: "the body must be application/json or text/plain",
	});

/** Aborted when the caller's connection ends before the answer does. */
function goneSignal(outgoing: ServerResponse): AbortSignal {
	const gone = new AbortController();
	const onClose = () => {
		if (!outgoing.writableFinished) gone.abort(new Error("the caller disconnected"));
	};
	if (outgoing.closed) onClose();
	else outgoing.once("close", onClose);
	return gone.signal;
}

/** The ids that link the sidecar's log lines with the platform's. */
function platformIdsOf({ headers }: IncomingMessage): {
	readonly sessionId?: string;
	readonly requestId?: string;
} {
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
