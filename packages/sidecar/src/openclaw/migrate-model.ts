/**
 * Files that earlier releases wrote name the provider `amazon-bedrock`, which is a plugin of
 * OpenClaw's. It is fetched at each start, and without it every turn fails. Decision 60.
 */
import { isDeepStrictEqual } from "node:util";
import { SidecarError } from "../errors.ts";
import type { Variables } from "./config.ts";
import { modelSection } from "./config.ts";

const MODEL_ID = "$" + "{OPENCLAW_MODEL_ID}";
const OLD_PRIMARY = `amazon-bedrock/${MODEL_ID}`;
/** Exactly what was written. */
const OLD_PROVIDER = {
	baseUrl: "https://bedrock-runtime.$" + "{AWS_REGION}.amazonaws.com",
	api: "bedrock-converse-stream",
	auth: "aws-sdk",
	models: [{ id: MODEL_ID, name: MODEL_ID }],
};

interface Config {
	readonly agents?: { readonly defaults?: { readonly model?: { primary?: unknown } } };
	readonly models?: { readonly providers?: Record<string, unknown> };
}

/**
 * Moves the model of a file whose provider is untouched since it was generated, and keeps everything
 * else of it.
 *
 * @returns the new text; undefined: the file has no part of the plugin's, and stays
 * @throws SidecarError USAGE: the user has changed that part, so it is theirs to correct
 */
export function withoutBedrockPlugin(text: string, variables: Variables): string | undefined {
	const mentions = text.split("amazon-bedrock").length - 1;
	if (mentions === 0) return undefined;
	const config = parsed(text);
	const model = config?.agents?.defaults?.model;
	const providers = config?.models?.providers;
	const isOurs =
		// The provider and the model that uses it.
		mentions === 2 &&
		providers !== undefined &&
		model?.primary === OLD_PRIMARY &&
		isDeepStrictEqual(providers["amazon-bedrock"], OLD_PROVIDER);
	if (!isOurs)
		throw new SidecarError("USAGE", {
			value: "openclaw.json",
			reason: "it names the provider amazon-bedrock, a plugin that may be missing",
			remedy: "name the provider that docs/model.md shows, or install the plugin",
		});
	const { primary, name, provider } = modelSection(variables);
	delete providers["amazon-bedrock"];
	providers[name] = provider;
	model.primary = primary;
	return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** Comments would be lost: such a file was edited by hand. */
function parsed(text: string): Config | undefined {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
