/**
 * The agent as a machine of the platform runs it: its variables, its preparation, the secret of its
 * API, and its dialect. For OpenClaw, according to the workspace's profile, that is a configuration
 * for a new user and the secret of a restored user's.
 */

import type { AgentDialect } from "../agentcore/dialect.ts";
import { agentEnvironment } from "../daemon/agent-environment.ts";
import type { AskToStop } from "../daemon/drain.ts";
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
	/** Asks it to end; undefined: a signal does. */
	readonly askToStop?: AskToStop | undefined;
	/** The secret that its API accepts now; it may change while the agent runs. */
	readonly secret: () => string | undefined;
	/** Undefined: its API is OpenAI-compatible, and nothing else. */
	readonly dialect?: AgentDialect;
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
	const { workspace, agentUrl, agentEnv, region, interruptedTurns: policy } = settings;
	const own = { OPENCLAW_GATEWAY_TOKEN: token };
	if (profile.name !== "openclaw")
		return { variables: own, prepare: () => {}, secret: () => token };
	const [{ gatewaySecret }, { askToStop, SUPERVISED }, { OpenClawDialect }, { takesImages }] =
		await Promise.all([
			import("../openclaw/gateway-token.ts"),
			import("../openclaw/stop-gateway.ts"),
			import("../openclaw/dialect.ts"),
			import("../openclaw/model-input.ts"),
		]);
	const given = agentEnvironment(env, agentEnv?.split(",")).env;
	const variables = { ...own, ...SUPERVISED, ...openClawVariables(given, agentUrl, region) };
	const all: Variables = { ...given, ...variables };
	const secret = () => gatewaySecret(readConfig(workspace, all), all);
	const uid = Number(settings.agentUser?.split(":")[0] ?? process.getuid?.());
	return {
		variables,
		prepare: () => {
			if (writeMinimalConfig(workspace, all))
				log.info("agent.config-written", { model: all.OPENCLAW_MODEL_ID });
		},
		askToStop: async ({ turnMs, signal }) =>
			await askToStop({ url: agentUrl, token: secret(), workspace, uid, policy, turnMs, signal }),
		secret,
		dialect: new OpenClawDialect({
			url: agentUrl,
			token: secret,
			takesImages: (agent) => takesImages(readConfig(workspace, all), all, agent),
			log,
		}),
	};
}
