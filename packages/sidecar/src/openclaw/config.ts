/**
 * OpenClaw's `openclaw.json`: a minimal one for a new user, and the text of an existing one.
 *
 * The file belongs to the user as soon as it exists. So it names variables instead of values: an
 * operator's change to the environment reaches every user, and no key of the operator's gets into a
 * user's log.
 */
import {
	closeSync,
	constants,
	fstatSync,
	linkSync,
	lstatSync,
	openSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/** An inference profile that every commercial region has. */
const DEFAULT_BEDROCK_MODEL = "global.anthropic.claude-opus-5";
const NAME = "openclaw.json";
/** OpenClaw's own stays far below; anything larger is not a configuration. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Keeps OpenClaw's launcher from starting a second process to choose its compile cache: killing the
 * first would leave the gateway running. Without NODE_COMPILE_CACHE it changes nothing.
 */
export const ONE_PROCESS = { OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED: "1" };

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
		...ONE_PROCESS,
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
	const fd = openConfig(workspace, variables);
	if (fd === undefined) return undefined;
	try {
		return readFileSync(fd, "utf8");
	} catch {
		return undefined;
	} finally {
		closeSync(fd);
	}
}

/** Undefined if it is missing, or no file that OpenClaw could have written. */
export function openConfig(workspace: string, variables: Variables): number | undefined {
	let fd: number | undefined;
	try {
		// The agent can put anything there: follow no link, and wait for no FIFO.
		const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
		fd = openSync(configPath(workspace, variables), flags);
		const stat = fstatSync(fd);
		if (stat.isFile() && stat.size <= MAX_CONFIG_BYTES) return fd;
	} catch {
		// It is missing, or a link.
	}
	if (fd !== undefined) closeSync(fd);
	return undefined;
}

export const configPath = (workspace: string, variables: Variables) =>
	variables.OPENCLAW_CONFIG_PATH ?? join(workspace, NAME);

/** @throws SidecarError USAGE */
export function minimalConfig(variables: Variables): string {
	const [name, provider] = providerOf(variables);
	const id = variable("OPENCLAW_MODEL_ID");
	const config = {
		gateway: {
			mode: "local",
			bind: "loopback",
			auth: { mode: "token", token: variableRef("OPENCLAW_GATEWAY_TOKEN") },
			// Nobody can reach it, and its first start writes 52 MB during the first turn.
			controlUi: { enabled: false },
			http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
		},
		agents: { defaults: { model: { primary: `${name}/${id}` } } },
		models: { mode: "merge", providers: { [name]: { ...provider, models: [{ id, name: id }] } } },
	};
	return `${JSON.stringify(config, undefined, 2)}\n`;
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
				"the region of Amazon Bedrock, or OPENCLAW_MODEL_BASE_URL to that of another provider",
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
	const key = apiKey === undefined ? "none" : variableRef("OPENCLAW_MODEL_API_KEY");
	return [
		"openai-compatible",
		{ baseUrl: variable("OPENCLAW_MODEL_BASE_URL"), api: "openai-completions", apiKey: key },
	];
}

/** In OpenClaw's syntax: substituted when the file is read. */
export const variable = (name: string) => `\${${name}}`;

/**
 * In OpenClaw's syntax: read when needed. Its value is not part of the configuration, which must be
 * the same on each machine: OpenClaw repeats all start-up migrations when it differs.
 */
export const variableRef = (name: string) => ({ source: "env", provider: "default", id: name });

function lacking(name: string, what: string): SidecarError {
	const remedy = `set ${name} to ${what}; where the agent is not OpenClaw, give --profile plain`;
	return new SidecarError("USAGE", {
		value: name,
		reason: "a new user's openclaw.json needs it",
		remedy,
	});
}
