import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { awsError, eventText, FakeBedrock, json } from "../../../testkit/model/fake-bedrock.ts";
import { FakeSts } from "../../../testkit/model/fake-sts.ts";
import { identityStrategy } from "../agentcore/identity.ts";
import { RenewingCredentials } from "../agentcore/renewing-credentials.ts";
import { SidecarError } from "../errors.ts";
import { recordingLogger, serializeError, silentLogger } from "../telemetry/logger.ts";
import { keyOf, signedBy } from "./credential.ts";
import { type EndpointOptions, type RunningEndpoint, startModelEndpoint } from "./endpoint.ts";
import { upstreamOf } from "./upstream.ts";
import { DailyLedger, dayOf } from "./usage-ledger.ts";

const TOKEN = "token-of-this-boot";
const REGION = "eu-central-1";
const MESSAGES = "/anthropic/v1/messages";
const CHAT = "/openai/v1/chat/completions";
const MODEL = "global.anthropic.claude-opus-5";
const ASKED = { model: MODEL, max_tokens: 10, messages: [{ role: "user", content: "hello" }] };

let bedrock: FakeBedrock;
let sts: FakeSts;
let logger: ReturnType<typeof recordingLogger>;
let ledger: DailyLedger;
let nowMs: number;
let endpoint: RunningEndpoint | undefined;

beforeEach(async () => {
	bedrock = await FakeBedrock.start({ service: "bedrock", region: REGION });
	sts = await FakeSts.start(bedrock.known);
	logger = recordingLogger();
	ledger = new DailyLedger();
	nowMs = Date.UTC(2026, 10, 30, 12);
});
afterEach(async () => {
	await endpoint?.close();
	endpoint = undefined;
	await bedrock[Symbol.asyncDispose]();
	await sts[Symbol.asyncDispose]();
});

/** The session of one user, as the platform's machine has it. */
function session(): RenewingCredentials {
	const strategy = identityStrategy({
		strategy: "web-identity",
		namespace: "anna",
		token: { issuer: "https://issuer.example", audience: "a", userClaim: "sub" },
		roleArn: "arn:aws:iam::123456789012:role/user",
		roleDurationS: 3600,
		bucket: undefined,
		model: { service: "bedrock", ids: undefined },
		region: REGION,
		stsEndpoint: sts.url,
		logger: silentLogger,
	});
	const token = { reveal: () => "the-user's-token", isNewerThan: () => false };
	return strategy.credentials({ namespace: "anna", token: token as never })!.renewing;
}

const runtime = () =>
	upstreamOf({
		upstream: "bedrock-runtime",
		region: REGION,
		endpoints: { AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url },
	});

async function start(options: Partial<EndpointOptions> = {}): Promise<string> {
	const upstream = runtime();
	endpoint = await startModelEndpoint({
		port: 0,
		token: TOKEN,
		upstream,
		credential: signedBy(session(), upstream.signing!),
		models: undefined,
		ledger,
		dailyTokens: undefined,
		logger,
		now: () => nowMs,
		...options,
	});
	return `http://127.0.0.1:${endpoint.port}`;
}

const ask = async (
	url: string,
	path = MESSAGES,
	body: object | string = ASKED,
	headers: Record<string, string> = { "x-api-key": TOKEN },
) =>
	await fetch(`${url}${path}`, {
		method: "POST",
		headers: { "content-type": "application/json", ...headers },
		body: typeof body === "string" ? body : JSON.stringify(body),
	});

/** A request line and headers that `fetch` would not send. */
async function rawAsk(
	url: string,
	options: { path?: string; method?: string; headers?: Record<string, string> },
): Promise<{ status: number | undefined; text: string }> {
	const sent = request(url, {
		method: "POST",
		path: MESSAGES,
		...options,
		headers: { "x-api-key": TOKEN, ...options.headers },
	});
	sent.end(options.method === "GET" ? undefined : JSON.stringify(ASKED));
	const [response] = (await once(sent, "response")) as [IncomingMessage];
	return { status: response.statusCode, text: (await buffer(response)).toString() };
}

const eventsOf = (name: string) => logger.events.filter(({ event }) => event === name);

