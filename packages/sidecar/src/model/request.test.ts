import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forwardedHeaders, isAllowed, modelRequest, returnedHeaders, routeOf } from "./request.ts";
import { apiOf, basePathOf, type Upstream, upstreamOf } from "./upstream.ts";

const REGION = "eu-central-1";
const bedrock = (upstream: string, endpoints: Record<string, string> = {}) =>
	upstreamOf({ upstream, region: REGION, endpoints });
const routes = (upstream: Upstream) =>
	Object.fromEntries([...upstream.routes].map(([path, { url }]) => [path, url.href]));

describe("an upstream", () => {
	test("is one of Bedrock's endpoints of the region, with the name that its signatures have", () => {
		const runtime = bedrock("bedrock-runtime");
		expect(runtime.signing).toEqual({ service: "bedrock", region: REGION });
		expect(routes(runtime)).toEqual({
			"/anthropic/v1/messages":
				"https://bedrock-runtime.eu-central-1.amazonaws.com/anthropic/v1/messages",
			"/openai/v1/chat/completions":
				"https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1/chat/completions",
		});
		const mantle = bedrock("bedrock-mantle");
		expect(mantle.signing).toEqual({ service: "bedrock-mantle", region: REGION });
		expect(routes(mantle)).toEqual({
			"/anthropic/v1/messages": "https://bedrock-mantle.eu-central-1.api.aws/anthropic/v1/messages",
			"/v1/chat/completions": "https://bedrock-mantle.eu-central-1.api.aws/v1/chat/completions",
			"/openai/v1/chat/completions":
				"https://bedrock-mantle.eu-central-1.api.aws/openai/v1/chat/completions",
		});
	});

	test("is at another address if the variable of the AWS SDK names one", () => {
		const endpoint = "https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com";
		const upstream = bedrock("bedrock-runtime", { AWS_ENDPOINT_URL_BEDROCK_RUNTIME: endpoint });
		expect([...upstream.routes.values()].map(({ url }) => url.origin)).toEqual([
			endpoint,
			endpoint,
		]);
	});

	test("is any provider at the URL that its clients are given", () => {
		const anthropic = upstreamOf({
			upstream: "https://api.anthropic.com",
			region: undefined,
			endpoints: {},
		});
		expect(anthropic.signing).toBeUndefined();
		expect(routes(anthropic)["/anthropic/v1/messages"]).toBe(
			"https://api.anthropic.com/v1/messages",
		);
		const local = upstreamOf({
			upstream: "http://127.0.0.1:11434/v1/",
			region: undefined,
			endpoints: {},
		});
		expect(routes(local)["/openai/v1/chat/completions"]).toBe(
			"http://127.0.0.1:11434/v1/chat/completions",
		);
	});

	test.each([
		"http://models.example/v1",
		"http://127.0.0.1.models.example/v1",
		"https://user:secret@models.example",
		"https://models.example/v1?key=1",
		"ftp://models.example",
	])("is refused at %s, where a credential would leave the machine readable", (upstream) => {
		expect(() => upstreamOf({ upstream, region: REGION, endpoints: {} })).toThrow(
			expect.objectContaining({ code: "USAGE", message: expect.not.stringContaining("secret") }),
		);
	});

	test.each([undefined, "", "EU", "eu.example.com/", "eu@example.com"])(
		"is refused in the region %j, which would become a host's name",
		(region) => {
			expect(() => upstreamOf({ upstream: "bedrock-runtime", region, endpoints: {} })).toThrow(
				expect.objectContaining({ code: "USAGE", remedy: expect.stringContaining("AWS_REGION") }),
			);
		},
	);
});

test.each([
	["anthropic.claude-opus-5", "anthropic-messages"],
	["global.anthropic.claude-opus-5", "anthropic-messages"],
	["us.anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic-messages"],
	[
		"arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-5",
		"anthropic-messages",
	],
	["claude-opus-5", "anthropic-messages"],
	["openai.gpt-oss-120b", "openai-completions"],
	["qwen.qwen3-235b", "openai-completions"],
	["gpt-5.6", "openai-completions"],
	["", "openai-completions"],
] as const)("the model %s speaks %s", (id, api) => {
	expect(apiOf(id)).toBe(api);
});

test("an agent's client is given the base URL of its API, as such a client expects it", () => {
	expect(basePathOf(bedrock("bedrock-runtime"), "anthropic-messages")).toBe("/anthropic");
	expect(basePathOf(bedrock("bedrock-runtime"), "openai-completions")).toBe("/openai/v1");
	expect(basePathOf(bedrock("bedrock-mantle"), "openai-completions")).toBe("/v1");
});

