import { once } from "node:events";
import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
	type AgentRequest,
	completion,
	FakeAgent,
	json,
} from "../../../testkit/platform/fake-agent.ts";
import { SidecarError } from "../errors.ts";
import { recordingLogger } from "../telemetry/logger.ts";
import { AgentApi } from "./agent-api.ts";
import { Life } from "./life.ts";
import { type RunningServer, startServer } from "./server.ts";

const MAX_BODY_BYTES = 100_000;

let agent: FakeAgent;
let api: AgentApi;
let life: Life;
let server: RunningServer;
let logger: ReturnType<typeof recordingLogger>;
let start: () => Promise<void>;

beforeEach(async () => {
	agent = await FakeAgent.start();
	logger = recordingLogger();
	start = async () => {};
	api = new AgentApi({ url: agent.url, readyPath: "/readyz", token: () => "agent-token", logger });
	life = new Life({
		identity: {
			identify: async ({ authorization, payloadToken }) => {
				const namespace = authorization?.replace("Bearer ", "") ?? payloadToken;
				if (namespace === undefined)
					throw new SidecarError("IDENTITY_REFUSED", { reason: "the token is missing" });
				return { namespace, token: undefined };
			},
			credentials: () => undefined,
		},
		start: async () => await start(),
		notDurableForMs: () => undefined,
		maxWaiting: 10,
		waitTimeoutMs: 60_000,
		logger,
	});
	server = await startServer({
		host: "0.0.0.0",
		port: 0,
		life,
		forward: async (admitted, caller, signal) => await api.forward(admitted, caller, signal),
		status: () => ({ phase: life.phase }),
		needsToken: false,
		maxBodyBytes: MAX_BODY_BYTES,
		logger,
		timeouts: { headersMs: 400, requestMs: 800 },
	});
});
afterEach(async () => {
	api.close();
	await server.close(0);
	await agent[Symbol.asyncDispose]();
});

const at = (path: string) => `http://127.0.0.1:${server.port}${path}`;

async function invoke(
	body: object | string,
	headers: Record<string, string> = {},
): Promise<Response> {
	return await fetch(at("/invocations"), {
		method: "POST",
		headers: { "content-type": "application/json", authorization: "Bearer anna", ...headers },
		body: typeof body === "string" ? body : JSON.stringify(body),
	});
}

/** Status and code of a refusal; its body must be complete. */
async function refusal(response: Response | Promise<Response>): Promise<[number, string]> {
	const answered = await response;
	const body = (await answered.json()) as Record<string, string>;
	expect(body).toEqual({
		code: expect.any(String),
		message: expect.any(String),
		remedy: expect.any(String),
	});
	return [answered.status, body.code as string];
}