describe("an answer of the model", () => {
	test.each([
		["a message", MESSAGES, ASKED],
		["a streamed message", MESSAGES, { ...ASKED, stream: true }],
		["a completion", CHAT, ASKED],
		[
			"a streamed completion",
			CHAT,
			{ ...ASKED, stream: true, stream_options: { include_usage: true } },
		],
	])(
		"passes unchanged as %s, its request is signed by the user's session, and its usage is counted",
		async (_, path, body) => {
			bedrock.words = ["“Grüße”", "\\n", 'data: {"usage":{}}', "x".repeat(100_000)];
			let sent = Buffer.alloc(0);
			bedrock.answer = (call, response) => {
				const write = response.write.bind(response);
				const end = response.end.bind(response);
				const keep = (chunk: unknown) => {
					if (typeof chunk === "string") sent = Buffer.concat([sent, Buffer.from(chunk)]);
				};
				response.write = ((chunk: string) => {
					keep(chunk);
					return write(chunk);
				}) as typeof response.write;
				response.end = ((chunk?: string) => {
					keep(chunk);
					return end(chunk);
				}) as typeof response.end;
				bedrock.speak(call, response);
			};
			const response = await ask(await start(), path, body);
			expect(response.status).toBe(200);
			const received = Buffer.from(await response.arrayBuffer());
			expect(received.equals(sent)).toBe(true);
			expect(received.length).toBeGreaterThan(100_000);
			expect(response.headers.get("content-type")).toMatch(
				"stream" in body ? "text/event-stream" : "application/json",
			);
			expect(response.headers.get("set-cookie")).toBeNull();
			expect(bedrock.refused).toEqual([]);
			expect(bedrock.calls).toEqual([
				expect.objectContaining({ path, body, accessKeyId: "ASIASESSION1" }),
			]);
			expect(eventsOf("model.answered")).toEqual([
				expect.objectContaining({
					fields: {
						model: MODEL,
						inputTokens: 100,
						cachedTokens: 40,
						outputTokens: 7,
						isEstimated: false,
						usedToday: 147,
						ms: 0,
					},
				}),
			]);
			expect(`${ledger}`).toBe("2026-11-30 147");
		},
	);

	test("arrives piece by piece, at the provider's pace", async () => {
		const go = Promise.withResolvers<void>();
		bedrock.answer = async (_, response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write("data: first\n\n");
			await go.promise;
			response.end("data: second\n\n");
		};
		const response = await ask(await start(), CHAT);
		const reader = response.body!.getReader();
		expect(Buffer.from((await reader.read()).value!).toString()).toBe("data: first\n\n");
		go.resolve();
		expect(Buffer.from((await reader.read()).value!).toString()).toBe("data: second\n\n");
	});

	test("is read from the provider only as fast as the agent reads", async () => {
		const chunk = Buffer.alloc(1024 * 1024, "x");
		const all = 128;
		let pulled = 0;
		bedrock.answer = async (_, response) => {
			response.writeHead(200, { "content-type": "application/octet-stream" });
			const chunks = Readable.from(
				(function* () {
					for (; pulled < all; pulled++) yield chunk;
				})(),
			);
			await pipeline(chunks, response);
		};
		const url = await start();
		const socket = connect(endpoint!.port, "127.0.0.1").pause();
		const body = JSON.stringify(ASKED);
		socket.write(
			`POST ${MESSAGES} HTTP/1.1\r\nhost: ${new URL(url).host}\r\nx-api-key: ${TOKEN}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
		);
		// Nothing tells that a stream waits: it has not moved between two looks.
		let before = -1;
		const isStill = () => {
			const earlier = before;
			before = pulled;
			return pulled > 0 && earlier === pulled;
		};
		await expect.poll(isStill, { interval: 500, timeout: 10_000 }).toBe(true);
		expect(pulled).toBeLessThan(all / 2);
		let received = 0;
		socket.on("data", (part) => {
			received += part.length;
		});
		socket.resume();
		await expect
			.poll(() => received, { timeout: 20_000 })
			.toBeGreaterThanOrEqual(all * chunk.length);
		socket.destroy();
	});

	test("ends at the provider when the agent disconnects, and what was begun is charged", async () => {
		bedrock.answer = (_, response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(
				eventText({ type: "message_start", message: { usage: { input_tokens: 55 } } }),
			);
		};
		const caller = new AbortController();
		const url = await start();
		const response = await fetch(`${url}${MESSAGES}`, {
			method: "POST",
			headers: { "x-api-key": TOKEN },
			body: JSON.stringify({ ...ASKED, stream: true }),
			signal: caller.signal,
		});
		await response.body!.getReader().read();
		caller.abort();
		await bedrock.calls[0]?.gone;
		await expect.poll(() => ledger.read("2026-11-30")).toBeGreaterThan(55);
		expect(eventsOf("model.failed")).toEqual([]);
	});

	test("that never began is charged too, by the size of its request", async () => {
		const begun = Promise.withResolvers<void>();
		bedrock.answer = () => begun.resolve();
		const caller = new AbortController();
		const url = await start();
		const asking = fetch(`${url}${MESSAGES}`, {
			method: "POST",
			headers: { "x-api-key": TOKEN },
			body: JSON.stringify(ASKED),
			signal: caller.signal,
		});
		await begun.promise;
		caller.abort();
		await expect(asking).rejects.toThrow();
		await bedrock.calls[0]?.gone;
		const expected = Math.ceil(JSON.stringify(ASKED).length / 4);
		await expect.poll(() => ledger.read("2026-11-30")).toBe(expected);
	});

	test("that the provider cuts ends the agent's connection too: it looks like no complete one", async () => {
		bedrock.answer = (_, response) => {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write("data: half\n\n", () => response.destroy());
		};
		const response = await ask(await start(), CHAT);
		await expect(response.text()).rejects.toThrow();
		await expect.poll(() => eventsOf("model.cut")).toHaveLength(1);
	});
});

describe("a request that is not forwarded", () => {
	const nothing = () => expect([bedrock.calls, bedrock.refused]).toEqual([[], []]);

	// @id model-token
	test("has not this boot's token", async () => {
		const url = await start();
		for (const headers of [
			{},
			{ "x-api-key": "" },
			{ "x-api-key": `${TOKEN}x` },
			{ authorization: TOKEN },
			{ authorization: `Basic ${TOKEN}` },
			{ authorization: "Bearer wrong", "x-api-key": "wrong" },
			{ authorization: `Bearer ${TOKEN}`, "x-api-key": "wrong" },
		] as Record<string, string>[]) {
			const response = await ask(url, MESSAGES, ASKED, headers);
			expect([response.status, await response.json()]).toEqual([
				401,
				{
					type: "error",
					error: { type: "authentication_error", message: "the key is not this boot's" },
				},
			]);
		}
		nothing();
		expect((await ask(url, CHAT, ASKED, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
		expect(eventsOf("security.model-request-refused")).toHaveLength(7);
	});

	// @id model-host
	test("comes under another host name, as from a page in the agent's browser", async () => {
		const url = await start();
		for (const host of ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
			expect((await rawAsk(url, { headers: { host } })).status).toBe(403);
		nothing();
	});

	test("is for another path, method or host than the model's", async () => {
		const url = await start();
		for (const path of [
			"/",
			"/v1/models",
			`${MESSAGES}/count_tokens`,
			`${MESSAGES}?x=1`,
			`/x/..${MESSAGES}`,
			"/model/m/invoke",
			`http://169.254.169.254${MESSAGES}`,
			`//169.254.169.254${MESSAGES}`,
		])
			expect([path, (await rawAsk(url, { path })).status]).toEqual([path, 404]);
		expect((await rawAsk(url, { method: "GET" })).status).toBe(404);
		expect((await rawAsk(url, { method: "PUT" })).status).toBe(404);
		nothing();
	});

	// @id model-list
	test("is for no model or for one that the operator does not allow", async () => {
		const url = await start({ models: ["openai.*"] });
		const other = await ask(url);
		expect([other.status, await other.json()]).toEqual([
			403,
			{
				type: "error",
				error: { type: "permission_error", message: "the operator does not allow this model" },
			},
		]);
		const twice = JSON.stringify(ASKED).replace("{", '{"model":"openai.x",');
		expect((await ask(url, MESSAGES, twice)).status).toBe(403);
		const none = await ask(url, CHAT, { messages: [] });
		expect([none.status, await none.json()]).toEqual([
			400,
			{ error: expect.objectContaining({ type: "invalid_request_error" }) },
		]);
		nothing();
		expect((await ask(url, CHAT, { ...ASKED, model: "openai.gpt-oss" })).status).toBe(200);
	});

	test("has a body of more than 32 MiB", async () => {
		const sent = request(`${await start()}${MESSAGES}`, {
			method: "POST",
			headers: { "x-api-key": TOKEN, "content-length": 33 * 1024 * 1024 },
		});
		sent.on("error", () => {});
		sent.flushHeaders();
		const [response] = (await once(sent, "response")) as [IncomingMessage];
		expect([response.statusCode, JSON.parse((await buffer(response)).toString())]).toEqual([
			413,
			{ type: "error", error: { type: "request_too_large", message: expect.any(String) } },
		]);
		sent.destroy();
		nothing();
	});

	test("comes from another machine: the endpoint is on the loopback interface only", async () => {
		await start();
		const other = Object.values(networkInterfaces())
			.flat()
			.find((each) => each?.family === "IPv4" && !each.internal)?.address;
		for (const address of ["::1", ...(other === undefined ? [] : [other])]) {
			const socket = connect(endpoint!.port, address);
			await expect(once(socket, "connect")).rejects.toThrow();
		}
	});

	// @id model-budget
	test("comes after the day's tokens were used up, until the next day", async () => {
		ledger.seed("2026-11-30 100");
		const url = await start({ dailyTokens: 200 });
		expect((await ask(url)).status).toBe(200);
		expect(`${ledger}`).toBe("2026-11-30 247");
		for (const [path, body] of [
			[
				MESSAGES,
				{
					type: "error",
					error: { type: "rate_limit_error", message: expect.stringContaining("200 model tokens") },
				},
			],
			[CHAT, { error: expect.objectContaining({ type: "rate_limit_exceeded" }) }],
		] as const) {
			const spent = await ask(url, path, { ...ASKED, padding: "x".repeat(3_000_000) });
			expect([spent.status, await spent.json()]).toEqual([429, body]);
			expect(spent.headers.get("x-should-retry")).toBe("false");
		}
		expect(bedrock.calls).toHaveLength(1);
		expect(eventsOf("model.budget-spent")[0]?.fields.error).toMatchObject({
			code: "MODEL_BUDGET_SPENT",
			remedy: expect.stringContaining("--model-daily-tokens"),
		});
		nowMs -= 24 * 3_600_000;
		expect((await ask(url)).status).toBe(429);
		nowMs += 2 * 24 * 3_600_000;
		expect((await ask(url)).status).toBe(200);
		expect(`${ledger}`).toBe(`${dayOf(nowMs)} 147`);
	});

	test("cannot use the day's tokens without a trace: a stream without usage is charged by its size", async () => {
		bedrock.words = ["x".repeat(10_000)];
		const url = await start({ dailyTokens: 500 });
		const first = await ask(url, CHAT, { ...ASKED, stream: true });
		await first.text();
		await expect.poll(() => ledger.read("2026-11-30")).toBeGreaterThan(600);
		expect((await ask(url, CHAT, { ...ASKED, stream: true })).status).toBe(429);
	});
});