describe("a request", () => {
	const upstream = bedrock("bedrock-runtime");
	const good = "/anthropic/v1/messages";

	// @id model-paths
	test("has a route only with POST and exactly one of the paths, whatever surrounds it", () => {
		expect(routeOf(upstream, "POST", good)?.api).toBe("anthropic-messages");
		expect(routeOf(upstream, "POST", `${good}?beta=true`)?.url.href).toMatch(/\/messages$/);
		const noise = fc.oneof(
			fc.string(),
			fc.constantFrom(
				"/..",
				"?x=1",
				"#",
				"%2e%2e/",
				"//",
				"/",
				"http://169.254.169.254",
				"@evil",
				"\\",
				";",
				"count_tokens",
			),
		);
		fc.assert(
			fc.property(
				fc.constantFrom("POST", "GET", "PUT", "DELETE"),
				noise,
				noise,
				(method, before, after) => {
					const target = `${before}${good}${after}`;
					const isExact = method === "POST" && (target === good || target === `${good}?beta=true`);
					expect(routeOf(upstream, method, target) !== undefined).toBe(isExact);
				},
			),
		);
		for (const target of [
			"/",
			"/model/x/invoke",
			"/foundation-models",
			"/openai/v1/models",
			undefined,
		])
			expect(routeOf(upstream, "POST", target)).toBeUndefined();
	});

	// @id model-headers
	test("passes on the headers of the list and no other, in both directions", () => {
		const name = fc.oneof(
			fc.string().map((text) => text.toLowerCase()),
			fc.constantFrom(
				"authorization",
				"x-api-key",
				"host",
				"cookie",
				"x-amz-security-token",
				"x-amz-date",
				"x-amzn-bedrock-guardrailidentifier",
				"connection",
				"transfer-encoding",
				"proxy-authorization",
				"set-cookie",
				"anthropic-beta",
				"accept",
				"content-type",
				"retry-after",
				"accept-encoding",
			),
		);
		fc.assert(
			fc.property(fc.dictionary(name, fc.string({ minLength: 1 })), (given) => {
				const sent = forwardedHeaders("anthropic-messages", given);
				expect(Object.keys(sent).sort()).toEqual([
					...("accept" in given ? ["accept"] : []),
					"accept-encoding",
					...("anthropic-beta" in given ? ["anthropic-beta"] : []),
					"anthropic-version",
					"content-type",
				]);
				expect(sent).toMatchObject({
					"content-type": "application/json",
					"accept-encoding": "identity",
				});
				for (const secret of ["set-cookie", "connection", "authorization", "x-amz-security-token"])
					expect(returnedHeaders(given)).not.toHaveProperty(secret);
			}),
		);
		expect(forwardedHeaders("openai-completions", {})).not.toHaveProperty("anthropic-version");
	});

	// @id model-one-key
	test("is sent as it was understood: no key twice, and each number as it was written", () => {
		const { model, body } = modelRequest(
			'{"model":"first","max":9223372036854775807,"t":1.0,"e":1e400,"model":"second","tools":[{"big":12345678901234567890}]}',
		);
		expect([model, body.toString()]).toEqual([
			"second",
			'{"model":"second","max":9223372036854775807,"t":1.0,"e":1e400,"tools":[{"big":12345678901234567890}]}',
		]);
		fc.assert(
			fc.property(fc.json(), (text) => {
				const wrapped = `{"model":"m","x":${text}}`;
				expect(JSON.parse(modelRequest(wrapped).body.toString())).toEqual(JSON.parse(wrapped));
			}),
		);
	});

	test.each([
		"",
		"[]",
		"null",
		"7",
		"{}",
		'{"model":7}',
		'{"model":""}',
		'{"model":"a b"}',
		'{"model":"../x"}',
		'{"model":"a\\nb"}',
		`{"model":"${"m".repeat(301)}"}`,
		"[".repeat(100_000),
	])("is refused if its body is %.40j, which names no model", (text) => {
		expect(() => modelRequest(text)).toThrow(
			expect.objectContaining({ code: "MODEL_REQUEST_REFUSED" }),
		);
	});

	test("may use the models of the list, by id or by the beginning of an id", () => {
		const list = ["global.anthropic.claude-opus-5", "openai.gpt-oss-*"];
		expect(isAllowed("anything", undefined)).toBe(true);
		expect(isAllowed("global.anthropic.claude-opus-5", list)).toBe(true);
		expect(isAllowed("openai.gpt-oss-120b", list)).toBe(true);
		for (const other of [
			"anthropic.claude-opus-5",
			"global.anthropic.claude-opus-5.5",
			"openai.gpt-5",
			"xopenai.gpt-oss-1",
		])
			expect(isAllowed(other, list)).toBe(false);
	});
});

// @id model-named-once
test.each(["Model", "models", "fallbacks", "MODELS"])(
	"a request that names another model as `%s` is refused",
	(key) => {
		expect(() => modelRequest(JSON.stringify({ model: "allowed", [key]: ["other"] }))).toThrow(
			/only `model` may name a model/,
		);
	},
);
