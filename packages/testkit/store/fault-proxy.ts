/**
 * A proxy between a client and a real S3 server that injects faults according to a plan. Each
 * request gets at most one fault. Forwarded requests are unchanged, including the signature, so the
 * server really has, or lacks, what it was sent.
 */
import { once } from "node:events";
import {
	createServer,
	Agent as HttpAgent,
	request as httpRequest,
	type IncomingHttpHeaders,
	type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Dice } from "../dice.ts";
import { errorDocument } from "./fault-server.ts";

/** The faults of one request. `reaches`: does the server act on it? */
export const FAULTS = {
	/** Never arrives and gets no answer. */
	drop: { reaches: false },
	/** Arrives late, without any other fault. */
	delay: { reaches: true },
	/** The answer breaks off in the middle. */
	truncate: { reaches: true },
	/** The connection breaks before the server receives anything. */
	resetBefore: { reaches: false },
	/** The server stores it; the connection breaks before the answer. */
	resetAfter: { reaches: true },
	/** The server stores it and never answers. */
	dropAnswer: { reaches: true },
	error500: { reaches: false },
	/** The server stores it but answers 500. */
	error500After: { reaches: true },
	slowDown503: { reaches: false },
	conflict409: { reaches: false },
	/** Refused as if the key existed. */
	precondition412: { reaches: false },
	/** 200 with an error document as the body. */
	errorIn200: { reaches: false },
	/** Correct, but the connection is closed silently afterwards; the next request fails on it. */
	stale: { reaches: true },
	/** The server receives half of the body, then the connection breaks. */
	partialBody: { reaches: false },
	/** The server receives it twice; the second answer is returned. */
	twice: { reaches: true },
} as const satisfies Record<string, { readonly reaches: boolean }>;

export type Fault = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as Fault[];

/**
 * The inputs of a plan. They contain nothing that differs between two runs of one seed, such as a
 * pack's name.
 */
export interface Request {
	readonly verb: "PUT" | "GET" | "LIST" | "other";
	/** `log/fff…`, `packs`, or "" */
	readonly what: string;
	/** The index among requests of its kind, from 0. */
	readonly nth: number;
}

export type FaultPlan = (request: Request) => Fault | undefined;

/** Each request has its own fate, independent of the order of arrival. */
export function seededPlan(
	seed: number,
	rate: number,
	faults: readonly Fault[] = FAULT_NAMES,
): FaultPlan {
	return ({ verb, what, nth }) => {
		let mixed = seed;
		for (const char of `${verb} ${what} ${nth}`)
			mixed = Math.imul(mixed ^ char.charCodeAt(0), 0x01000193);
		const dice = new Dice(mixed);
		return dice.chance(rate) ? dice.oneOf(faults) : undefined;
	};
}

export interface FaultProxy {
	readonly endpoint: string;
	/** Can be replaced at any time. */
	plan: FaultPlan;
	/** The number of times that each fault occurred. */
	readonly happened: ReadonlyMap<Fault, number>;
	readonly requests: number;
	stop(): Promise<void>;
}

interface Incoming {
	readonly method: string;
	readonly url: string;
	readonly headers: IncomingHttpHeaders;
	readonly body: Buffer;
	readonly socket: Socket;
}

interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: Buffer;
}

const DELAY_MS = 50;