describe("the provider's refusals", () => {
	const failing = (status: number, body: object, type?: string) => {
		bedrock.answer = (_, response) =>
			type === undefined
				? json(response, status, body)
				: awsError(response, status, type, (body as { message: string }).message);
	};
	const anthropicError = (type: string, message: string) => ({
		type: "error",
		error: { type, message },
	});

	test.each([
		[
			"model access that the account does not have",
			403,
			anthropicError(
				"permission_error",
				"anthropic.claude-haiku-4-5 is not available for this account.",
			),
			undefined,
			403,
			anthropicError("permission_error", "the operator's account may not use this model"),
			"MODEL_DENIED",
		],
		[
			"a right that the role does not have",
			403,
			{
				message:
					"User: arn:aws:sts::123456789012:assumed-role/user/anna is not authorized to perform: bedrock:InvokeModel",
			},
			"AccessDeniedException",
			403,
			anthropicError("permission_error", "the operator's account may not use this model"),
			"MODEL_DENIED",
		],
		[
			"a region without the model",
			400,
			{ message: "The provided model identifier is invalid." },
			"ValidationException",
			400,
			anthropicError("invalid_request_error", "The provided model identifier is invalid."),
			"MODEL_NOT_SERVED",
		],
		[
			"a model that needs an inference profile",
			400,
			{
				message:
					"Invocation of model ID arn:aws:bedrock:eu-west-1::foundation-model/a with on-demand throughput isn’t supported.",
			},
			"ValidationException",
			400,
			anthropicError(
				"invalid_request_error",
				"Invocation of model ID [arn] with on-demand throughput isn’t supported.",
			),
			"MODEL_NOT_SERVED",
		],
		[
			"an unknown model",
			404,
			anthropicError("not_found_error", "model: x"),
			undefined,
			404,
			anthropicError("not_found_error", "model: x"),
			"MODEL_NOT_SERVED",
		],
		[
			"a conversation that is too long",
			400,
			anthropicError("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum"),
			undefined,
			400,
			anthropicError("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum"),
			"MODEL_REQUEST_REFUSED",
		],
		[
			"too many requests",
			429,
			{ message: "Too many tokens, please wait before trying again." },
			"ThrottlingException",
			429,
			anthropicError("rate_limit_error", "Too many tokens, please wait before trying again."),
			"MODEL_THROTTLED",
		],
		[
			"too many requests of everybody",
			529,
			anthropicError("overloaded_error", "Overloaded"),
			undefined,
			503,
			anthropicError("overloaded_error", "Overloaded"),
			"MODEL_UNREACHABLE",
		],
		[
			"a failure of the provider's own",
			500,
			{ message: "The system encountered an unexpected error" },
			"InternalServerException",
			502,
			anthropicError("api_error", "The system encountered an unexpected error"),
			"MODEL_UNREACHABLE",
		],
	])(
		"reach the agent in its API's form, and the operator with a remedy: %s",
		async (_, status, body, type, answered, told, code) => {
			failing(status, body, type);
			const url = await start();
			const response = await ask(url);
			expect([response.status, await response.json()]).toEqual([answered, told]);
			const [failed] = eventsOf("model.failed");
			expect(failed?.fields).toMatchObject({
				error: { code, value: MODEL, remedy: expect.any(String) },
			});
			expect(`${ledger}`).toBe("");
			const chat = await ask(url, CHAT);
			const { error } = (await chat.json()) as { error: { message: string; type: string } };
			expect([chat.status, error.message]).toEqual([answered, told.error.message]);
			expect(error.type).toEqual(expect.any(String));
		},
	);

	test("are passed on with the time after which to ask again", async () => {
		bedrock.answer = (_, response) => {
			response.setHeader("retry-after", "7");
			json(response, 429, { message: "slow down" });
		};
		expect((await ask(await start())).headers.get("retry-after")).toBe("7");
	});

	test("that are a page, a redirect or no answer at all are told as such", async () => {
		const url = await start();
		bedrock.answer = (_, response) => void response.writeHead(502).end("<html>bad gateway</html>");
		expect(await (await ask(url)).json()).toEqual(
			anthropicError("api_error", "the model provider answered 502"),
		);
		bedrock.answer = (_, response) =>
			void response.writeHead(307, { location: "http://169.254.169.254/" }).end();
		expect((await ask(url)).status).toBe(502);
		bedrock.answer = (_, response) => void response.destroy();
		const cut = await ask(url);
		expect([cut.status, await cut.json()]).toEqual([
			502,
			anthropicError("api_error", `the provider of ${MODEL} does not answer`),
		]);
		expect(eventsOf("model.failed").at(-1)?.fields.error).toMatchObject({
			code: "MODEL_UNREACHABLE",
		});
	});
});

