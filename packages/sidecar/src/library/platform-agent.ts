/**
 * The agent as a machine of the platform runs it: its variables, its preparation, the secret of its
 * API, and its dialect. For OpenClaw, according to the workspace's profile, that is a configuration
 * for a new user and the secret of a restored user's.
 */

import type { AgentDialect } from "../agentcore/dialect.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { agentEnvironment } from "../daemon/agent-environment.ts";
import type { Serving } from "../daemon/daemon.ts";
import type { AskToStop } from "../daemon/drain.ts";
import type { SessionCredentials } from "../model/credential.ts";
import type { DailyLedger } from "../model/usage-ledger.ts";
import {
	openClawVariables,
	readConfig,
	replaceConfig,
	type Variables,
	writeMinimalConfig,
} from "../openclaw/config.ts";
import { withoutBedrockPlugin } from "../openclaw/migrate-model.ts";
import { migrateToken } from "../openclaw/migrate-token.ts";
import type { Logger } from "../telemetry/types.ts";
import { startModel, withoutModelKey } from "./model.ts";
import type { OpenWorkspace } from "./options.ts";

/** Disposing of it ends its model endpoint. */
export interface PlatformAgent extends AsyncDisposable {
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
	/** Undefined: it has no model endpoint. */
	readonly usage: DailyLedger | undefined;
}

/**
 * @param env from which the agent's environment is selected
 * @param token generated for this boot
 */
export async function platformAgent(
	opened: OpenWorkspace,
	env: NodeJS.ProcessEnv,
	token: string,
	machine: {
		/** Sign the requests to the model. */
		readonly credentials: SessionCredentials | undefined;
		readonly isEnding: () => boolean;
		/** The daemon, once it runs. */
		readonly serving: () => Serving | undefined;
	},
): Promise<PlatformAgent> {
	const { settings, profile, logger } = opened;
	const { workspace, agentUrl, agentEnv, region, interruptedTurns: policy } = settings;
	const model = await startModel(opened, env, machine.credentials);
	const own = { OPENCLAW_GATEWAY_TOKEN: token, ...model?.variables };
	const common = {
		usage: model?.usage,
		[Symbol.asyncDispose]: async () => await model?.[Symbol.asyncDispose](),
	};
	if (profile.name !== "openclaw")
		return { ...common, variables: own, prepare: () => {}, secret: () => token };
	const [{ gatewaySecret }, { askToStop, SUPERVISED }, { OpenClawDialect }, { takesImages }] =
		await Promise.all([
			import("../openclaw/gateway-token.ts"),
			import("../openclaw/stop-gateway.ts"),
			import("../openclaw/dialect.ts"),
			import("../openclaw/model-input.ts"),
		]);
	const given = agentEnvironment(withoutModelKey(env, settings), agentEnv?.split(",")).env;
	const variables = {
		...own,
		...SUPERVISED,
		...openClawVariables({ ...given, ...own }, agentUrl, region),
	};
	const all: Variables = { ...given, ...variables };
	const secret = () => gatewaySecret(readConfig(workspace, all), all);
	const uid = Number(settings.agentUser?.split(":")[0] ?? process.getuid?.());
	return {
		...common,
		variables,
		prepare: () => {
			if (writeMinimalConfig(workspace, all))
				logger.info("agent.config-written", { model: all.OPENCLAW_MODEL_ID });
			else {
				moveToken(workspace, all, logger);
				if (model !== undefined) moveModel(workspace, all, logger);
			}
		},
		askToStop: async ({ turnMs, signal }) =>
			await askToStop({ url: agentUrl, token: secret(), workspace, uid, policy, turnMs, signal }),
		secret,
		dialect: new OpenClawDialect({
			url: agentUrl,
			token: secret,
			isEnding: machine.isEnding,
			newId: () => thisEnvironment.randomBytes(16).toString("hex"),
			takesImages: (agent) => takesImages(readConfig(workspace, all), all, agent),
			runOwn: async (command, conversation) => {
				const { runChatCommand } = await import("./chat-commands.ts");
				return await runChatCommand(opened, machine.serving(), command, conversation);
			},
			settle: async () => await machine.serving()?.settle(),
			logger,
		}),
	};
}

function moveToken(workspace: string, variables: Variables, logger: Logger): void {
	try {
		if (migrateToken(workspace, variables)) logger.info("agent.config-migrated");
	} catch (error) {
		// The agent starts with the old text too, only more slowly.
		logger.warn("agent.config-outdated", { error });
	}
}

/** A configuration elsewhere is not of this workspace, and was never written here. */
function moveModel(workspace: string, variables: Variables, logger: Logger): void {
	if (variables.OPENCLAW_CONFIG_PATH !== undefined) return;
	try {
		const text = withoutBedrockPlugin(readConfig(workspace, variables) ?? "", variables);
		if (text === undefined) return;
		replaceConfig(workspace, text);
		logger.info("agent.config-moved", {
			from: "amazon-bedrock",
			model: variables.OPENCLAW_MODEL_ID,
		});
	} catch (error) {
		logger.warn("agent.config-outdated", { error });
	}
}
