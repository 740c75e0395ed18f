/**
 * The agent's HTTP API on this machine: checks whether it is ready, and forwards invocations.
 *
 * Forwards a stream piece by piece, at its reader's pace; a prompt's as texts. If the caller disconnects, the request to
 * the agent ends too. The agent's errors are never passed on as the sidecar's own: a 401 from the
 * agent means that the sidecar's token is wrong, not the caller's.
 */
import {
	Agent,
	type ClientRequest,
	type IncomingMessage,
	request,
	type ServerResponse,
} from "node:http";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { printable, SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import { answerText, EVENT_HEADERS } from "./answer-text.ts";
import type { AgentDialect } from "./dialect.ts";
import { eventData, eventOf } from "./event-stream.ts";
import { AgentFailure, HttpRefusal, refusalOf, refuse } from "./http-refusal.ts";
import { AGENT_PATHS, type Invocation, promptAnswer, promptPart } from "./invocation.ts";

export interface AgentApiOptions {
	/** E.g. `http://127.0.0.1:18789`. */
	readonly url: string;
	/**
	 * Answers 200 with JSON when the agent is ready; OpenClaw answers unknown paths with 200 and a
	 * page.
	 */
	readonly readyPath: string;
	/** Read at each request, since it is created late; undefined: the agent needs none. */
	readonly token: () => string | undefined;
	/** The machine is ending, and the agent with it. Default: never. */
	readonly isEnding?: () => boolean;
	/** Read at each request, as the token. */
	readonly dialect?: () => AgentDialect | undefined;
	readonly logger: Logger;
}

export interface Forwarded {
	readonly invocation: Invocation;
	/** Sent as `user`. */
	readonly namespace: string;
	/** Passed on: they link traces. */
	readonly traceHeaders: Readonly<Record<string, string>>;
}

/**
 * The platform's limit: a synchronous answer may take 15 minutes, and so may a pause in a stream.
 */
const IDLE_TIMEOUT_MS = 15 * 60_000;
const CONNECT_TIMEOUT_MS = 2_000;
const MAX_JSON_BYTES = 100_000_000;
/** Size of an agent's refusal that is shown to the caller. */
const MAX_ERROR_BYTES = 4_096;
/**
 * Until something listens, which OpenClaw does for the last tenth of its start. A refused
 * connection costs 0.5 ms of the processors that start the agent.
 */
const LISTEN_POLL_MS = 200;
/**
 * The longest that a waiting request is not sent although the agent is ready. A shorter interval
 * costs the agent more than it gains: 1 ms per answer, for about a second.
 */
const READY_POLL_MS = 40;
const NOT_ADMITTED = "gateway_unavailable";
const SWITCH_ON =
	"set gateway.http.endpoints.chatCompletions.enabled and .responses.enabled to true in its openclaw.json";
const LEAVE_TOKEN =
	"remove gateway.auth from its openclaw.json, or set its token there as text or as a variable: other sources are not read";

export class AgentApi {
	readonly #options: AgentApiOptions;
	/**
	 * A new connection for each request. OpenClaw may compute for longer than it keeps an idle
	 * connection open (5 s), for example right after it reports ready. It resets a message on such a
	 * connection unread. A new connection costs 0.1 ms on this machine.
	 */
	readonly #connections = new Agent({ keepAlive: false });
	#listens = false;

	constructor(options: AgentApiOptions) {
		this.#options = options;
	}

	close(): void {
		this.#connections.destroy();
	}

	/** @throws the signal's reason */
	async waitUntilReady(signal: AbortSignal): Promise<void> {
		const started = performance.now();
		while (!(await this.isReady(signal)))
			await delay(this.#listens ? READY_POLL_MS : LISTEN_POLL_MS, undefined, { signal });
		this.#options.logger.info("agent.ready", { ms: Math.round(performance.now() - started) });
	}

	async isReady(signal: AbortSignal): Promise<boolean> {
		try {
			const response = await this.#ask(
				"GET",
				this.#options.readyPath,
				{},
				undefined,
				signal,
				CONNECT_TIMEOUT_MS,
			);
			this.#listens = true;
			const text = await readText(response, MAX_ERROR_BYTES * 16);
			if (response.statusCode !== 200 || !isJson(response)) return false;
			JSON.parse(text);
			return true;
		} catch {
			signal.throwIfAborted();
			return false;
		}
	}

	/**
	 * Answers the caller with the agent's answer. After it returns or throws, the request
	 * is over.
	 * @throws HttpRefusal if no part of an answer was sent yet
	 */
	async forward(request: Forwarded, caller: ServerResponse, signal: AbortSignal): Promise<void> {
		const dialect = this.#options.dialect?.();
		const invocation = dialect?.translate(request.invocation) ?? request.invocation;
		const translated = { ...request, invocation };
		const said = await dialect?.command(translated, signal);
		if (said !== undefined) return answerText(invocation, said, caller);
		const send = (until: AbortSignal) => this.#turn(translated, caller, until);
		try {
			await (dialect === undefined ? send(signal) : dialect.turn(translated, signal, send));
		} catch (error) {
			if (!caller.headersSent || caller.destroyed) throw error;
			endWithError(caller, error);
		}
	}

	async #turn(
		{ invocation: { kind, isStream, body }, namespace, traceHeaders }: Forwarded,
		caller: ServerResponse,
		signal: AbortSignal,
	): Promise<void> {
		const headers = {
			accept: isStream ? "text/event-stream" : "application/json",
			"content-type": "application/json",
			...traceHeaders,
		};
		const response = await this.#answer(
			AGENT_PATHS[kind],
			headers,
			JSON.stringify({ ...body, user: namespace }),
			signal,
		);
		if (kind === "prompt" && !isStream) return await this.#answerPrompt(response, caller);
		if (!caller.headersSent)
			caller.writeHead(200, {
				...EVENT_HEADERS,
				"content-type": response.headers["content-type"] ?? "application/json",
			});
		// The caller learns that there is an answer before its first event.
		caller.flushHeaders();
		const isTexts = kind === "prompt" && isEvents(response);
		await this.#pass(isTexts ? this.#texts(response) : response, caller, isStream, signal);
	}

	/** Events as the platform's own SDK sends them: each is a JSON text. */
	async *#texts(response: IncomingMessage): AsyncGenerator<string> {
		let isBegun = false;
		for await (const data of eventData(response)) {
			if (data === "[DONE]") return;
			const chunk: unknown = JSON.parse(data);
			const failure = (chunk as { readonly error?: unknown } | null)?.error;
			if (failure !== undefined) {
				const error = this.#unreachable(`it fails: ${printable(JSON.stringify(failure), 1_000)}`);
				throw isBegun ? error : new AgentFailure(500, error);
			}
			const text = promptPart(chunk);
			if (text === undefined) continue;
			isBegun = true;
			yield eventOf(text);
		}
	}

	async #answer(
		path: string,
		headers: Record<string, string>,
		body: string,
		signal: AbortSignal,
	): Promise<IncomingMessage> {
		let response: IncomingMessage;
		try {
			response = await this.#ask("POST", path, headers, body, signal, IDLE_TIMEOUT_MS);
		} catch (error) {
			signal.throwIfAborted();
			const { code, message } = error as NodeJS.ErrnoException;
			// Nothing listens there: the agent crashed, and is being restarted.
			if (code === "ECONNREFUSED")
				throw refuseAgent(503, this.#unreachable(code), { "retry-after": "5" });
			throw this.#broken(code ?? message);
		}
		const { statusCode = 0 } = response;
		if (statusCode === 200 && (isJson(response) || isEvents(response))) return response;
		const text = printable(await readText(response, MAX_ERROR_BYTES).catch(() => ""), 1_000);
		throw this.#judge(statusCode, text, response.headers["retry-after"]);
	}

	#judge(status: number, text: string, retryAfter: string | undefined): HttpRefusal {
		const said = `it answers ${status}${text === "" ? "" : `: ${text}`}`;
		if (status === 200)
			return refuseAgent(
				502,
				this.#unreachable("it answered with a web page: its HTTP API is off", SWITCH_ON),
			);
		// OpenClaw's own words for "not admitted", while it drains.
		if (status === 503 && text.includes(NOT_ADMITTED))
			return refuseAgent(503, this.#unreachable(said), { "retry-after": retryAfter ?? "5" });
		if (status === 401 || status === 403)
			return refuseAgent(
				502,
				this.#unreachable(
					`it does not accept our token, or its model denies access: ${said}`,
					LEAVE_TOKEN,
				),
			);
		if (status === 404 || status === 405)
			return refuseAgent(
				502,
				this.#unreachable(`its HTTP API is off, or its model is unknown: ${said}`, SWITCH_ON),
			);
		// OpenClaw passes the status of its model on, also in the middle of a turn. So no other status may
		// say that the turn has not begun: a queue would ask again.
		if (status >= 400 && status < 500 && status !== 408 && status !== 429)
			return refuse(422, "REQUEST_INVALID", { reason: `the agent refuses it: ${said}` });
		return new AgentFailure(status, this.#broken(said));
	}

	async #answerPrompt(response: IncomingMessage, caller: ServerResponse): Promise<void> {
		let completion: unknown;
		try {
			completion = JSON.parse(await readText(response, MAX_JSON_BYTES));
		} catch (error) {
			throw this.#broken(`its answer was cut off: ${(error as Error).message}`);
		}
		const answer = promptAnswer(completion);
		if (answer === undefined) throw this.#unreachable("its answer has no text");
		const text = Buffer.from(JSON.stringify(answer));
		caller
			.writeHead(200, { "content-type": "application/json", "content-length": text.length })
			.end(text);
	}

	/**
	 * A broken stream ends with an error event; a broken JSON text stays unfinished, so that nobody
	 * mistakes it for complete.
	 * @throws AgentFailure
	 */
	async #pass(
		answer: IncomingMessage | AsyncIterable<string>,
		caller: ServerResponse,
		isStream: boolean,
		signal: AbortSignal,
	): Promise<void> {
		try {
			await pipeline(answer, caller, { end: false });
			caller.end();
		} catch (error) {
			if (caller.destroyed) return;
			if (error instanceof AgentFailure) throw error;
			this.#options.logger.warn("agent.answer-broken", { error });
			if (!isStream) caller.destroy();
			else if (signal.aborted) endWithError(caller, signal.reason);
			else if (error instanceof SidecarError) endWithError(caller, error);
			else endWithError(caller, this.#broken("its answer was cut off"));
		}
	}

	#ask(
		method: string,
		path: string,
		headers: Record<string, string>,
		body: string | undefined,
		signal: AbortSignal,
		timeoutMs: number,
	): Promise<IncomingMessage> {
		const { url } = this.#options;
		const token = this.#options.token();
		return new Promise((resolve, reject) => {
			const call: ClientRequest = request(
				new URL(path, url),
				{
					method,
					agent: this.#connections,
					signal,
					timeout: timeoutMs,
					headers: {
						...headers,
						...(token !== undefined && { authorization: `Bearer ${token}` }),
						...(body !== undefined && { "content-length": Buffer.byteLength(body) }),
					},
				},
				resolve,
			);
			call.on("timeout", () => call.destroy(new Error(`no data for ${timeoutMs} ms`)));
			call.on("error", reject);
			call.end(body);
		});
	}

	/** The agent had the request, and did not complete its answer. */
	#broken(reason: string): SidecarError {
		return this.#options.isEnding?.() === true
			? new SidecarError("TURN_INTERRUPTED", { reason })
			: this.#unreachable(reason);
	}

	#unreachable(reason: string, remedy?: string): SidecarError {
		return new SidecarError("AGENT_UNREACHABLE", {
			value: this.#options.url,
			reason,
			...(remedy !== undefined && { remedy }),
		});
	}
}

const endWithError = (caller: ServerResponse, error: unknown) =>
	void caller.end(`\n\n${eventOf(refusalOf(error).body, "error")}`);

const refuseAgent = (
	status: number,
	error: SidecarError,
	headers?: Readonly<Record<string, string>>,
) => new HttpRefusal(status, error, headers);

const isJson = ({ headers }: IncomingMessage) =>
	/^application\/(?:[\w.-]+\+)?json\b/i.test(headers["content-type"] ?? "");
const isEvents = ({ headers }: IncomingMessage) =>
	/^text\/event-stream\b/i.test(headers["content-type"] ?? "");

/** Text beyond the limit is dropped, and the connection with it. */
async function readText(response: IncomingMessage, limitBytes: number): Promise<string> {
	const parts: Buffer[] = [];
	let sizeBytes = 0;
	for await (const part of response as AsyncIterable<Buffer>) {
		parts.push(part);
		sizeBytes += part.length;
		if (sizeBytes > limitBytes) break;
	}
	return Buffer.concat(parts).subarray(0, limitBytes).toString("utf8");
}