/** @param target the server's endpoint, `http://host:port` */
export async function startFaultProxy(
	target: string,
	plan: FaultPlan = () => undefined,
): Promise<FaultProxy> {
	const happened = new Map<Fault, number>();
	const counts = new Map<string, number>();
	const agent = new HttpAgent({ keepAlive: true });
	let requests = 0;
	const server = createServer(async (incoming, response) => {
		const body = await buffer(incoming).catch(() => undefined);
		// The client disconnected in the middle of its request.
		if (body === undefined) return;
		const { method = "", url = "", headers, socket } = incoming;
		const request = { method, url, headers, socket, body };
		const kind = kindOf(request);
		const name = `${kind.verb} ${kind.what}`;
		const nth = counts.get(name) ?? 0;
		counts.set(name, nth + 1);
		requests++;
		const fault = proxy.plan({ ...kind, nth });
		if (fault !== undefined) happened.set(fault, (happened.get(fault) ?? 0) + 1);
		await serve(new URL(target), agent, request, response, fault).catch(() => socket.destroy());
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const proxy = {
		endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		plan,
		happened,
		get requests() {
			return requests;
		},
		stop: async () => {
			server.close();
			server.closeAllConnections();
			agent.destroy();
			await once(server, "close");
		},
	};
	return proxy;
}

function kindOf({ method, url }: Incoming): Omit<Request, "nth"> {
	const { pathname, searchParams } = new URL(url, "http://x");
	if (method === "GET" && searchParams.has("list-type")) return { verb: "LIST", what: "" };
	const what =
		/\/(log\/[0-9a-f]{12})$/.exec(pathname)?.[1] ?? (pathname.includes("/packs/") ? "packs" : "");
	return { verb: method === "PUT" || method === "GET" ? method : "other", what };
}

async function serve(
	target: URL,
	agent: HttpAgent,
	request: Incoming,
	response: ServerResponse,
	fault: Fault | undefined,
): Promise<void> {
	const { socket } = request;
	const forward = (part?: number) => forwardTo(target, agent, request, part);
	const say = (status: number, code: string) => {
		const body = errorDocument(code);
		response
			.writeHead(status, {
				"content-type": "application/xml",
				"content-length": Buffer.byteLength(body),
				etag: '"e"',
			})
			.end(body);
	};
	switch (fault) {
		case "drop":
			return;
		case "dropAnswer":
			await forward();
			return;
		case "delay":
			await sleep(DELAY_MS);
			return pass(response, await forward());
		case "truncate": {
			const { status, headers, body } = await forward();
			// The answer to a PUT has no body, so its head is cut.
			if (body.length < 2) socket.end(`HTTP/1.1 ${status} OK\r\nETag:`);
			else {
				response.writeHead(status, { ...headers, "content-length": body.length });
				response.write(body.subarray(0, body.length >> 1), () => socket.destroy());
			}
			return;
		}
		case "resetBefore":
			socket.resetAndDestroy();
			return;
		case "resetAfter":
			await forward();
			socket.resetAndDestroy();
			return;
		case "error500After":
			await forward();
			return say(500, "InternalError");
		case "error500":
			return say(500, "InternalError");
		case "slowDown503":
			return say(503, "SlowDown");
		case "conflict409":
			return say(409, "ConditionalRequestConflict");
		case "precondition412":
			return say(412, "PreconditionFailed");
		case "errorIn200":
			return say(200, "InternalError");
		case "partialBody":
			await forward(request.body.length >> 1).catch(() => undefined);
			socket.resetAndDestroy();
			return;
		case "twice":
			await forward();
			return pass(response, await forward());
		case "stale":
			response.on("finish", () => socket.destroySoon());
			return pass(response, await forward());
		case undefined:
			return pass(response, await forward());
	}
}

function pass(response: ServerResponse, { status, headers, body }: Answer): void {
	response.writeHead(status, headers).end(body);
}

/** @param part send this many bytes of the body, then disconnect */
async function forwardTo(
	target: URL,
	agent: HttpAgent,
	{ method, url, headers, body }: Incoming,
	part?: number,
): Promise<Answer> {
	const { hostname, port } = target;
	const upstream = httpRequest({
		hostname,
		port,
		agent,
		method,
		path: url,
		headers,
		setHost: false,
	});
	if (part !== undefined) {
		upstream.on("error", () => {});
		upstream.write(body.subarray(0, part), () => upstream.destroy());
		await once(upstream, "close");
		throw new Error("broken off");
	}
	upstream.end(body);
	const [answer] = await once(upstream, "response");
	const { "transfer-encoding": _, connection: __, ...kept } = answer.headers as IncomingHttpHeaders;
	const bytes = await buffer(answer);
	// The whole body was read, so its length is known. For a HEAD, the length is that of the body not
	// sent.
	if (method !== "HEAD") kept["content-length"] = String(bytes.length);
	return { status: answer.statusCode ?? 0, headers: kept, body: bytes };
}
