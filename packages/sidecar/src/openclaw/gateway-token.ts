/**
 * Finds the secret that OpenClaw's gateway requires, from its configuration. A user's own token or
 * password, restored with the workspace, overrides the sidecar's variable. OpenClaw's own commands
 * use it too, so it is kept, and the sidecar sends it.
 *
 * Not followed: `$include`, and secrets that only a file or a program of the user's holds.
 */
import JSON5 from "json5";
import { type Variables, withVariables } from "./config.ts";

interface GatewayAuth {
	readonly mode?: unknown;
	readonly token?: unknown;
	readonly password?: unknown;
}

/**
 * @param config text of `openclaw.json`; undefined: the file is missing
 * @param variables the gateway's environment
 */
export function gatewaySecret(
	config: string | undefined,
	variables: Variables,
): string | undefined {
	const { mode, token, password } = authOf(config);
	const given = resolved(password, variables);
	// OpenClaw's own order: a password without a mode counts.
	if (mode === "password" || (mode === undefined && given !== undefined))
		return given ?? variables.OPENCLAW_GATEWAY_PASSWORD;
	return resolved(token, variables) ?? variables.OPENCLAW_GATEWAY_TOKEN;
}

function authOf(config: string | undefined): GatewayAuth {
	if (config === undefined) return {};
	try {
		// Comments and trailing commas are allowed in it.
		const parsed: { readonly gateway?: { readonly auth?: GatewayAuth | null } | null } | null =
			JSON5.parse(config);
		return parsed?.gateway?.auth ?? {};
	} catch {
		// OpenClaw does not start with it, and reports why.
		return {};
	}
}

/**
 * A text with `${NAME}` in it, or a reference to a variable; undefined if its value is unknown
 * here.
 */
function resolved(secret: unknown, variables: Variables): string | undefined {
	if (typeof secret === "string") return withVariables(secret, variables)?.trim() || undefined;
	const { source, id } = (secret ?? {}) as { readonly source?: unknown; readonly id?: unknown };
	return source === "env" && typeof id === "string" ? variables[id] : undefined;
}
