/**
 * The agent as a machine of the platform runs it: its variables, its preparation, and the secret of
 * its API. For OpenClaw, according to the workspace's profile, that is a configuration for a new
 * user and the secret of a restored user's.
 */

import { agentEnvironment } from "../daemon/agent-environment.ts";
import {
	openClawVariables,
	readConfig,
	type Variables,
	writeMinimalConfig,
} from "../openclaw/config.ts";
import type { OpenWorkspace } from "./options.ts";

export interface PlatformAgent {
	/** Only for the agent. */
	readonly variables: Readonly<Record<string, string>>;
	/** Called in a restored workspace, before the agent starts. @throws SidecarError USAGE */
	readonly prepare: () => void;
	/** The secret that its API accepts now; it may change while the agent runs. */
	readonly secret: () => string | undefined;
}

/**
 * @param env from which the agent's environment is selected
 * @param token generated for this boot
 */
export async function platformAgent(
	{ settings, profile, log }: OpenWorkspace,
	env: NodeJS.ProcessEnv,
	token: string,
): Promise<PlatformAgent> {
	const { workspace, agentUrl, agentEnv, region } = settings;
	const own = { OPENCLAW_GATEWAY_TOKEN: token };
	if (profile.name !== "openclaw")
		return { variables: own, prepare: () => {}, secret: () => token };
	const [{ gatewaySecret }, { migrateToken }] = await Promise.all([
		import("../openclaw/gateway-token.ts"),
		import("../openclaw/migrate-token.ts"),
	]);
	const given = agentEnvironment(env, agentEnv?.split(",")).env;
	const variables = { ...own, ...openClawVariables(given, agentUrl, region) };
	const all: Variables = { ...given, ...variables };
	return {
		variables,
		prepare: () => {
			if (writeMinimalConfig(workspace, all))
				log.info("agent.config-written", { model: all.OPENCLAW_MODEL_ID });
			else if (migrateToken(workspace, all)) log.info("agent.config-migrated");
		},
		secret: () => gatewaySecret(readConfig(workspace, all), all),
	};
}
