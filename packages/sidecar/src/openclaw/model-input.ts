/**
 * Whether OpenClaw passes images on to its model, from its configuration. It drops them silently for
 * a model of the configuration that declares no such input; models of its own catalog are not judged.
 */

import JSON5 from "json5";
import { type Variables, withVariables } from "./config.ts";

type Entry = { readonly [name: string]: unknown };

/**
 * @param config text of `openclaw.json`; undefined: the file is missing
 * @param agent an id of `agents.list`; undefined: the default
 */
export function takesImages(
	config: string | undefined,
	variables: Variables,
	agent: string | undefined,
): boolean {
	let parsed: Entry;
	try {
		parsed = entry(JSON5.parse(config ?? "{}"));
	} catch {
		// OpenClaw does not start with it, and reports why.
		return true;
	}
	const agents = entry(parsed.agents);
	const own = list(agents.list).find(({ id }) => id === agent);
	const [provider = "", ...id] = (
		primary(own?.model, variables) ??
		primary(entry(agents.defaults).model, variables) ??
		""
	).split("/");
	const models = list(entry(entry(entry(parsed.models).providers)[provider]).models);
	const model = models.find((each) => withVariables(each.id, variables) === id.join("/"));
	return model === undefined || (Array.isArray(model.input) && model.input.includes("image"));
}

const primary = (model: unknown, variables: Variables) =>
	withVariables(typeof model === "string" ? model : entry(model).primary, variables);

const entry = (value: unknown): Entry =>
	typeof value === "object" && value !== null ? (value as Entry) : {};

const list = (value: unknown): readonly Entry[] => (Array.isArray(value) ? value.map(entry) : []);
