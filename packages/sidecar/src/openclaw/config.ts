/**
 * OpenClaw's `openclaw.json`: a minimal one for a new user, and the text of an existing one.
 *
 * The file belongs to the user as soon as it exists. So it names variables instead of values: an
 * operator's change to the environment reaches every user, and no key of the operator's gets into a
 * user's log.
 */
import { linkSync, lstatSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import { readText } from "./read-text.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/** An inference profile that every commercial region has. */
const DEFAULT_BEDROCK_MODEL = "global.anthropic.claude-opus-5";
const DEFAULT_INPUT = "text,image";
/** OpenClaw's own default. */
const DEFAULT_CONTEXT_WINDOW = 200_000;
const NAME = "openclaw.json";
/** OpenClaw's own stays far below; anything larger is not a configuration. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * The variables that OpenClaw needs from the sidecar.
 * @param variables its environment so far
 * @param url the address of its gateway
 * @param region of Amazon Bedrock if `variables` name none
 */
export function openClawVariables(
	variables: Variables,
	url: string,
	region: string | undefined,
): Record<string, string> {
	const { AWS_REGION, AWS_DEFAULT_REGION, OPENCLAW_MODEL_ID, OPENCLAW_MODEL_BASE_URL } = variables;
	const bedrockRegion = AWS_REGION ?? AWS_DEFAULT_REGION ?? region;
	return {
		// Its own commands find the gateway by it, and it overrides a port in a restored file.
		OPENCLAW_GATEWAY_PORT: new URL(url).port || "80",
		...(bedrockRegion !== undefined && { AWS_REGION: bedrockRegion }),
		...(OPENCLAW_MODEL_ID === undefined &&
			OPENCLAW_MODEL_BASE_URL === undefined && { OPENCLAW_MODEL_ID: DEFAULT_BEDROCK_MODEL }),
	};
}

/**
 * Writes the minimum from which OpenClaw can start. Leaves an existing configuration unchanged.
 * @param workspace absolute
 * @param variables the agent's complete environment
 * @returns whether it was written
 * @throws SidecarError USAGE: the variables name no usable model
 */
export function writeMinimalConfig(workspace: string, variables: Variables): boolean {
	if (variables.OPENCLAW_CONFIG_PATH !== undefined) return false;
	const path = join(workspace, NAME);
	// An entry with that name belongs to the user, even a dangling link.
	if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return false;
	const text = minimalConfig(variables);
	const partial = join(workspace, `.${NAME}.tmp`);
	rmSync(partial, { force: true });
	writeFileSync(partial, text, { mode: 0o600, flag: "wx" });
	// Completely or not at all, and never replacing another file.
	linkSync(partial, path);
	rmSync(partial);
	return true;
}

/** The text of the configuration that OpenClaw reads; undefined if it is missing. */
export function readConfig(workspace: string, variables: Variables): string | undefined {
	return readText(variables.OPENCLAW_CONFIG_PATH ?? join(workspace, NAME), MAX_CONFIG_BYTES);
}

/** @throws SidecarError USAGE */
export function minimalConfig(variables: Variables): string {
	const [name, provider] = providerOf(variables);
	const id = variable("OPENCLAW_MODEL_ID");
	const model = { id, name: id, ...capabilitiesOf(variables) };
	const config = {
		gateway: {
			mode: "local",
			bind: "loopback",
			auth: { mode: "token", token: variable("OPENCLAW_GATEWAY_TOKEN") },
			http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
		},
		agents: { defaults: { model: { primary: `${name}/${id}` } } },
		models: { mode: "merge", providers: { [name]: { ...provider, models: [model] } } },
	};
	return `${JSON.stringify(config, undefined, 2)}\n`;
}

/**
 * What OpenClaw would otherwise assume: text alone, and drop images silently. These are values, since
 * it substitutes variables in texts only.
 */
function capabilitiesOf({
	OPENCLAW_MODEL_INPUT,
	OPENCLAW_MODEL_CONTEXT_WINDOW,
}: Variables): object {
	const input = (OPENCLAW_MODEL_INPUT ?? DEFAULT_INPUT).split(",").map((each) => each.trim());
	if (!input.includes("text") || input.some((each) => each !== "text" && each !== "image"))
		throw lacking("OPENCLAW_MODEL_INPUT", "text, or text,image");
	const contextWindow = Number(OPENCLAW_MODEL_CONTEXT_WINDOW ?? DEFAULT_CONTEXT_WINDOW);
	if (!Number.isSafeInteger(contextWindow) || contextWindow < 1)
		throw lacking("OPENCLAW_MODEL_CONTEXT_WINDOW", "the model's number of tokens");
	return { input, contextWindow };
}

function providerOf(variables: Variables): readonly [name: string, provider: object] {
	const {
		AWS_REGION,
		OPENCLAW_MODEL_BASE_URL: baseUrl,
		OPENCLAW_MODEL_API_KEY: apiKey,
		OPENCLAW_MODEL_ID: modelId,
	} = variables;
	if (baseUrl === undefined) {
		if (AWS_REGION === undefined)
			throw lacking(
				"AWS_REGION",
				"the region of Amazon Bedrock, or OPENCLAW_MODEL_BASE_URL to another provider",
			);
		const bedrockUrl = `https://bedrock-runtime.${variable("AWS_REGION")}.amazonaws.com`;
		return [
			"amazon-bedrock",
			{ baseUrl: bedrockUrl, api: "bedrock-converse-stream", auth: "aws-sdk" },
		];
	}
	if (!/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(baseUrl))
		throw lacking("OPENCLAW_MODEL_BASE_URL", "an http(s):// URL without credentials");
	if (modelId === undefined)
		throw lacking("OPENCLAW_MODEL_ID", "the name of a model that OPENCLAW_MODEL_BASE_URL serves");
	// A server without keys still gets a placeholder.
	const key = apiKey === undefined ? "none" : variable("OPENCLAW_MODEL_API_KEY");
	return [
		"openai-compatible",
		{ baseUrl: variable("OPENCLAW_MODEL_BASE_URL"), api: "openai-completions", apiKey: key },
	];
}

/** A text of the configuration with its `${NAME}`s replaced; undefined if one has no value here. */
export function withVariables(text: unknown, variables: Variables): string | undefined {
	if (typeof text !== "string") return undefined;
	let isKnown = true;
	const replaced = text.replace(
		/\$(\$?)\{([A-Z_][A-Z0-9_]*)\}/g,
		(whole, escaping: string, name: string) => {
			if (escaping !== "") return whole.slice(1);
			isKnown &&= variables[name] !== undefined && variables[name] !== "";
			return variables[name] ?? "";
		},
	);
	return isKnown ? replaced : undefined;
}

/** In OpenClaw's syntax: substituted when the file is read. */
const variable = (name: string) => `\${${name}}`;

function lacking(name: string, what: string): SidecarError {
	const remedy = `set ${name} to ${what}; if the agent is not OpenClaw, use --profile plain`;
	return new SidecarError("USAGE", {
		value: name,
		reason: "a new user's openclaw.json needs it",
		remedy,
	});
}
