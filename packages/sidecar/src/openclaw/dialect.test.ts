import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeGatewayServer } from "../../../testkit/openclaw/fake-gateway-server.ts";
import { completion, FakeAgent, json } from "../../../testkit/platform/fake-agent.ts";
import { AgentApi } from "../agentcore/agent-api.ts";
import { refusalOf } from "../agentcore/http-refusal.ts";
import { parseInvocation } from "../agentcore/invocation.ts";
import { recordingLogger } from "../telemetry/logger.ts";
import type { OwnCommand } from "./commands.ts";
import { neverBegan, OpenClawDialect } from "./dialect.ts";

const KEY = "agent:main:openai-user:anna";

let gateway: FakeGatewayServer;
let agent: FakeAgent;
let api: AgentApi;
let server: Server;
let logger: ReturnType<typeof recordingLogger>;
let takesImages: boolean;
/** Commands of the sidecar's own that ran. */
let ran: (OwnCommand & { readonly conversation: string | undefined })[];
let settle: () => Promise<void>;

beforeEach(async () => {
	gateway = await FakeGatewayServer.start();
	agent = await FakeAgent.start();
	logger = recordingLogger();
	takesImages = true;
	ran = [];
	settle = async () => {};
	const token = () => gateway.token;
	const dialect = new OpenClawDialect({
		isEnding: () => false,
		newId: () => randomBytes(16).toString("hex"),
		url: gateway.url,
		token,
		takesImages: () => takesImages,
		runOwn: async (command, conversation) => {
			ran.push({ ...command, conversation });
			return `ran ${command.name}`;
		},
		settle: async () => await settle(),
		logger,
		pauseMs: 5,
	});
	api = new AgentApi({
		url: agent.url,
		readyPath: "/readyz",
		token,
		dialect: () => dialect,
		logger,
	});
	server = createServer(async (request, response) => {
		const caller = new AbortController();
		response.once("close", () => caller.abort(new Error("the caller has gone")));
		try {
			const invocation = parseInvocation(await text(request), request.headers.accept);
			const forwarded = { invocation, namespace: "Anna", traceHeaders: {} };
			await api.forward(forwarded, response, caller.signal);
		} catch (error) {
			const { status, body } = refusalOf(error);
			if (!response.destroyed) json(response, status, body);
		}
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
});
afterEach(async () => {
	api.close();
	server.closeAllConnections();
	server.close();
	await agent[Symbol.asyncDispose]();
	await gateway[Symbol.asyncDispose]();
});

async function invoke(body: object, signal?: AbortSignal): Promise<Response> {
	return await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
		method: "POST",
		body: JSON.stringify(body),
		...(signal && { signal }),
	});
}
const sent = (method: string) => gateway.calls.filter((call) => call.method === method);

/** An agent that answers when it is told to. */
function slowAgent() {
	const asked = Promise.withResolvers<void>();
	const answered = Promise.withResolvers<void>();
	agent.answer = async (_, response) => {
		asked.resolve();
		await answered.promise;
		json(response, 200, completion("at last"));
	};
	return { asked: asked.promise, answer: answered.resolve };
}

