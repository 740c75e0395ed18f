import { describe, expect, test } from "vitest";
import type { Config } from "../config/options.ts";
import { modelScope, modelUpstream, withoutModelKey } from "./model.ts";
import { settingsOf } from "./options.ts";

const settings = (options: object = {}): Config => settingsOf(options);
const LISTEN = { listen: "127.0.0.1:0" };
const AWS_REGION = "eu-central-1";

describe("the model endpoint", () => {
	test.each([
		["for OpenClaw on the platform", LISTEN, "openclaw", { AWS_REGION }, "bedrock-runtime"],
		[
			"with a region of the options",
			{ ...LISTEN, region: "eu-west-1" },
			"openclaw",
			{},
			"bedrock-runtime",
		],
		[
			"if it is named",
			{ modelUpstream: "bedrock-mantle" },
			"plain",
			{ AWS_REGION },
			"bedrock-mantle",
		],
		[
			"if it is named, whatever the agent has",
			{ ...LISTEN, modelUpstream: "bedrock-runtime" },
			"openclaw",
			{ AWS_REGION, OPENCLAW_MODEL_BASE_URL: "https://models.example" },
			"bedrock-runtime",
		],
	])("is on %s", (_, options, profile, env, name) => {
		expect(modelUpstream(settings(options), profile, env)?.name).toBe(name);
	});

	test.each([
		["off the platform", {}, "openclaw", { AWS_REGION }],
		["for another agent", LISTEN, "plain", { AWS_REGION }],
		["without a region", LISTEN, "openclaw", {}],
		[
			"for an agent with a provider of its own",
			LISTEN,
			"openclaw",
			{ AWS_REGION, OPENCLAW_MODEL_BASE_URL: "https://models.example/v1" },
		],
		["if it is switched off", { ...LISTEN, modelUpstream: "off" }, "openclaw", { AWS_REGION }],
	])("is off %s", (_, options, profile, env) => {
		expect(modelUpstream(settings(options), profile, env)).toBeUndefined();
		expect(modelScope(settings(options), profile, env)).toBeUndefined();
	});

	test("needs rights of the user's session for Bedrock only, and for the listed models only", () => {
		const scope = (options: object) => modelScope(settings(options), "openclaw", { AWS_REGION });
		expect(scope(LISTEN)).toEqual({ service: "bedrock", ids: undefined });
		expect(scope({ modelUpstream: "bedrock-mantle", modelIds: "a,b*" })).toEqual({
			service: "bedrock-mantle",
			ids: ["a", "b*"],
		});
		expect(scope({ modelUpstream: "https://api.anthropic.com" })).toBeUndefined();
	});
});

test("the variable with the provider's key is taken out of the agent's environment, and no other", () => {
	const env = { A_API_KEY: "a", B_API_KEY: "b" };
	expect(withoutModelKey(env, settings({ modelKey: "env:A_API_KEY" }))).toEqual({ B_API_KEY: "b" });
	expect(withoutModelKey(env, settings({ modelKey: "file:/A_API_KEY" }))).toBe(env);
	expect(withoutModelKey(env, settings())).toBe(env);
});
