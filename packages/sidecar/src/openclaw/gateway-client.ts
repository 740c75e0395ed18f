/**
 * A client of OpenClaw's gateway over its WebSocket, as a local backend: the shared secret, no
 * device identity, no Origin header.
 *
 * Guarantees: `connectGateway` returns only with the scope that its calls need. Each call ends: with
 * the gateway's answer, or with AGENT_UNREACHABLE when its time is over or the connection ends. The
 * secret appears in no error.
 *
 * Does not guarantee that a call without an answer had no effect, nor that no event is missed after
 * the connection ends: nothing is connected again.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { printable, SidecarError } from "../errors.ts";

export interface GatewayOptions {
	/** E.g. `http://127.0.0.1:18789`; `ws:` does as well. */
	readonly url: string;
	/** The gateway's token or password. */
	readonly token: string | undefined;
	/** Ends the connection, at any time. */
	readonly signal?: AbortSignal | undefined;
	/** For connecting. Default 10 s: a gateway that has just become ready computes for seconds. */
	readonly timeoutMs?: number;
}

export interface GatewayConnection {
	/**
	 * @throws SidecarError AGENT_UNREACHABLE: no answer; the signal's reason
	 */
	call(
		method: string,
		params: object,
		options?: { readonly timeoutMs?: number },
	): Promise<GatewayAnswer>;
	readonly events: {
		/** Calls `listener` for each event from now on. @returns ends that */
		subscribe(listener: (event: GatewayEvent) => void): () => void;
	};
	/** Aborted when the connection has ended; its reason is the error that pending calls got. */
	readonly ended: AbortSignal;
	/** Resolves when the connection has ended. */
	close(): Promise<void>;
}

export type GatewayAnswer = { readonly kind: "ok"; readonly payload: unknown } | GatewayRefusal;

/** The gateway's own error. It ran nothing, unless the method documents otherwise. */
export interface GatewayRefusal {
	readonly kind: "refused";
	/** E.g. `INVALID_REQUEST`, `UNAVAILABLE`. */
	readonly code: string;
	/** E.g. `AUTH_TOKEN_MISMATCH`. */
	readonly detail: string | undefined;
	readonly message: string;
	/** When to send the same call again; undefined: it would be refused again. */
	readonly retryAfterMs: number | undefined;
}

export interface GatewayEvent {
	/** E.g. `chat`. */
	readonly name: string;
	readonly payload: unknown;
}

const PROTOCOL = 4;
const CONNECT_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 30_000;
const RETRY_AFTER_MS = 500;
/** Until the gateway confirms that the connection is closed. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The gateway's own limits: for what it receives, and for what it holds back for a slow reader. */
const MAX_SENT_BYTES = 25 * 1024 * 1024;
const MAX_RECEIVED_CHARS = 50 * 1024 * 1024;
const SCOPE = "operator.admin";
/** The gateway's first event. No call has this id. */
const CHALLENGE = "connect.challenge";
const CHECK_TOKEN =
	"leave gateway.auth out of its openclaw.json, or give it a token as text or as a variable there: other places are not read";

/** @throws SidecarError AGENT_UNREACHABLE; the signal's reason */
export async function connectGateway(options: GatewayOptions): Promise<GatewayConnection> {
	const { url, token, signal, timeoutMs = CONNECT_TIMEOUT_MS } = options;
	const until = performance.now() + timeoutMs;
	for (;;) {
		signal?.throwIfAborted();
		const socket = new WebSocket(url.replace(/^http/, "ws"));
		const connection = new Connection(url, socket, signal);
		try {
			const answer = await connection.introduce(token, until - performance.now());
			if (answer.kind === "ok") return connection;
			// While it starts, it tells when to try again.
			const { retryAfterMs = Number.POSITIVE_INFINITY } = answer;
			if (performance.now() + retryAfterMs >= until)
				throw unreachable(url, `it refuses its client: ${refusalText(answer)}`, CHECK_TOKEN);
			await connection.close();
			await delay(retryAfterMs, undefined, signal && { signal });
		} catch (error) {
			await connection.close();
			throw error;
		}
	}
}

interface Settle {
	readonly resolve: (answer: GatewayAnswer) => void;
	readonly reject: (error: unknown) => void;
}

interface Frame {
	readonly type?: unknown;
	readonly id?: unknown;
	readonly event?: unknown;
	readonly ok?: unknown;
	readonly payload?: unknown;
	readonly error?: {
		readonly code?: unknown;
		readonly message?: unknown;
		readonly details?: { readonly code?: unknown };
		readonly retryable?: unknown;
		readonly retryAfterMs?: unknown;
	} | null;
}

class Connection implements GatewayConnection {
	readonly #url: string;
	readonly #socket: WebSocket;
	readonly #pending = new Map<string, Settle>();
	readonly #listeners = new Set<(event: GatewayEvent) => void>();
	readonly #end = new AbortController();
	readonly #closed: Promise<unknown>;
	readonly events = {
		subscribe: (listener: (event: GatewayEvent) => void) => {
			this.#listeners.add(listener);
			return () => void this.#listeners.delete(listener);
		},
	};