describe("a command", () => {
	test("reaches the gateway, not the model, and is answered in the form of its request", async () => {
		expect(await (await invoke({ prompt: "/status" })).json()).toEqual({
			response: "did /status",
			status: "success",
		});
		const messages = [{ role: "user", content: "/status" }];
		expect(await (await invoke({ messages })).json()).toMatchObject({
			object: "chat.completion",
			model: "openclaw/default",
			choices: [{ message: { role: "assistant", content: "did /status" }, finish_reason: "stop" }],
		});
		expect(await (await invoke({ input: "/status" })).json()).toMatchObject({
			object: "response",
			status: "completed",
			output: [{ type: "message", content: [{ type: "output_text", text: "did /status" }] }],
		});
		expect(agent.requests).toEqual([]);
		expect(sent("chat.send").map(({ params }) => params)).toEqual([
			{ sessionKey: KEY, message: "/status", idempotencyKey: expect.any(String) },
			{ sessionKey: KEY, message: "/status", idempotencyKey: expect.any(String) },
			{
				sessionKey: "agent:main:openresponses-user:anna",
				message: "/status",
				idempotencyKey: expect.any(String),
			},
		]);
	});

	test.each<[string, object, RegExp]>([
		["prompt", { prompt: "/think 3" }, /^data: "did \/think 3"\n\n$/],
		[
			"chat",
			{ messages: [{ role: "user", content: "/think 3" }] },
			/^data: .*"delta":\{"role":"assistant","content":"did \/think 3"\}.*\n\ndata: .*"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/,
		],
		[
			"response",
			{ input: "/think 3" },
			/^event: response\.created\n[\s\S]*"delta":"did \/think 3"[\s\S]*event: response\.completed\n.*\n\ndata: \[DONE\]\n\n$/,
		],
	])("is answered with events if its %s asks for them", async (_, body, events) => {
		const response = await invoke({ ...body, stream: true });
		expect(response.headers.get("content-type")).toBe("text/event-stream");
		expect(await response.text()).toMatch(events);
	});

	test("runs in the conversation of the agent that its request names", async () => {
		await invoke({ prompt: "/status", model: "openclaw/work" });
		expect(sent("commands.list")[0]?.params).toMatchObject({ agentId: "work", scope: "text" });
		expect(sent("chat.send")[0]?.params).toMatchObject({
			sessionKey: "agent:work:openai-user:anna",
		});
	});

	test("is text for the model if the gateway does not know it", async () => {
		for (const prompt of ["/etc/hosts is broken", "/unknown", "/help me"])
			expect(await (await invoke({ prompt })).json()).toMatchObject({
				response: expect.stringContaining(prompt),
			});
		expect(sent("chat.send")).toEqual([]);
		gateway.methods.delete("commands.list");
		expect(await (await invoke({ prompt: "/status" })).json()).toMatchObject({
			response: expect.stringContaining("/status"),
		});
	});

	test("asks the gateway nothing for any other text", async () => {
		await invoke({ prompt: "hello" });
		expect(gateway.calls).toEqual([]);
	});

	test.each<[string, object, string]>([
		["fails", { state: "error", errorMessage: "no such model" }, "no such model"],
		["is stopped", { state: "aborted" }, "Stopped."],
	])("that %s is answered with that", async (_, event, answer) => {
		gateway.methods.set("chat.send", ({ params, emit }) => {
			emit("chat", { runId: "of another", state: "final", message: { content: "wrong" } });
			emit("chat", { runId: params.idempotencyKey, state: "delta", deltaText: "wrong" });
			emit("chat", { runId: params.idempotencyKey, ...event });
			return { payload: {} };
		});
		expect(await (await invoke({ prompt: "/status" })).text()).toContain(answer);
	});

	test("is reported as not run if the gateway refuses it, does not answer, or ends meanwhile", async () => {
		gateway.methods.set("chat.send", () => ({
			error: { code: "UNAVAILABLE", message: "draining" },
		}));
		expect(await (await invoke({ prompt: "/status" })).json()).toMatchObject({
			code: "AGENT_UNREACHABLE",
			message: expect.stringContaining("UNAVAILABLE: draining"),
		});
		gateway.methods.set("chat.send", () => {
			setImmediate(() => gateway.dropConnections());
			return { payload: {} };
		});
		expect((await invoke({ prompt: "/status" })).status).toBe(502);
		await gateway[Symbol.asyncDispose]();
		expect((await invoke({ prompt: "/status" })).status).toBe(502);
		gateway = await FakeGatewayServer.start();
	});

	// @id command-waits-for-turn
	test("waits for the turn of its conversation, which it would break, and the next turn waits for it", async () => {
		const turn = slowAgent();
		const first = invoke({ prompt: "hello" });
		await turn.asked;
		const command = invoke({ prompt: "/status" });
		await expect.poll(() => sent("health").length).toBe(1);
		const next = invoke({ prompt: "and then" });
		expect(await (await invoke({ input: "/status" })).json()).toMatchObject({ object: "response" });
		expect(sent("chat.send").length).toBe(1);
		expect(agent.requests.length).toBe(1);
		turn.answer();
		expect((await first).status).toBe(200);
		expect(await (await command).json()).toMatchObject({ response: "did /status" });
		expect((await next).status).toBe(200);
	});

	test("waits for a turn that OpenClaw runs by itself in its conversation", async () => {
		gateway.sessions.set(KEY, { status: "running", startedAt: 1 });
		const command = invoke({ prompt: "/status" });
		await expect.poll(() => sent("sessions.describe").length).toBeGreaterThan(2);
		expect(sent("chat.send")).toEqual([]);
		gateway.sessions.set(KEY, { status: "done", startedAt: 1, endedAt: 2 });
		expect(await (await command).json()).toMatchObject({ response: "did /status" });
	});
});

