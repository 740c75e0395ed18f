/**
 * The agent as a machine of the platform runs it: with what variables, prepared how, asked with
 * what secret. For OpenClaw, which is what the workspace's profile says, that means a configuration
 * for a new user and the secret of a restored one's.
 */
import {
	openClawVariables,
	readConfig,
	type Variables,
	writeMinimalConfig,
} from "../agentcore/openclaw-config.ts";
import { agentEnvironment } from "../daemon/agent-environment.ts";
import type { OpenWorkspace } from "./options.ts";

export interface PlatformAgent {
	/** What only the agent gets. */
	readonly variables: Readonly<Record<string, string>>;
	/** In a restored workspace, before the agent starts. @throws SidecarError USAGE */
	readonly prepare: () => void;
	/** What its API asks for right now; it may be changed while it runs. */
	readonly secret: () => string | undefined;
}

/**
 * @param env what the agent's environment is chosen from
 * @param token made for this boot
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
	const { gatewaySecret } = await import("../agentcore/gateway-token.ts");
	const given = agentEnvironment(env, agentEnv?.split(",")).env;
	const variables = { ...own, ...openClawVariables(given, agentUrl, region) };
	const all: Variables = { ...given, ...variables };
	return {
		variables,
		prepare: () => {
			if (writeMinimalConfig(workspace, all))
				log.info("agent.config-written", { model: all.OPENCLAW_MODEL_ID });
		},
		secret: () => gatewaySecret(readConfig(workspace, all), all),
	};
}