describe("the credential", () => {
	// @id model-renewed-once
	test("is renewed once if the session has ended, and the request is repeated unseen by the agent", async () => {
		const url = await start();
		await (await ask(url)).text();
		bedrock.expired.add("ASIASESSION1");
		const response = await ask(url);
		expect([response.status, sts.sessions.length]).toEqual([200, 2]);
		expect(bedrock.calls.map(({ accessKeyId }) => accessKeyId)).toEqual([
			"ASIASESSION1",
			"ASIASESSION2",
		]);
		// Every further session has ended too: no loop.
		bedrock.expired.add("ASIASESSION2").add("ASIASESSION3");
		expect((await ask(url)).status).toBe(403);
		expect(sts.sessions).toHaveLength(3);
	});

	test("of the user's session has a policy with the models, and no other role is asked for", async () => {
		await ask(await start());
		expect(sts.sessions).toHaveLength(1);
		expect(sts.sessions[0]).toMatchObject({
			action: "AssumeRoleWithWebIdentity",
			roleArn: "arn:aws:iam::123456789012:role/user",
			name: "anna",
		});
		expect(JSON.parse(sts.sessions[0]?.policy ?? "").Statement).toHaveLength(1);
	});

	test("that cannot be had now is told without its reason, which is in the log", async () => {
		const refusal = new SidecarError("STORE_ACCESS_DENIED", { reason: "STS: CANARY" });
		const credentials = new RenewingCredentials(async () => {
			throw refusal;
		}, silentLogger);
		const response = await ask(
			await start({ credential: signedBy(credentials, runtime().signing!) }),
		);
		const text = await response.text();
		expect([response.status, text]).toEqual([403, expect.not.stringContaining("CANARY")]);
		expect(eventsOf("model.failed")[0]?.fields.error).toBe(refusal);
	});

	test("of another provider is its key, in the header of the API, in place of the agent's token", async () => {
		await using provider = await FakeBedrock.start();
		const upstream = upstreamOf({
			upstream: `${provider.url}/v1`,
			region: undefined,
			endpoints: {},
		});
		const url = await start({ upstream, credential: keyOf(() => "sk-CANARY") });
		await (await ask(url)).text();
		await (await ask(url, CHAT, ASKED, { authorization: `Bearer ${TOKEN}` })).text();
		expect(
			provider.calls.map(({ path, headers }) => [
				path,
				headers["x-api-key"],
				headers.authorization,
			]),
		).toEqual([
			["/v1/v1/messages", "sk-CANARY", undefined],
			["/v1/chat/completions", undefined, "Bearer sk-CANARY"],
		]);
		provider.answer = (_, response) => json(response, 401, anthropicKeyError);
		const refused = await ask(url);
		expect([refused.status, await refused.text()]).toEqual([
			403,
			expect.not.stringContaining("CANARY"),
		]);
		expect(JSON.stringify(logger.events)).not.toContain("CANARY");
	});

	const anthropicKeyError = {
		type: "error",
		error: { type: "authentication_error", message: "invalid x-api-key" },
	};

	test.each(["", "two words", "line\nbreak", "ü"])(
		"that is %j is not sent, and not shown",
		async (key) => {
			const url = await start({ credential: keyOf(() => key) });
			const response = await ask(url);
			expect(response.status).toBe(403);
			expect(JSON.stringify(logger.events)).not.toContain("two words");
			expect(bedrock.calls).toEqual([]);
		},
	);

	// @id model-no-secret-told
	test("appears neither in an answer nor in the log, whatever goes wrong", async () => {
		const url = await start({ dailyTokens: 1000 });
		const texts: string[] = [];
		const answers: (typeof bedrock.answer)[] = [
			(call, response) => bedrock.speak(call, response),
			// A provider that repeats what it was sent.
			(call, response) => json(response, 403, { message: JSON.stringify(call.headers) }),
			(call, response) =>
				awsError(
					response,
					400,
					"InvalidSignatureException",
					`The Canonical String should have been 'x-amz-security-token:${call.headers["x-amz-security-token"]}\n' of ${call.headers.authorization}`,
				),
			(_, response) => void response.destroy(),
		];
		for (const answer of answers) {
			bedrock.answer = answer;
			for (const path of [MESSAGES, CHAT, "/other"])
				texts.push(await (await ask(url, path)).text());
		}
		bedrock.expired.add("ASIASESSION1").add("ASIASESSION2");
		texts.push(await (await ask(url)).text());
		const seen = texts.join("\n");
		expect(seen).not.toMatch(/CANARY|ASIA|Credential=/);
		const logged = JSON.stringify(
			logger.events.map((each) => [each, serializeError(each.fields.error)]),
		);
		expect(logged).not.toMatch(/CANARY|ASIA/);
		expect(JSON.stringify(logger.events)).not.toContain(TOKEN);
	});
});

test("a port that is taken is reported with the option that names another", async () => {
	await start();
	const port = endpoint!.port;
	const first = endpoint;
	await expect(start({ port })).rejects.toMatchObject({
		code: "USAGE",
		remedy: expect.stringContaining("--model-port"),
	});
	endpoint = first;
});
