import { describe, expect, test } from "vitest";
import { minimalConfig } from "./config.ts";
import { withoutBedrockPlugin } from "./migrate-model.ts";

const variables = {
	OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:18787/anthropic",
	OPENCLAW_MODEL_ID: "model-7",
	OPENCLAW_MODEL_API_KEY: "of-this-boot",
};
const ID = "$" + "{OPENCLAW_MODEL_ID}";
/** As 0.1.0 wrote it. */
const generated = {
	gateway: {
		mode: "local",
		bind: "loopback",
		auth: { mode: "token", token: "$" + "{OPENCLAW_GATEWAY_TOKEN}" },
		http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
	},
	agents: { defaults: { model: { primary: `amazon-bedrock/${ID}` } } },
	models: {
		mode: "merge",
		providers: {
			"amazon-bedrock": {
				baseUrl: "https://bedrock-runtime.$" + "{AWS_REGION}.amazonaws.com",
				api: "bedrock-converse-stream",
				auth: "aws-sdk",
				models: [{ id: ID, name: ID }],
			},
		},
	},
};
const moved = (config: object) => withoutBedrockPlugin(JSON.stringify(config), variables);

describe("a configuration with the provider amazon-bedrock", () => {
	test("as it was generated gets the model that is generated today, and stays as it is otherwise", () => {
		const { agents, models } = JSON.parse(minimalConfig(variables));
		const { model } = agents.defaults;
		expect(JSON.parse(moved(generated) ?? "")).toEqual({
			...generated,
			agents: { defaults: { model } },
			models,
		});
	});

	test("keeps everything that the user has changed elsewhere", () => {
		const own = { ...generated, gateway: { port: 1 }, channels: { telegram: { enabled: true } } };
		const text = moved({
			...own,
			models: { ...own.models, providers: { ...own.models.providers, mine: { api: "ollama" } } },
		});
		const { models, agents, ...rest } = JSON.parse(text ?? "");
		expect(rest).toEqual({ gateway: { port: 1 }, channels: { telegram: { enabled: true } } });
		expect(models.providers.mine).toEqual({ api: "ollama" });
		expect(Object.keys(models.providers).sort()).toEqual(["mine", "sidecar"]);
		expect(agents.defaults.model.primary).toBe(`sidecar/${ID}`);
	});

	// @id model-config-theirs
	test.each([
		[
			"another primary model",
			{ ...generated, agents: { defaults: { model: { primary: "x/y" } } } },
		],
		["a changed provider", JSON.parse(JSON.stringify(generated).replace("aws-sdk", "api-key"))],
		["another use of it", { ...generated, tools: { image: { model: "amazon-bedrock/nova" } } }],
		["no agents", { models: generated.models, note: "amazon-bedrock" }],
	])("and with %s is the user's: it stays, and the remedy is told", (_, config) => {
		expect(() => moved(config)).toThrow(
			expect.objectContaining({
				code: "USAGE",
				remedy: expect.stringContaining("docs/model.md"),
			}),
		);
	});

	test("and with comments stays too", () => {
		expect(() => withoutBedrockPlugin(`// mine\n${JSON.stringify(generated)}`, variables)).toThrow(
			expect.objectContaining({ code: "USAGE" }),
		);
	});
});

test("a configuration without it stays, even if it is no JSON", () => {
	for (const text of ["", "{", minimalConfig(variables), "null"])
		expect(withoutBedrockPlugin(text, variables)).toBeUndefined();
});