describe("a command of the sidecar's own", () => {
	test("runs here, whatever the gateway lists, and is answered in the form of its request", async () => {
		expect(await (await invoke({ prompt: "/restore notes.md 41" })).json()).toEqual({
			...{ response: "ran restore", status: "success" },
		});
		expect(await (await invoke({ input: "/history" })).json()).toMatchObject({
			output: [{ content: [{ text: "ran history" }] }],
		});
		expect(gateway.calls).toEqual([]);
		expect(agent.requests).toEqual([]);
		expect(ran).toEqual([
			{ name: "restore", rest: "notes.md 41", conversation: undefined },
			{ name: "history", rest: "", conversation: undefined },
		]);
	});

	// @id undo-of-this-conversation
	test("is told the conversation of its request, of the user and of the agent that it names", async () => {
		await invoke({ prompt: "/undo" });
		await invoke({ prompt: "/undo", model: "openclaw/work" });
		await invoke({ input: "/undo" });
		expect(ran.map(({ conversation }) => conversation)).toEqual([
			KEY,
			"agent:work:openai-user:anna",
			"agent:main:openresponses-user:anna",
		]);
	});

	test("waits for the turn of its conversation, but the history waits for nothing", async () => {
		const turn = slowAgent();
		const first = invoke({ prompt: "hello" });
		await turn.asked;
		const undone = invoke({ prompt: "/undo" });
		expect(await (await invoke({ prompt: "/history" })).json()).toMatchObject({
			response: "ran history",
		});
		expect(ran.map(({ name }) => name)).toEqual(["history"]);
		gateway.sessions.set(KEY, { status: "running", startedAt: 1 });
		turn.answer();
		expect((await first).status).toBe(200);
		await expect.poll(() => sent("sessions.describe").length).toBeGreaterThan(2);
		expect(ran.map(({ name }) => name)).toEqual(["history"]);
		gateway.sessions.set(KEY, { status: "done", startedAt: 1, endedAt: 2 });
		expect(await (await undone).json()).toMatchObject({ response: "ran undo" });
	});
});

describe("a turn", () => {
	test("begins when what the turn before it changed is committed", async () => {
		const committed = Promise.withResolvers<void>();
		let asked = 0;
		settle = async () => {
			asked++;
			await committed.promise;
		};
		await invoke({ prompt: "first" });
		expect(asked).toBe(0);
		const second = invoke({ prompt: "second" });
		await expect.poll(() => asked).toBe(1);
		expect(agent.requests.length).toBe(1);
		committed.resolve();
		expect((await second).status).toBe(200);
	});

	test("begins although that fails", async () => {
		settle = async () => {
			throw new Error("the store is away");
		};
		await invoke({ prompt: "first" });
		expect((await invoke({ prompt: "second" })).status).toBe(200);
	});
});

describe("/stop", () => {
	// @id stop-does-not-wait
	test("ends a running turn without waiting for it, and the turn's caller learns why", async () => {
		const turn = slowAgent();
		const first = invoke({ prompt: "hello" });
		const streamed = invoke({ prompt: "hello", stream: true });
		await turn.asked;
		await expect.poll(() => agent.requests.length).toBe(2);
		expect(await (await invoke({ prompt: "/stop" })).json()).toMatchObject({
			response: "Stopped.",
		});
		for (const answer of [await first, await streamed]) {
			expect(answer.status).toBe(409);
			expect(await answer.json()).toMatchObject({ message: expect.stringContaining("/stop") });
		}
		await Promise.all(agent.requests.map(({ gone }) => gone));
		expect(sent("sessions.abort")).toMatchObject([{ params: { key: KEY } }]);
	});

	test("ends a stream that has begun with an event that tells why", async () => {
		agent.answer = (_, response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write('data: {"choices":[{"delta":{"content":"one"}}]}\n\n');
		};
		const streams = [
			{ prompt: "hello", stream: true },
			{ messages: [{ role: "user", content: "hello" }], stream: true },
		].map(async (body) => await invoke(body));
		const answers = await Promise.all(streams);
		await invoke({ prompt: "/stop" });
		for (const answer of answers)
			expect(await answer.text()).toMatch(/one[\s\S]*event: error\ndata: .*\/stop ended its turn/);
	});

	test("ends a turn that OpenClaw runs by itself, and says so if nothing runs", async () => {
		expect(await (await invoke({ prompt: "/stop" })).json()).toMatchObject({
			response: "Nothing is running.",
		});
		gateway.sessions.set(KEY, { status: "running", startedAt: 1 });
		expect(await (await invoke({ prompt: "/stop" })).json()).toMatchObject({
			response: "Stopped.",
		});
		expect(sent("chat.send")).toEqual([]);
	});
});