/** An event of an agent's streamed chat completion. */
function chunk(content: string): string {
	return `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
}

/** The answer to a raw client. */
async function raw(text: string | Buffer, address = "127.0.0.1"): Promise<string> {
	const socket = connect(server.port, address);
	socket.on("error", () => {});
	await once(socket, "connect");
	socket.write(text);
	let answer = "";
	socket.on("data", (part) => {
		answer += part;
	});
	await new Promise((resolve) => socket.once("close", resolve));
	return answer;
}

describe("GET /ping", () => {
	test("answers from the first moment, and starts nothing", async () => {
		const response = await fetch(at("/ping"));
		expect([response.status, response.headers.get("content-type")]).toEqual([
			200,
			expect.stringContaining("application/json"),
		]);
		expect(await response.json()).toEqual({
			status: "Healthy",
			time_of_last_update: expect.any(Number),
		});
		expect(life.phase).toBe("waiting");
	});

	test("is busy, and answered, while the first request starts the machine", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		start = async () => await promise;
		const invoked = invoke({ prompt: "hello" });
		await expect.poll(() => life.phase).toBe("restoring");
		expect(await (await fetch(at("/ping"))).json()).toMatchObject({ status: "HealthyBusy" });
		resolve();
		expect((await invoked).status).toBe(200);
		expect(await (await fetch(at("/ping"))).json()).toMatchObject({ status: "Healthy" });
	});
});

describe("POST /invocations", () => {
	test("answers a prompt like AgentCore's samples", async () => {
		const response = await invoke({ prompt: "hello" });
		expect(response.headers.get("content-type")).toBe("application/json");
		expect(await response.json()).toEqual({
			response: 'you said [{"role":"user","content":"hello"}]',
			status: "success",
		});
	});

	test("answers a chat completion and a response in the same format", async () => {
		expect(
			await (await invoke({ messages: [{ role: "user", content: "hello" }] })).json(),
		).toMatchObject({ object: "chat.completion" });
		agent.answer = (_, response) => json(response, 200, { object: "response" });
		expect(await (await invoke({ input: "hello" })).json()).toEqual({ object: "response" });
		expect(agent.requests.map(({ path }) => path)).toEqual([
			"/v1/chat/completions",
			"/v1/responses",
		]);
	});

	test("gives the agent its own token and the namespace as user, and nothing of the caller's", async () => {
		await invoke(
			{ prompt: "hello", user: "bob", identityToken: "S3CRET" },
			{ traceparent: "00-1-1-01", "x-custom": "S3CRET", cookie: "S3CRET" },
		);
		const { headers, body } = agent.requests[0] as AgentRequest;
		expect(headers).toMatchObject({
			authorization: "Bearer agent-token",
			traceparent: "00-1-1-01",
		});
		expect(body.user).toBe("anna");
		expect(JSON.stringify([headers, body])).not.toMatch(/S3CRET|bob|Bearer anna/);
	});

	test("opens a new connection to the agent for each request", async () => {
		expect(await api.isReady(new AbortController().signal)).toBe(true);
		expect((await invoke({ prompt: "hello" })).status).toBe(200);
		expect((await invoke({ prompt: "hello again" })).status).toBe(200);
		expect(agent.connections).toBe(3);
	});

	test("is logged with the platform's own ids", async () => {
		await invoke(
			{ prompt: "hello" },
			{ "x-amzn-bedrock-agentcore-runtime-session-id": "session-1" },
		);
		await expect
			.poll(() => logger.events.find(({ event }) => event === "invocation.ended")?.fields)
			.toMatchObject({ sessionId: "session-1" });
	});

	test.each<[string, object, string, string]>([
		["unchanged", { messages: [{}] }, chunk("one"), "data: [DONE]\n\n"],
		["as JSON texts, for a prompt", { prompt: "hello" }, 'data: "one"\n\n', 'data: "two\\n"\n\n'],
	])(
		"forwards a stream piece by piece: each event arrives before the next is sent, %s",
		async (_, body, first, last) => {
			const { promise, resolve } = Promise.withResolvers<void>();
			agent.answer = async (_, response) => {
				response.writeHead(200, { "content-type": "text/event-stream" }).write(chunk("one"));
				await promise;
				if ("prompt" in body) response.write(chunk("two\n") + chunk(""));
				response.end("data: [DONE]\n\n");
			};
			const response = await invoke(body, { accept: "text/event-stream" });
			expect(response.headers.get("content-type")).toBe("text/event-stream");
			const events = response.body!.pipeThrough(new TextDecoderStream()).getReader();
			expect((await events.read()).value).toBe(first);
			resolve();
			expect((await events.read()).value).toBe(last);
			expect((await events.read()).done).toBe(true);
			expect(agent.requests[0]?.body.stream).toBe(true);
		},
	);

	test.each([
		["unchanged", '{"messages":[{}],"stream":true}'],
		["as texts", '{"prompt":"hello","stream":true}'],
	])("slows an agent down whose stream, forwarded %s, nobody reads", async (_, body) => {
		let isFull = false;
		const { promise: full, resolve: onFull } = Promise.withResolvers<void>();
		agent.answer = async (_, response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			// More than all socket buffers in between can hold.
			for (let sent = 0; sent < 256 && !isFull; sent++) {
				if (
					!response.write(chunk("x".repeat(1024 * 1024))) &&
					(await isStuck(once(response, "drain")))
				)
					isFull = true;
			}
			onFull();
			response.end();
		};
		const call = request(at("/invocations"), {
			method: "POST",
			headers: { "content-type": "application/json", authorization: "Bearer anna" },
		});
		call.end(body);
		const [response] = (await once(call, "response")) as [IncomingMessage];
		await full;
		expect(isFull).toBe(true);
		response.destroy();
	});

	test("ends the agent's request when the caller disconnects, and is no longer busy", async () => {
		agent.answer = (_, response) =>
			void response.writeHead(200, { "content-type": "text/event-stream" }).write(chunk("one"));
		const caller = new AbortController();
		const response = await fetch(at("/invocations"), {
			method: "POST",
			headers: { "content-type": "application/json", authorization: "Bearer anna" },
			body: '{"prompt":"hello","stream":true}',
			signal: caller.signal,
		});
		expect(response.status).toBe(200);
		expect(life.requestsInFlight).toBe(1);
		caller.abort();
		await agent.requests[0]?.gone;
		await expect.poll(() => life.requestsInFlight).toBe(0);
		expect(life.ping().status).toBe("Healthy");
	});

	test("also ends the agent's request when the caller disconnects before there is an answer", async () => {
		const { promise: asked, resolve } = Promise.withResolvers<void>();
		agent.answer = () => resolve();
		const caller = new AbortController();
		const headers = { "content-type": "application/json", authorization: "Bearer anna" };
		const answered = fetch(at("/invocations"), {
			method: "POST",
			headers,
			body: '{"prompt":"hello"}',
			signal: caller.signal,
		});
		await asked;
		caller.abort();
		await expect(answered).rejects.toThrow();
		await agent.requests[0]?.gone;
		await expect.poll(() => life.requestsInFlight).toBe(0);
	});

	test("does not forward a page, and tells which setting to enable", async () => {
		agent.answer = (_, response) =>
			void response.writeHead(200, { "content-type": "text/html" }).end("<html>");
		const response = await invoke({ messages: [{}] });
		expect(await response.clone().json()).toMatchObject({
			remedy: expect.stringContaining("chatCompletions.enabled"),
		});
		expect(await refusal(response)).toEqual([502, "AGENT_UNREACHABLE"]);
	});

	test("reports in the stream that it broke off, and leaves a broken JSON text visibly unfinished", async () => {
		agent.answer = (_, response) => {
			response
				.writeHead(200, { "content-type": "text/event-stream" })
				.write(chunk("one"), () => response.destroy());
		};
		const broken = 'event: error\ndata: {"code":"AGENT_UNREACHABLE"';
		const raw = await (await invoke({ messages: [{}], stream: true })).text();
		expect(raw).toContain(`${chunk("one")}\n\n${broken}`);
		const texts = await (await invoke({ prompt: "hello", stream: true })).text();
		expect(texts).toContain(`data: "one"\n\n\n\n${broken}`);
		agent.answer = (_, response) => {
			response
				.writeHead(200, { "content-type": "application/json" })
				.write('{"object":', () => response.destroy());
		};
		await expect(
			invoke({ messages: [{}] }).then(async (response) => await response.text()),
		).rejects.toThrow();
		expect(await refusal(invoke({ prompt: "hello" }))).toEqual([502, "AGENT_UNREACHABLE"]);
	});

	test.each([
		["before its first text", chunk(""), ""],
		["after it", chunk("one"), 'data: "one"\n\n'],
		["with events that are not JSON", "data: oops\n\n", ""],
	])("reports in a prompt's stream that the agent fails %s", async (_, sent, passed) => {
		agent.answer = (_, response) => {
			response.writeHead(200, { "content-type": "text/event-stream" }).write(sent);
			response.end('data: {"error":{"message":"internal error"}}\n\ndata: [DONE]\n\n');
		};
		const text = await (await invoke({ prompt: "hello", stream: true })).text();
		expect(text).toContain(`${passed}\n\nevent: error\ndata: {"code":"AGENT_UNREACHABLE"`);
		expect(text.startsWith(passed)).toBe(true);
	});

	test("answers plain text, and text that another type announces, as a prompt", async () => {
		for (const [type, text] of [
			["text/plain; charset=utf-8", '{"messages": "is how it begins"}'],
			["application/json", "how do you do?"],
		] as const) {
			const response = await invoke(text, { "content-type": type });
			expect(await response.json()).toMatchObject({ status: "success" });
			expect(agent.requests.at(-1)?.body.messages).toEqual([{ role: "user", content: text }]);
		}
	});

	// @id agent-status-not-repeatable
	test.each<[string, number, (response: ServerResponse) => void, number, string]>([
		["does not know our token", 401, (r) => json(r, 401, {}), 502, "AGENT_UNREACHABLE"],
		["has its API switched off", 404, (r) => json(r, 404, {}), 502, "AGENT_UNREACHABLE"],
		[
			"answers with a page",
			200,
			(r) => void r.writeHead(200, { "content-type": "text/html" }).end("<html>"),
			502,
			"AGENT_UNREACHABLE",
		],
		["fails", 500, (r) => json(r, 500, { error: "boom" }), 502, "AGENT_UNREACHABLE"],
		[
			"is shutting down",
			503,
			(r) => json(r, 503, { error: { code: "gateway_unavailable" } }, { "retry-after": "7" }),
			503,
			"AGENT_UNREACHABLE",
		],
		[
			"passes on that its model is overloaded",
			503,
			(r) => json(r, 503, {}),
			502,
			"AGENT_UNREACHABLE",
		],
		["passes on its model's limit", 429, (r) => json(r, 429, {}), 502, "AGENT_UNREACHABLE"],
		["passes on its model's timeout", 408, (r) => json(r, 408, {}), 502, "AGENT_UNREACHABLE"],
		["refuses the request", 400, (r) => json(r, 400, { error: "model?" }), 422, "REQUEST_INVALID"],
		["passes on a context overflow", 413, (r) => json(r, 413, {}), 422, "REQUEST_INVALID"],
		["hangs up", 0, (r) => void r.destroy(), 502, "AGENT_UNREACHABLE"],
		["answers without a text", 200, (r) => json(r, 200, { choices: [] }), 502, "AGENT_UNREACHABLE"],
	])("reports that the agent %s (%d)", async (_, __, reply, status, code) => {
		agent.answer = (_request, response) => reply(response);
		const response = await invoke({ prompt: "hello" });
		if (status === 503) expect(response.headers.get("retry-after")).toMatch(/^[57]$/);
		expect(await refusal(response)).toEqual([status, code]);
	});

	test("asks to retry if there is no agent, which is being restarted", async () => {
		await agent[Symbol.asyncDispose]();
		expect(await refusal(invoke({ prompt: "hello" }))).toEqual([503, "AGENT_UNREACHABLE"]);
		agent = await FakeAgent.start();
	});

	test("gives the reason why the machine could not start, each time", async () => {
		start = async () => {
			throw new SidecarError("STORE_ACCESS_DENIED", { value: "s3://b/users/anna" });
		};
		expect(await refusal(invoke({ prompt: "hello" }))).toEqual([403, "STORE_ACCESS_DENIED"]);
		start = async () => {
			throw new Error("S3CRET detail of a bug");
		};
		const response = await invoke({ prompt: "hello" });
		const text = await response.clone().text();
		expect(text).not.toContain("S3CRET");
		expect(await refusal(response)).toEqual([500, "INTERNAL"]);
		start = async () => {};
		expect((await invoke({ prompt: "hello" })).status).toBe(200);
	});

	test("is refused with a time to retry during the drain", async () => {
		await life.drain();
		const response = await invoke({ prompt: "hello" });
		expect(response.headers.get("retry-after")).toBe("1");
		expect(await refusal(response)).toEqual([503, "NOT_READY"]);
	});
});

describe("the server refuses", () => {
	test("another user, and a request without proof of identity", async () => {
		expect((await invoke({ prompt: "hello" })).status).toBe(200);
		expect(await refusal(invoke({ prompt: "hello" }, { authorization: "Bearer bob" }))).toEqual([
			403,
			"NAMESPACE_FOREIGN",
		]);
		const { authorization: _, ...anonymous } = {
			authorization: "",
			"content-type": "application/json",
		};
		const response = await fetch(at("/invocations"), {
			method: "POST",
			headers: anonymous,
			body: '{"prompt":"hello"}',
		});
		expect(response.headers.get("www-authenticate")).toContain("Bearer");
		expect(await refusal(response)).toEqual([401, "IDENTITY_REFUSED"]);
		expect(
			logger.events.filter(({ kind }) => kind === "security").map(({ event }) => event),
		).toEqual(["security.namespace-refused", "security.identity-refused"]);
	});

	test("paths, methods and types that are not in the contract", async () => {
		expect(await refusal(fetch(at("/")))).toEqual([404, "REQUEST_INVALID"]);
		expect(await refusal(fetch(at("/invocations/../status2")))).toEqual([404, "REQUEST_INVALID"]);
		const wrongMethod = await fetch(at("/invocations"));
		expect(wrongMethod.headers.get("allow")).toBe("POST");
		expect(await refusal(wrongMethod)).toEqual([405, "REQUEST_INVALID"]);
		expect(await refusal(fetch(at("/ping"), { method: "POST" }))).toEqual([405, "REQUEST_INVALID"]);
		const asPage = { "content-type": "text/html" };
		expect(await refusal(invoke({ prompt: "hello" }, asPage))).toEqual([415, "REQUEST_INVALID"]);
	});

	// @id page-without-token
	test("requests of a web page, if none needs a token of an issuer", async () => {
		for (const type of ["application/json", "text/plain"]) {
			const headers = { "content-type": type, origin: "http://page.example" };
			expect(await refusal(invoke({ prompt: "hello" }, headers))).toEqual([403, "REQUEST_INVALID"]);
		}
		expect(agent.requests).toEqual([]);
	});

	test("bodies that are not JSON, not UTF-8, or too large, announced or not", async () => {
		expect(await refusal(invoke("{"))).toEqual([400, "REQUEST_INVALID"]);
		const headers = { "content-type": "application/json", authorization: "Bearer anna" };
		expect(
			await refusal(
				fetch(at("/invocations"), { method: "POST", headers, body: Buffer.from([0x7b, 0xff]) }),
			),
		).toEqual([400, "REQUEST_INVALID"]);
		expect(
			await raw(
				"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 200000000\r\n\r\n",
			),
		).toMatch(/^HTTP\/1\.1 413 .*connection: close.*REQUEST_INVALID/is);
		const chunk = `${(60_000).toString(16)}\r\n${"x".repeat(60_000)}\r\n`;
		expect(
			await raw(
				`POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${chunk}`,
			),
		).toMatch(/^HTTP\/1\.1 413 /);
	});

	test("headers of 5 MB, and anything that is not HTTP", async () => {
		const large = (bytes: number) =>
			`GET /ping HTTP/1.1\r\nhost: x\r\nx-large: ${"x".repeat(bytes)}`;
		expect(await raw(large(40_000))).toMatch(/^HTTP\/1\.1 431 .*REQUEST_INVALID/s);
		// A client that still sends may be disconnected before it reads the answer.
		expect(await raw(large(5_000_000))).toMatch(/^(?:HTTP\/1\.1 431 |$)/);
		expect((await fetch(at("/ping"))).status).toBe(200);
		expect(await raw("\x16\x03\x01 hello\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 .*REQUEST_INVALID/s);
	});

	test("a request that never ends, in its headers or in its body", async () => {
		expect(await raw("GET /ping HTTP/1.1\r\nhost: x\r\n")).toMatch(
			/^HTTP\/1\.1 408 .*REQUEST_INVALID/s,
		);
		await raw(
			"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
		);
		await expect.poll(() => life.requestsInFlight).toBe(0);
	});

	test("more simultaneous requests than its limit", async () => {
		const { promise, resolve } = Promise.withResolvers<void>();
		agent.answer = async (_, response) => {
			await promise;
			json(response, 200, completion("late"));
		};
		const answered = Array.from(
			{ length: 64 },
			async () => (await invoke({ prompt: "hello" })).status,
		);
		await expect.poll(() => life.requestsInFlight).toBe(64);
		expect(await refusal(invoke({ prompt: "hello" }))).toEqual([503, "NOT_READY"]);
		expect((await fetch(at("/ping"))).status).toBe(200);
		resolve();
		expect(new Set(await Promise.all(answered))).toEqual(new Set([200]));
	});

	test("invalid requests without ending, and logs no token", async () => {
		for (const body of ["", "{", "[]", '{"prompt":1}']) await invoke(body);
		await invoke({ prompt: "hello", identityToken: "S3CRET" }, { authorization: "Basic S3CRET" });
		expect((await fetch(at("/ping"))).status).toBe(200);
		expect(
			JSON.stringify(
				logger.events.map(({ fields }) => ({ ...fields, error: String(fields.error) })),
			),
		).not.toContain("Bearer S3CRET");
	});
});

describe("GET /status", () => {
	test("answers this machine only", async () => {
		expect(await (await fetch(at("/status"))).json()).toEqual({ phase: "waiting" });
		const outside = Object.values(networkInterfaces())
			.flat()
			.find((address) => address?.family === "IPv4" && !address.internal)?.address;
		// Whatever host name it sends.
		const asked = "GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
		if (outside !== undefined) expect(await raw(asked, outside)).toMatch(/^HTTP\/1\.1 404 /);
	});

	test("does not answer a page that reaches this machine under the page's own host name", async () => {
		expect(
			await raw("GET /status HTTP/1.1\r\nhost: rebound.example\r\nconnection: close\r\n\r\n"),
		).toMatch(/^HTTP\/1\.1 404 /);
		expect(
			await raw("GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
		).toMatch(/^HTTP\/1\.1 200 /);
	});
});

test("reports an unusable address as a usage error", async () => {
	const taken = {
		host: "127.0.0.1",
		port: server.port,
		life,
		forward: async () => {},
		status: () => ({}),
		needsToken: false,
		maxBodyBytes: 1,
		logger,
	};
	await expect(startServer(taken)).rejects.toMatchObject({
		code: "USAGE",
		value: `127.0.0.1:${server.port}`,
	});
});

describe("the agent's readiness", () => {
	test("is JSON with 200 at its path, not a page, not a 503", async () => {
		const ready = async (path: string) => {
			const asked = new AgentApi({
				url: agent.url,
				readyPath: path,
				token: () => undefined,
				logger,
			});
			try {
				return await asked.isReady(new AbortController().signal);
			} finally {
				asked.close();
			}
		};
		expect([await ready("/readyz"), await ready("/elsewhere")]).toEqual([true, false]);
		agent.isReady = false;
		expect(await ready("/readyz")).toBe(false);
	});

	test("is followed at once by the request that waited for it", async () => {
		agent.isReady = false;
		start = async () => await api.waitUntilReady(new AbortController().signal);
		const waiting = invoke({ prompt: "hello" });
		await expect.poll(() => agent.asked.length).toBeGreaterThan(1);
		agent.isReady = true;
		expect((await waiting).status).toBe(200);
		expect(agent.asked.slice(agent.asked.indexOf("/readyz 200"))).toEqual([
			"/readyz 200",
			"/v1/chat/completions",
		]);
	});

	test("is awaited until it arrives or the wait is ended", async () => {
		agent.isReady = false;
		const waiting = api.waitUntilReady(new AbortController().signal);
		agent.isReady = true;
		await waiting;
		agent.isReady = false;
		const ended = new AbortController();
		const given = api.waitUntilReady(ended.signal);
		ended.abort(new Error("over"));
		await expect(given).rejects.toThrow();
	});
});

/** Does nothing arrive for longer than a moving pipe would ever take? */
async function isStuck(event: Promise<unknown>): Promise<boolean> {
	const { promise, resolve } = Promise.withResolvers<true>();
	const timer = setTimeout(resolve, 500, true);
	const first = await Promise.race([event.then(() => false), promise]);
	clearTimeout(timer);
	return first;
}
