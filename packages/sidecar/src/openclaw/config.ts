/**
 * OpenClaw's `openclaw.json`: a minimal one for a new user, and the text of an existing one.
 *
 * The file belongs to the user as soon as it exists. So it names variables instead of values: an
 * operator's change to the environment reaches every user, and no key of the operator's gets into a
 * user's log.
 */
import { linkSync, lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import { openText, readText } from "./read-text.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

const DEFAULT_INPUT = "text,image";
/** OpenClaw's own default. */
const DEFAULT_CONTEXT_WINDOW = 200_000;
const NAME = "openclaw.json";
/** No alias of a provider's that OpenClaw fetches as a plugin, as `amazon-bedrock` is. */
const MODEL_PROVIDER = "sidecar";
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
 * @param region for tools of the agent, if `variables` name none
 */
export function openClawVariables(
	variables: Variables,
	url: string,
	region: string | undefined,
): Record<string, string> {
	const awsRegion = variables.AWS_REGION ?? variables.AWS_DEFAULT_REGION ?? region;
	return {
		...ONE_PROCESS,
		// Its own commands find the gateway by it, and it overrides a port in a restored file.
		OPENCLAW_GATEWAY_PORT: new URL(url).port || "80",
		...(awsRegion !== undefined && { AWS_REGION: awsRegion }),
		// Named by every file that is written here, whichever provider it was written for.
		OPENCLAW_MODEL_API: variables.OPENCLAW_MODEL_API ?? "openai-completions",
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
	const partial = writePartial(workspace, minimalConfig(variables));
	// Completely or not at all, and never replacing another file.
	linkSync(partial, path);
	rmSync(partial);
	return true;
}

/** Replaces the configuration that `readConfig` returned. */
export function replaceConfig(workspace: string, text: string): void {
	renameSync(writePartial(workspace, text), join(workspace, NAME));
}

function writePartial(workspace: string, text: string): string {
	const partial = join(workspace, `.${NAME}.tmp`);
	rmSync(partial, { force: true });
	writeFileSync(partial, text, { mode: 0o600, flag: "wx" });
	return partial;
}

/** The text of the configuration that OpenClaw reads; undefined if it is missing. */
export function readConfig(workspace: string, variables: Variables): string | undefined {
	return readText(configPath(workspace, variables), MAX_CONFIG_BYTES);
}

/** Undefined if it is missing, or no file that OpenClaw could have written. */
export function openConfig(workspace: string, variables: Variables): number | undefined {
	return openText(configPath(workspace, variables), MAX_CONFIG_BYTES);
}

export const configPath = (workspace: string, variables: Variables) =>
	variables.OPENCLAW_CONFIG_PATH ?? join(workspace, NAME);

/** @throws SidecarError USAGE */
export function minimalConfig(variables: Variables): string {
	const { primary, name, provider } = modelSection(variables);
	const config = {
		gateway: {
			mode: "local",
			bind: "loopback",
			auth: { mode: "token", token: variableRef("OPENCLAW_GATEWAY_TOKEN") },
			// Nobody can reach it, and its first start writes 52 MB during the first turn.
			controlUi: { enabled: false },
			http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } },
		},
		agents: { defaults: { model: { primary } } },
		models: { mode: "merge", providers: { [name]: provider } },
	};
	const patched = mergePatch(config, operatorsPatch(variables));
	return `${JSON.stringify(patched, undefined, 2)}\n`;
}

/** What the operator wants every new user to begin with. */
function operatorsPatch({ OPENCLAW_NEW_USER_CONFIG: text = "{}" }: Variables): object {
	let patch: unknown;
	try {
		patch = JSON.parse(text);
	} catch {
		// The remedy below covers it.
	}
	if (isObject(patch)) return patch;
	throw lacking("OPENCLAW_NEW_USER_CONFIG", 'a JSON object, such as {"tools":{}}, or unset it');
}

/** A JSON merge patch, RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
	if (!isObject(patch)) return patch;
	const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
	for (const [key, value] of Object.entries(patch)) {
		if (value === null) delete merged[key];
		else merged[key] = mergePatch(merged[key], value);
	}
	return merged;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

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

/**
 * One text for every provider, so that the operator's change to another one reaches users who have
 * this file. The key is a reference, not a text with a variable: OpenClaw runs its migrations again
 * when its configuration differs from that of its last start, where it has replaced variables.
 *
 * @throws SidecarError USAGE
 */
export function modelSection(variables: Variables): {
	readonly primary: string;
	readonly name: string;
	readonly provider: object;
} {
	const {
		OPENCLAW_MODEL_BASE_URL: baseUrl,
		OPENCLAW_MODEL_API_KEY: apiKey,
		OPENCLAW_MODEL_ID: modelId,
	} = variables;
	if (baseUrl === undefined)
		throw lacking(
			"AWS_REGION",
			"the region of Amazon Bedrock, or OPENCLAW_MODEL_BASE_URL to that of another provider",
		);
	if (!/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(baseUrl))
		throw lacking("OPENCLAW_MODEL_BASE_URL", "an http(s):// URL without credentials");
	if (modelId === undefined)
		throw lacking("OPENCLAW_MODEL_ID", "the name of a model that the provider serves");
	const id = variable("OPENCLAW_MODEL_ID");
	const provider = {
		baseUrl: variable("OPENCLAW_MODEL_BASE_URL"),
		api: variable("OPENCLAW_MODEL_API"),
		// A server without keys still gets a placeholder.
		apiKey: apiKey === undefined ? "none" : variableRef("OPENCLAW_MODEL_API_KEY"),
		models: [{ id, name: id, ...capabilitiesOf(variables) }],
	};
	return { primary: `${MODEL_PROVIDER}/${id}`, name: MODEL_PROVIDER, provider };
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
export const variable = (name: string) => `\${${name}}`;

/**
 * In OpenClaw's syntax: read when needed. Its value is not part of the configuration, which must be
 * the same on each machine: OpenClaw repeats all start-up migrations when it differs.
 */
export const variableRef = (name: string) => ({ source: "env", provider: "default", id: name });

function lacking(name: string, what: string): SidecarError {
	const remedy = `set ${name} to ${what}; if the agent is not OpenClaw, use --profile plain`;
	return new SidecarError("USAGE", {
		value: name,
		reason: "a new user's openclaw.json needs it",
		remedy,
	});
}
