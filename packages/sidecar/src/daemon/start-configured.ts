import type { Session } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import { type Agent, type AgentUser, startAgent } from "./agent.ts";
import { agentEnvironment } from "./agent-environment.ts";
import { MARK_VARIABLE, markText, ownMark } from "./agent-mark.ts";
import { AgentOutput } from "./agent-output.ts";
import { recordAgent, recordPath } from "./agent-record.ts";
import { watchDeath } from "./death-watch.ts";
import type { AskToStop } from "./drain.ts";
import { adoptOrphans } from "./orphans.ts";
import { superviseAgent } from "./supervised-agent.ts";

export interface AgentOptions {
	/**
	 * The agent: a command and its arguments. Without one the daemon runs until it is told to stop.
	 */
	readonly command: readonly string[];
	/** `agentEnvironment` selects what the agent gets of it. */
	readonly env: NodeJS.ProcessEnv;
	/**
	 * Further names, or `PREFIX_*`, of `env` that the agent gets; `*`: all except those it never
	 * gets.
	 */
	readonly agentEnv?: readonly string[];
	/** Variables that only the agent gets, such as the token of its API. */
	readonly agentVariables?: Readonly<Record<string, string>>;
	/**
	 * Called when the workspace is restored, before the agent starts for the first time.
	 * @param annotations of the newest commit
	 */
	readonly prepareWorkspace?: (annotations: Session["head"]["annotations"]) => void;
	/** The user who becomes the owner of the workspace. */
	readonly agentUser?: AgentUser | undefined;
	/** What the agent prints becomes log events. Otherwise it goes to our stdout and stderr. */
	readonly logAgentOutput: boolean;
	/** Stdout carries a JSON result. */
	readonly agentToStderr: boolean;
	/**
	 * This process belongs to the daemon alone: it adopts the agent's orphans, and passes signals on.
	 * Default: the process has other uses too.
	 */
	readonly ownsProcess?: boolean;
	/** Asks the agent to end, instead of a signal. */
	readonly askToStop?: AskToStop | undefined;
	/** Restart the agent if it ends on its own. Default: the daemon ends with the agent. */
	readonly restartAgent?: boolean;
}

/** Meant for the agent if senders know only this process, such as PID 1 of a container. */
const PASSED_ON = ["SIGUSR1", "SIGUSR2"] as const;

export interface AgentPlace {
	readonly workspace: string;
	readonly stateDir: string;
}

/** @throws SidecarError AGENT_NOT_STARTED */
export async function startConfigured(
	options: AgentOptions & AgentPlace,
	logger: Logger,
): Promise<Agent> {
	const {
		command,
		agentVariables,
		agentToStderr: toStderr,
		agentUser: user,
		workspace,
		stateDir,
	} = options;
	const { env, withheld } = agentEnvironment(options.env, options.agentEnv);
	logger.debug("agent.environment", { withheld });
	const ownsOrphans = options.ownsProcess === true && (await adoptOrphans(logger));
	const own = ownMark(workspace);
	const mark = own && markText(own);
	const record = recordPath(stateDir, workspace);
	const watch = options.ownsProcess ? watchDeath(mark, record, logger) : undefined;
	const variables = {
		...env,
		...agentVariables,
		...(mark !== undefined && { [MARK_VARIABLE]: mark }),
	};
	const output = options.logAgentOutput ? new AgentOutput(logger) : undefined;
	const start = async () => {
		const agent = await startAgent({
			command,
			env: variables,
			output,
			toStderr,
			user,
			ownsOrphans,
			spared: watch?.pid,
			logger,
		});
		if (mark !== undefined) note(record, agent, mark, logger);
		return agent;
	};
	let agent: Agent;
	try {
		agent = options.restartAgent ? await superviseAgent(start, logger) : await start();
	} catch (error) {
		watch?.disarm();
		throw error;
	}
	void agent.exited.then(() => watch?.disarm());
	if (options.ownsProcess)
		for (const signal of PASSED_ON) process.on(signal, () => agent.pass(signal));
	return agent;
}

/** A failure is only logged: the mark alone still finds the agent. */
function note(record: string, { pid }: Agent, mark: string, logger: Logger): void {
	try {
		recordAgent(record, pid, mark);
	} catch (error) {
		logger.warn("agent.not-recorded", { error });
	}
}
