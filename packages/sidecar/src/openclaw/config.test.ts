import {
	existsSync,
	lstatSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
	minimalConfig,
	ONE_PROCESS,
	openClawVariables,
	readConfig,
	writeMinimalConfig,
} from "./config.ts";

const URL = "http://127.0.0.1:18789";
/** As the sidecar gives them to an agent with a model endpoint. */
const endpoint = {
	OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:18787/anthropic",
	OPENCLAW_MODEL_ID: "model-7",
	OPENCLAW_MODEL_API: "anthropic-messages",
	OPENCLAW_MODEL_API_KEY: "of-this-boot-CANARY",
};
const other = {
	OPENCLAW_MODEL_BASE_URL: "https://models.example/v1",
	OPENCLAW_MODEL_ID: "model-7",
	OPENCLAW_MODEL_API_KEY: "sk-CANARY",
};

const reference = (id: string) => ({ source: "env", provider: "default", id });

let workspace: string;
beforeEach(() => {
	workspace = mkdtempSync(join(tmpdir(), "openclaw-config-"));
});
afterEach(() => rmSync(workspace, { recursive: true, force: true }));

describe("a new user's configuration", () => {
	test("is a gateway on the loopback interface with both APIs, its token and its model from the environment", () => {
		const config = JSON.parse(minimalConfig(endpoint));
		expect(config.gateway).toEqual({
			mode: "local",
			bind: "loopback",
			auth: { mode: "token", token: reference("OPENCLAW_GATEWAY_TOKEN") },
			controlUi: { enabled: false },
			http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
		});
		expect(config.agents.defaults.model.primary).toBe("sidecar/$" + "{OPENCLAW_MODEL_ID}");
		expect(config.models.providers).toEqual({
			sidecar: {
				baseUrl: "$" + "{OPENCLAW_MODEL_BASE_URL}",
				api: "$" + "{OPENCLAW_MODEL_API}",
				apiKey: { source: "env", provider: "default", id: "OPENCLAW_MODEL_API_KEY" },
				models: [
					{
						id: "$" + "{OPENCLAW_MODEL_ID}",
						name: "$" + "{OPENCLAW_MODEL_ID}",
						input: ["text", "image"],
						contextWindow: 200_000,
					},
				],
			},
		});
	});

	test("declares what the model takes, as its variables say", () => {
		const model = (variables: object) =>
			Object.values<{ models: object[] }>(
				JSON.parse(minimalConfig({ ...endpoint, ...variables })).models.providers,
			)[0]?.models[0];
		expect(model({})).toMatchObject({ input: ["text", "image"], contextWindow: 200_000 });
		expect(
			model({ OPENCLAW_MODEL_INPUT: "text", OPENCLAW_MODEL_CONTEXT_WINDOW: "32768" }),
		).toMatchObject({ input: ["text"], contextWindow: 32_768 });
	});

	test("is the same text for every boot, model and provider, so that OpenClaw migrates nothing again", () => {
		const next = { ...endpoint, OPENCLAW_MODEL_API_KEY: "of-the-next-boot" };
		expect(minimalConfig(next)).toBe(minimalConfig(endpoint));
		expect(minimalConfig(other)).toBe(minimalConfig(endpoint));
	});

	test("uses any OpenAI-compatible server instead, and contains no value of the operator's", () => {
		const text = minimalConfig(other);
		const { providers } = JSON.parse(text).models;
		expect(Object.keys(providers)).toEqual(["sidecar"]);
		for (const value of Object.values(other)) expect(text).not.toContain(`"${value}"`);
		expect(
			JSON.parse(minimalConfig({ ...other, OPENCLAW_MODEL_API_KEY: undefined })).models.providers
				.sidecar.apiKey,
		).toBe("none");
	});

	test("has the operator's settings merged in, and null removes one", () => {
		const patch = {
			gateway: { controlUi: null, port: 4711 },
			plugins: { entries: { browser: { enabled: false } } },
			agents: { defaults: { skills: ["a", "b"] } },
		};
		const variables = { ...endpoint, OPENCLAW_NEW_USER_CONFIG: JSON.stringify(patch) };
		const config = JSON.parse(minimalConfig(variables));
		const plain = JSON.parse(minimalConfig(endpoint));
		const { controlUi: _, ...gateway } = plain.gateway;
		expect(config).toEqual({
			...plain,
			gateway: { ...gateway, port: 4711 },
			plugins: patch.plugins,
			agents: { defaults: { ...plain.agents.defaults, skills: ["a", "b"] } },
		});
		expect(minimalConfig({ ...endpoint, OPENCLAW_NEW_USER_CONFIG: "{}" })).toBe(
			minimalConfig(endpoint),
		);
	});

	// @id openclaw-config-constant
	test("is the same on each machine: no secret of this boot is substituted in it", () => {
		const substituted = (variables: Record<string, string>) =>
			minimalConfig(variables).replaceAll(
				/\$\{(\w+)\}/g,
				(_, name: string) => variables[name] ?? "",
			);
		const boot = (n: number) => ({
			...other,
			OPENCLAW_GATEWAY_TOKEN: `token ${n}`,
			OPENCLAW_MODEL_API_KEY: `key ${n}`,
		});
		expect(substituted(boot(1))).toBe(substituted(boot(2)));
		expect(substituted(boot(1))).not.toBe(substituted({ ...boot(1), OPENCLAW_MODEL_ID: "other" }));
	});

	test.each([
		["AWS_REGION", {}],
		["OPENCLAW_MODEL_ID", { OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:1/v1" }],
		[
			"OPENCLAW_MODEL_BASE_URL",
			{ OPENCLAW_MODEL_BASE_URL: "ftp://models", OPENCLAW_MODEL_ID: "m" },
		],
		["OPENCLAW_MODEL_INPUT", { ...endpoint, OPENCLAW_MODEL_INPUT: "image" }],
		["OPENCLAW_MODEL_INPUT", { ...endpoint, OPENCLAW_MODEL_INPUT: "text,sound" }],
		["OPENCLAW_MODEL_CONTEXT_WINDOW", { ...endpoint, OPENCLAW_MODEL_CONTEXT_WINDOW: "200k" }],
		["OPENCLAW_MODEL_CONTEXT_WINDOW", { ...endpoint, OPENCLAW_MODEL_CONTEXT_WINDOW: "0" }],
		["OPENCLAW_NEW_USER_CONFIG", { ...endpoint, OPENCLAW_NEW_USER_CONFIG: "CANARY" }],
		["OPENCLAW_NEW_USER_CONFIG", { ...endpoint, OPENCLAW_NEW_USER_CONFIG: '["CANARY"]' }],
		[
			"OPENCLAW_MODEL_BASE_URL",
			{ OPENCLAW_MODEL_BASE_URL: "https://user:CANARY@models/v1", OPENCLAW_MODEL_ID: "m" },
		],
	])("without %s is refused, with the remedy and without the value", (name, variables) => {
		expect(() => writeMinimalConfig(workspace, variables)).toThrow(
			expect.objectContaining({
				code: "USAGE",
				value: name,
				message: expect.not.stringContaining("CANARY"),
				remedy: expect.stringContaining(name),
			}),
		);
		expect(readdirSync(workspace)).toEqual([]);
	});

	test("is written for its user alone, and leaves nothing next to it, even if an earlier try was interrupted", () => {
		writeFileSync(join(workspace, ".openclaw.json.tmp"), "half");
		expect(writeMinimalConfig(workspace, endpoint)).toBe(true);
		expect(readdirSync(workspace)).toEqual(["openclaw.json"]);
		expect(lstatSync(join(workspace, "openclaw.json")).mode & 0o777).toBe(0o600);
		expect(readConfig(workspace, {})).toBe(minimalConfig(endpoint));
	});

	test("never replaces another: neither a file, nor a dangling link, nor one elsewhere if the path is set", () => {
		const path = join(workspace, "openclaw.json");
		writeFileSync(path, "mine");
		expect(writeMinimalConfig(workspace, {})).toBe(false);
		expect(readFileSync(path, "utf8")).toBe("mine");
		rmSync(path);
		symlinkSync(join(workspace, "nowhere"), path);
		expect(writeMinimalConfig(workspace, endpoint)).toBe(false);
		expect(existsSync(join(workspace, "nowhere"))).toBe(false);
		rmSync(path);
		expect(writeMinimalConfig(workspace, { ...endpoint, OPENCLAW_CONFIG_PATH: "/elsewhere" })).toBe(
			false,
		);
		expect(readdirSync(workspace)).toEqual([]);
	});
});

test("a configuration is not read if the agent replaced it with a link, a directory or an oversized file", () => {
	const path = join(workspace, "openclaw.json");
	expect(readConfig(workspace, {})).toBeUndefined();
	writeFileSync(join(workspace, "secret"), "{}");
	symlinkSync(join(workspace, "secret"), path);
	expect(readConfig(workspace, {})).toBeUndefined();
	expect(readConfig(workspace, { OPENCLAW_CONFIG_PATH: join(workspace, "secret") })).toBe("{}");
	expect(readConfig(workspace, { OPENCLAW_CONFIG_PATH: workspace })).toBeUndefined();
	rmSync(path);
	writeFileSync(path, Buffer.alloc(2 * 1024 * 1024, " "));
	expect(readConfig(workspace, {})).toBeUndefined();
});

test("OpenClaw's variables: its port, a region for its tools, and the API of a provider of the operator's", () => {
	expect(openClawVariables({}, URL, "eu-central-1")).toEqual({
		...ONE_PROCESS,
		OPENCLAW_GATEWAY_PORT: "18789",
		AWS_REGION: "eu-central-1",
		OPENCLAW_MODEL_API: "openai-completions",
	});
	expect(
		openClawVariables({ AWS_DEFAULT_REGION: "us-east-1" }, URL, "eu-central-1").AWS_REGION,
	).toBe("us-east-1");
	expect(openClawVariables(endpoint, URL, undefined)).toEqual({
		...ONE_PROCESS,
		OPENCLAW_GATEWAY_PORT: "18789",
		OPENCLAW_MODEL_API: "anthropic-messages",
	});
});