	constructor(url: string, socket: WebSocket, signal: AbortSignal | undefined) {
		this.#url = url;
		this.#socket = socket;
		this.#closed = once(socket, "close");
		socket.addEventListener("message", ({ data }) => this.#take(data));
		// An "error" event says nothing that this one does not.
		socket.addEventListener("close", ({ code, reason }) =>
			this.#fail(`the connection ended (${[code, printable(reason)].join(" ").trim()})`),
		);
		const abort = () => this.#endWith(signal?.reason);
		signal?.addEventListener("abort", abort, { once: true });
		const forget = () => signal?.removeEventListener("abort", abort);
		this.ended.addEventListener("abort", forget, { once: true });
	}

	get ended(): AbortSignal {
		return this.#end.signal;
	}

	/** @throws SidecarError AGENT_UNREACHABLE: no answer, or not the scope that calls need */
	async introduce(token: string | undefined, timeoutMs: number): Promise<GatewayAnswer> {
		const until = performance.now() + timeoutMs;
		await this.#answerTo(CHALLENGE, timeoutMs);
		const params = {
			minProtocol: PROTOCOL,
			maxProtocol: PROTOCOL,
			client: { id: "gateway-client", version: "1", platform: process.platform, mode: "backend" },
			role: "operator",
			scopes: [SCOPE],
			caps: [],
			// It takes the one that its mode asks for.
			...(token !== undefined && { auth: { token, password: token } }),
		};
		const answer = await this.call("connect", params, { timeoutMs: until - performance.now() });
		if (answer.kind === "ok") {
			const { auth } = answer.payload as { readonly auth?: { readonly scopes?: unknown } };
			if (!Array.isArray(auth?.scopes) || !auth.scopes.includes(SCOPE))
				throw unreachable(this.#url, `it gives its client no scope ${SCOPE}`, CHECK_TOKEN);
		}
		return answer;
	}

	async call(
		method: string,
		params: object,
		{ timeoutMs = CALL_TIMEOUT_MS }: { readonly timeoutMs?: number } = {},
	): Promise<GatewayAnswer> {
		this.ended.throwIfAborted();
		const id = randomUUID();
		const text = JSON.stringify({ type: "req", id, method, params });
		if (Buffer.byteLength(text) > MAX_SENT_BYTES)
			throw new SidecarError("REQUEST_INVALID", {
				value: method,
				reason: `it exceeds the ${MAX_SENT_BYTES} bytes that the gateway takes`,
			});
		const answer = this.#answerTo(id, timeoutMs, method);
		this.#socket.send(text);
		return await answer;
	}

	async close(): Promise<void> {
		this.#fail("the connection was closed here");
		await Promise.race([this.#closed, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
	}

	#answerTo(id: string, timeoutMs: number, method = "its challenge"): Promise<GatewayAnswer> {
		this.ended.throwIfAborted();
		return new Promise((resolve, reject) => {
			const settled = (settle: () => void) => {
				clearTimeout(timer);
				this.#pending.delete(id);
				settle();
			};
			const late = unreachable(this.#url, `no answer to ${method} for ${Math.round(timeoutMs)} ms`);
			const timer = setTimeout(() => settled(() => reject(late)), Math.max(1, timeoutMs));
			this.#pending.set(id, {
				resolve: (answer) => settled(() => resolve(answer)),
				reject: (error) => settled(() => reject(error)),
			});
		});
	}

	#take(data: unknown): void {
		if (this.ended.aborted) return;
		if (typeof data !== "string" || data.length > MAX_RECEIVED_CHARS)
			return this.#fail(`it sent no text of at most ${MAX_RECEIVED_CHARS} characters`);
		let frame: Frame | null;
		try {
			frame = JSON.parse(data);
		} catch {
			return this.#fail("it sent text that is not JSON");
		}
		if (frame?.type === "res") this.#pending.get(String(frame.id))?.resolve(answerOf(frame));
		if (frame?.type !== "event" || typeof frame.event !== "string") return;
		this.#pending.get(frame.event)?.resolve(answerOf({ ...frame, ok: true }));
		try {
			for (const listener of [...this.#listeners])
				listener({ name: frame.event, payload: frame.payload });
		} catch {
			// An error here would end the process. Whatever listens on the port may send anything.
			this.#fail(`its event ${printable(frame.event)} is not understood`);
		}
	}

	#fail(reason: string): void {
		this.#endWith(unreachable(this.#url, reason));
	}

	#endWith(error: unknown): void {
		if (this.ended.aborted) return;
		this.#end.abort(error);
		for (const { reject } of [...this.#pending.values()]) reject(error);
		this.#listeners.clear();
		this.#socket.close();
	}
}

function answerOf({ ok, payload, error }: Frame): GatewayAnswer {
	if (ok === true) return { kind: "ok", payload };
	const { code, message, details, retryable, retryAfterMs } = error ?? {};
	return {
		kind: "refused",
		code: String(code),
		detail: typeof details?.code === "string" ? details.code : undefined,
		message: String(message),
		retryAfterMs:
			retryable !== true
				? undefined
				: typeof retryAfterMs === "number"
					? retryAfterMs
					: RETRY_AFTER_MS,
	};
}

/** For messages: its code and its text. */
export const refusalText = ({ code, message }: GatewayRefusal) => printable(`${code}: ${message}`);

const unreachable = (value: string, reason: string, remedy?: string) =>
	new SidecarError("AGENT_UNREACHABLE", { value, reason, remedy });