describe("a turn that fails with 500", () => {
	/** Fails as OpenClaw does while it resumes an interrupted turn; then answers. */
	function failing(times: number, isStream = false): void {
		const error = { error: { message: "internal error", type: "api_error" } };
		agent.answer = (_, response) => {
			const isFailing = agent.requests.length <= times;
			if (!isStream) {
				json(response, isFailing ? 500 : 200, isFailing ? error : completion("here"));
				return;
			}
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write('data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n');
			const last = isFailing ? error : { choices: [{ delta: { content: "here" } }] };
			response.end(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
		};
	}

	test("is sent again while another turn holds its conversation, and each time is logged", async () => {
		failing(3);
		gateway.sessions.set(KEY, { status: "running", startedAt: Date.now() - 1_000 });
		expect(await (await invoke({ prompt: "hello" })).json()).toMatchObject({ response: "here" });
		expect(agent.requests.length).toBe(4);
		const repeated = logger.events.filter(({ event }) => event === "agent.request-repeated");
		expect(repeated.map(({ fields }) => fields?.pauseMs)).toEqual([5, 10, 20]);
	});

	test("is sent again in a stream of texts, of which its caller sees one answer", async () => {
		failing(2, true);
		gateway.sessions.set(KEY, { status: "running", startedAt: Date.now() - 1_000 });
		const answer = await (await invoke({ prompt: "hello", stream: true })).text();
		expect(agent.requests.length).toBe(3);
		expect(answer).toBe('data: "here"\n\n');
	});

	// @id no-second-turn
	test.each<[string, Parameters<typeof neverBegan>[0] | undefined]>([
		["a turn began since it was sent", { status: "running", startedAt: Date.now() + 60_000 }],
		["no turn was running", { status: "done", startedAt: 1, endedAt: 2 }],
		["there is no record", undefined],
	])("is not sent again if %s", async (_, session) => {
		failing(1);
		if (session !== undefined) gateway.sessions.set(KEY, session as never);
		expect((await invoke({ prompt: "hello" })).status).toBe(502);
		expect(agent.requests.length).toBe(1);
	});

	test("is not sent again if the gateway cannot be asked, nor after any other status", async () => {
		failing(1);
		gateway.methods.delete("sessions.describe");
		expect((await invoke({ prompt: "hello" })).status).toBe(502);
		expect(agent.requests.length).toBe(1);
		gateway.sessions.set(KEY, { status: "running", startedAt: 1 });
		for (const status of [502, 503, 504, 400]) {
			agent.answer = (_, response) => json(response, status, {});
			await invoke({ prompt: "hello" });
		}
		expect(agent.requests.length).toBe(5);
	});

	test("is given up when its caller disconnects", async () => {
		failing(Number.POSITIVE_INFINITY);
		gateway.sessions.set(KEY, { status: "running", startedAt: 1 });
		const caller = new AbortController();
		const answer = invoke({ prompt: "hello" }, caller.signal);
		await expect.poll(() => agent.requests.length).toBeGreaterThan(2);
		caller.abort();
		await expect(answer).rejects.toThrow();
		await expect.poll(() => gateway.connections).toBe(0);
	});
});

test("a request whose attachment OpenClaw would drop is refused before it is sent", async () => {
	takesImages = false;
	const url = "data:image/png;base64,aGVsbG8=";
	const content = [{ type: "image_url", image_url: { url } }];
	const response = await invoke({ messages: [{ role: "user", content }] });
	expect([response.status, await response.json()]).toEqual([
		400,
		expect.objectContaining({ message: expect.stringContaining("takes no images") }),
	]);
	expect(agent.requests).toEqual([]);
});

test.each([
	[{ status: "running", startedAt: 1 }, true],
	[{ status: "done", startedAt: 1, endedAt: 10 }, true],
	[{ status: "done", startedAt: 1, endedAt: 9 }, false],
	[{ status: "running", startedAt: 10 }, false],
	[{ status: "running" }, false],
	[{ status: "done", startedAt: 1 }, false],
	[{}, false],
])("by the record %j, a turn sent at 10 never began: %s", (session, expected) => {
	expect(neverBegan(session, 10)).toBe(expected);
});
