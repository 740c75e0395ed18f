/**
 * The model endpoint: the agent's model on the loopback interface. The agent sends a token made for
 * this boot, and each request goes on with a credential that only the sidecar has.
 *
 * The answer's bytes pass unchanged, at the agent's pace; the agent's disconnect ends the request to
 * the provider. The usage is read from a copy.
 *
 * Guarantees: no request leaves this machine without the token, to another host or path than the
 * upstream's, with another header than those of `request.ts`, for a model outside the list, or after
 * the day's tokens are used up. Does NOT guarantee: that a user never exceeds the day's tokens. The
 * requests of a moment are admitted together, `MAX_REQUESTS` at most, and each may be as long as the
 * model permits.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HttpRefusal } from "../agentcore/http-refusal.ts";
import { isLoopbackHost } from "../agentcore/loopback.ts";
import { readBody } from "../agentcore/read-body.ts";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import type { ModelCredential } from "./credential.ts";
import { ModelProvider } from "./provider.ts";
import { ModelRefusal, NO_RETRY } from "./refusal.ts";
import { forwardedHeaders, isAllowed, modelRequest, returnedHeaders, routeOf } from "./request.ts";
import type { ModelApi, Route, Upstream } from "./upstream.ts";
import { estimatedInput, totalOf, type Usage, UsageMeter } from "./usage.ts";
import { dayOf, type UsageLedger } from "./usage-ledger.ts";

export interface EndpointOptions {
	/** 0: any free port. */
	readonly port: number;
	/** Of this boot; the agent sends it as `x-api-key` or as `Authorization: Bearer`. */
	readonly token: string;
	readonly upstream: Upstream;
	readonly credential: ModelCredential;
	/** Ids, or beginnings followed by `*`; undefined: every model. */
	readonly models: readonly string[] | undefined;
	readonly ledger: UsageLedger;
	/** Undefined: no limit. */
	readonly dailyTokens: number | undefined;
	readonly logger: Logger;
	readonly now?: () => number;
}

export interface RunningEndpoint {
	readonly port: number;
	/** Ends running requests. */
	close(): Promise<void>;
}

/** Bedrock's limit is 25 MB of body, Anthropic's 32 MB. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;
/** An agent with its subagents. */
const MAX_REQUESTS = 32;
const LIMITS = {
	maxHeaderSize: 16 * 1024,
	headersTimeout: 10_000,
	requestTimeout: 120_000,
	// The agent closes idle connections: one that the server closes may carry its next request.
	keepAliveTimeout: 0,
};
const HOST = "127.0.0.1";

/** @throws SidecarError USAGE: the port is taken */
export async function startModelEndpoint(options: EndpointOptions): Promise<RunningEndpoint> {
	const { port, upstream, logger } = options;
	const provider = new ModelProvider(options.credential);
	const endpoint = new ModelEndpoint(options, provider);
	const server = createServer(LIMITS, (incoming, outgoing) => {
		endpoint.answer(incoming, outgoing).catch((error: unknown) => {
			logger.error("model.failed", { error });
			outgoing.destroy();
		});
	});
	server.listen(port, HOST);
	await once(server, "listening").catch((cause: NodeJS.ErrnoException) => {
		throw new SidecarError("USAGE", {
			value: `${HOST}:${port}`,
			reason: `the model endpoint cannot listen there: ${cause.code}`,
			remedy: "free the port, or name another with --model-port",
			cause,
		});
	});
	const { port: bound } = server.address() as AddressInfo;
	logger.info("model.listening", { port: bound, upstream: upstream.name });
	return {
		port: bound,
		close: async () => {
			await closed(server);
			provider.close();
		},
	};
}

async function closed(server: Server): Promise<void> {
	const close = once(server, "close");
	server.close();
	server.closeAllConnections();
	await close;
}

/** A request that may go to the provider. */
interface Admitted {
	readonly route: Route;
	readonly model: string;
	readonly body: Buffer;
}

class ModelEndpoint {
	readonly #options: EndpointOptions;
	readonly #provider: ModelProvider;
	readonly #now: () => number;
	#running = 0;

	constructor(options: EndpointOptions, provider: ModelProvider) {
		this.#options = options;
		this.#provider = provider;
		this.#now = options.now ?? Date.now;
	}

