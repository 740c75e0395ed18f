/**
 * The WebSocket side of OpenClaw's gateway, as seen with 2026.9.6: the challenge, the handshake of
 * its local backends, answers and events. The test decides what its methods do.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

export interface FakeRefusal {
	readonly code: string;
	readonly message: string;
	readonly details?: object;
	readonly retryable?: boolean;
	readonly retryAfterMs?: number;
}

export type FakeAnswer = { readonly payload: unknown } | { readonly error: FakeRefusal };

export interface FakeCall {
	readonly method: string;
	readonly params: Readonly<Record<string, unknown>>;
	readonly socket: WebSocket;
	/** To the caller alone. */
	emit(event: string, payload: unknown): void;
}

type Method = (call: FakeCall) => FakeAnswer | Promise<FakeAnswer>;

export interface FakeSession {
	readonly status: string;
	readonly startedAt: number;
	readonly endedAt?: number;
}

interface Request {
	readonly type: string;
	readonly id: string;
	readonly method: string;
	readonly params: Record<string, unknown>;
}

const MAX_PAYLOAD = 26_214_400;

export class FakeGatewayServer implements AsyncDisposable {
	readonly url: string;
	readonly token = "fake-token";
	readonly calls: { readonly method: string; readonly params: object }[] = [];
	/** By name. An unknown one is refused. */
	readonly methods = new Map<string, Method>([
		["health", () => ({ payload: { ok: true, defaultAgentId: "main" } })],
		["chat.send", chatSend],
		["commands.list", () => ({ payload: { commands: COMMANDS } })],
		[
			"sessions.describe",
			({ params: { key } }) => ({ payload: { session: this.sessions.get(String(key)) ?? null } }),
		],
		[
			"sessions.abort",
			({ params: { key } }) => ({
				payload: {
					ok: true,
					status:
						this.sessions.get(String(key))?.status === "running" ? "aborted" : "no-active-run",
				},
			}),
		],
	]);
	/** By key. */
	readonly sessions = new Map<string, FakeSession>();
	/** Refusals of the next handshakes, in order. */
	readonly refusals: FakeRefusal[] = [];
	/** What a client gets that introduced itself in the right way. */
	scopes: readonly string[] = ["operator.admin"];
	isChallenging = true;
	readonly #http: Server;
	readonly #sockets: WebSocketServer;

	private constructor(http: Server) {
		this.#http = http;
		this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
		this.#sockets = new WebSocketServer({ server: http, maxPayload: MAX_PAYLOAD });
		this.#sockets.on("connection", (socket, request) => this.#welcome(socket, request));
	}

	static async start(): Promise<FakeGatewayServer> {
		const http = createServer().listen(0, "127.0.0.1");
		await once(http, "listening");
		return new FakeGatewayServer(http);
	}

	get connections(): number {
		return this.#sockets.clients.size;
	}

	/** Ends every connection without a closing handshake, as the end of the process does. */
	dropConnections(): void {
		for (const socket of this.#sockets.clients) socket.terminate();
	}

	#welcome(socket: WebSocket, request: IncomingMessage): void {
		const send = (frame: object) => socket.send(JSON.stringify(frame));
		const emit = (event: string, payload: unknown) => send({ type: "event", event, payload });
		let isConnected = false;
		socket.on("message", async (data: Buffer) => {
			const { id, method, params }: Request = JSON.parse(data.toString());
			const answer = (given: FakeAnswer) =>
				send({ type: "res", id, ok: "payload" in given, ...given });
			if (!isConnected) {
				const refusal = method === "connect" ? this.#judge(params, request) : INVALID_HANDSHAKE;
				if (refusal === undefined) {
					isConnected = true;
					answer({ payload: this.#hello(params) });
				} else {
					answer({ error: refusal });
					socket.close(1008, refusal.message);
				}
				return;
			}
			this.calls.push({ method, params });
			const run = this.methods.get(method);
			answer(
				run === undefined
					? { error: { code: "INVALID_REQUEST", message: `unknown method: ${method}` } }
					: await run({ method, params, socket, emit }),
			);
		});
		if (this.isChallenging) emit("connect.challenge", { nonce: "nonce-1", ts: Date.now() });
	}

	#judge(params: Request["params"], request: IncomingMessage): FakeRefusal | undefined {
		const next = this.refusals.shift();
		if (next !== undefined) return next;
		const { client, auth } = params as {
			readonly client?: { readonly id?: string };
			readonly auth?: { readonly token?: string };
		};
		if (client?.id !== "gateway-client" || request.headers.origin !== undefined)
			return INVALID_HANDSHAKE;
		if (auth?.token === undefined)
			return {
				code: "NOT_PAIRED",
				message: "device identity required",
				details: { code: "DEVICE_IDENTITY_REQUIRED" },
			};
		if (auth.token !== this.token)
			return {
				code: "INVALID_REQUEST",
				message: "unauthorized: gateway token mismatch (provide gateway auth token)",
				details: { code: "AUTH_TOKEN_MISMATCH" },
			};
		return undefined;
	}

	/** Another mode than that of a backend gets no scopes. */
	#hello({ client, role }: Request["params"]): object {
		const { mode } = client as { readonly mode?: string };
		return {
			type: "hello-ok",
			protocol: 4,
			auth: { role, scopes: mode === "backend" ? this.scopes : [] },
			policy: { maxPayload: MAX_PAYLOAD },
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.dropConnections();
		this.#sockets.close();
		this.#http.close();
		await once(this.#http, "close");
	}
}

/** Some of those that `commands.list` names. */
const COMMANDS = [
	{ name: "help", textAliases: ["/help"], acceptsArgs: false },
	{ name: "status", textAliases: ["/status"], acceptsArgs: true },
	{ name: "think", textAliases: ["/think", "/thinking", "/t"], acceptsArgs: true },
	{ name: "reset", textAliases: ["/reset"], acceptsArgs: true },
	{ name: "stop", textAliases: ["/stop"], acceptsArgs: false },
	{ name: "undo", textAliases: ["/undo"], acceptsArgs: true },
];

const INVALID_HANDSHAKE: FakeRefusal = {
	code: "INVALID_REQUEST",
	message: "invalid handshake: first request must be connect",
};

/** Accepted at once; the answer follows as an event. */
function chatSend({ params, emit }: FakeCall): FakeAnswer {
	const { sessionKey, message, idempotencyKey: runId } = params;
	if (typeof sessionKey !== "string" || typeof message !== "string")
		return { error: { code: "INVALID_REQUEST", message: "invalid chat.send params" } };
	setImmediate(() =>
		emit("chat", {
			runId,
			sessionKey,
			seq: 1,
			state: "final",
			message: { role: "assistant", content: [{ type: "text", text: `did ${message}` }] },
		}),
	);
	return { payload: { runId, status: "started" } };
}