	async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
		const disconnect = new AbortController();
		outgoing.once("close", () => disconnect.abort(new Error("the agent disconnected")));
		this.#running++;
		try {
			const admitted = await this.#admit(incoming);
			await this.#forward(admitted, incoming, outgoing, disconnect.signal);
		} catch (error) {
			if (disconnect.signal.aborted || outgoing.headersSent) {
				// Too late for an answer: the agent sees that the connection ends.
				outgoing.destroy();
				return;
			}
			this.#refuse(error, incoming, outgoing);
		} finally {
			this.#running--;
		}
	}

	/** Each check is one line; the order is from the cheapest. */
	async #admit(incoming: IncomingMessage): Promise<Admitted> {
		const { upstream, token, models } = this.#options;
		const { headers, method, url } = incoming;
		if (!isLoopbackHost(headers.host)) throw denied(403, "the Host header is not this machine's");
		if (!isToken(headers, token)) throw denied(401, "the key is not this boot's");
		const route = routeOf(upstream, method, url);
		if (route === undefined) throw unsupported(upstream);
		if (this.#running > MAX_REQUESTS) throw tooMany();
		const { model, body } = modelRequest(await readBody(incoming, MAX_BODY_BYTES));
		if (!isAllowed(model, models)) throw notAllowed(model);
		this.#requireBudget();
		return { route, model, body };
	}

	#requireBudget(): void {
		const { dailyTokens, ledger } = this.#options;
		const used = ledger.read(dayOf(this.#now()));
		if (dailyTokens === undefined || used < dailyTokens) return;
		const message = `today's ${dailyTokens} model tokens of this user are used up; the next day begins at 00:00 UTC`;
		const error = new SidecarError("MODEL_BUDGET_SPENT", { reason: `${used} of ${dailyTokens}` });
		throw new ModelRefusal(429, message, error, NO_RETRY);
	}

	async #forward(
		{ route, model, body }: Admitted,
		incoming: IncomingMessage,
		outgoing: ServerResponse,
		signal: AbortSignal,
	): Promise<void> {
		const startedMs = this.#now();
		const { api } = route;
		const headers = forwardedHeaders(api, incoming.headers);
		let response: IncomingMessage;
		try {
			response = await this.#provider.send({ route, model, headers, body }, signal);
		} catch (error) {
			// The provider may have charged for what it began.
			if (signal.aborted)
				this.#charge(model, startedMs, {
					inputTokens: estimatedInput(body.length),
					cachedTokens: 0,
					outputTokens: 0,
					isEstimated: true,
				});
			throw error;
		}
		const meter = new UsageMeter(api, response.headers["content-type"]);
		outgoing.writeHead(response.statusCode ?? 200, returnedHeaders(response.headers));
		outgoing.flushHeaders();
		const copy = new Transform({
			transform(chunk: Buffer, _, pass) {
				meter.push(chunk);
				pass(null, chunk);
			},
		});
		// Before the pipeline ends the agent's connection, which then looks like a disconnect.
		response.once("error", (error) => {
			if (!signal.aborted) this.#options.logger.warn("model.cut", { model, error });
		});
		try {
			await pipeline(response, copy, outgoing);
		} finally {
			this.#charge(model, startedMs, meter.end(body.length));
		}
	}

	#charge(model: string, startedMs: number, usage: Usage): void {
		const { ledger, logger } = this.#options;
		const nowMs = this.#now();
		const day = dayOf(nowMs);
		ledger.add(day, totalOf(usage));
		logger.info("model.answered", {
			model,
			...usage,
			usedToday: ledger.read(day),
			ms: nowMs - startedMs,
		});
	}

	#refuse(error: unknown, incoming: IncomingMessage, outgoing: ServerResponse): void {
		const refusal = refusalFor(error);
		const { status, headers } = refusal;
		const isOurs = !(error instanceof ModelRefusal);
		const event =
			error instanceof Denied
				? "security.model-request-refused"
				: refusal.error.code === "MODEL_BUDGET_SPENT"
					? "model.budget-spent"
					: "model.failed";
		const level = isOurs && refusal.error.code === "INTERNAL" ? "error" : "warn";
		this.#options.logger[level](event, { status, error: isOurs ? error : refusal.error });
		const body = refusal.body(apiOfPath(incoming.url));
		outgoing
			.writeHead(status, {
				"content-type": "application/json",
				"content-length": Buffer.byteLength(body),
				// The rest of the body is not read.
				...(!incoming.complete && { connection: "close" }),
				...headers,
			})
			.end(body);
	}
}

/** A request that a correct agent does not send. */
class Denied extends ModelRefusal {}

const denied = (status: number, reason: string) =>
	new Denied(status, reason, new SidecarError("REQUEST_INVALID", { reason }), NO_RETRY);

function unsupported({ routes }: Upstream): Denied {
	const message = `unsupported request; this endpoint has POST ${[...routes.keys()].join(" and ")}`;
	const error = new SidecarError("REQUEST_INVALID", { reason: "not a path of the model's" });
	return new Denied(404, message, error, NO_RETRY);
}

function tooMany(): ModelRefusal {
	const reason = `more than ${MAX_REQUESTS} requests at a time`;
	return new ModelRefusal(429, reason, new SidecarError("NOT_READY", { reason }));
}

function notAllowed(model: string): Denied {
	const remedy = "add it to --model-ids, or correct the model in the agent's configuration";
	const reason = "it is not in --model-ids";
	const error = new SidecarError("MODEL_DENIED", { value: model, reason, remedy });
	return new Denied(403, "the operator does not allow this model", error, NO_RETRY);
}

function refusalFor(error: unknown): ModelRefusal {
	if (error instanceof ModelRefusal) return error;
	if (error instanceof HttpRefusal)
		return new ModelRefusal(error.status, error.error.message, error.error);
	if (error instanceof SidecarError && error.code === "MODEL_REQUEST_REFUSED")
		return new ModelRefusal(400, error.message, error);
	const internal = new SidecarError("INTERNAL", { cause: error });
	return new ModelRefusal(500, "an unexpected failure; see the sidecar's log", internal);
}

/** Compares digests, so that the time tells nothing of the token. */
function isToken({ authorization, "x-api-key": key }: IncomingMessage["headers"], token: string) {
	const given = typeof key === "string" ? key : /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
	return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

const digest = (text: string) => createHash("sha256").update(text).digest();

const apiOfPath = (target: string | undefined): ModelApi =>
	target?.startsWith("/anthropic/") ? "anthropic-messages" : "openai-completions";
