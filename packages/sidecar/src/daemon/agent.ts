import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { SidecarError } from "../errors.ts";

/** How the agent ended. `status` is what a shell would say: its exit code, or 128 + the signal's number. */
export interface AgentExit {
	readonly status: number;
	readonly signal: NodeJS.Signals | undefined;
}

export interface Agent {
	readonly pid: number;
	readonly exited: Promise<AgentExit>;
	/** Undefined while it runs. */
	readonly exit: AgentExit | undefined;
	kill(signal: NodeJS.Signals): void;
}

/** What the sidecar is configured with, and what proves who it is to a store, is none of the agent's business. */
const WITHHELD =
	/^(OPENCLAW_SIDECAR_|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN|WEB_IDENTITY_TOKEN_FILE|ROLE_ARN|CONTAINER_))/;

export function agentEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(env).filter(([name]) => !WITHHELD.test(name)));
}

/**
 * Starts the agent with our stdin, stdout and stderr. Resolves once it runs.
 * @throws SidecarError AGENT_NOT_STARTED
 */
export async function startAgent(command: readonly string[], env: NodeJS.ProcessEnv, toStderr: boolean): Promise<Agent> {
	const [file, ...args] = command;
	if (file === undefined) throw new SidecarError("AGENT_NOT_STARTED", { reason: "the command is empty" });
	// Where stdout belongs to a JSON result, the agent's goes to stderr.
	const child = spawn(file, args, { env: agentEnvironment(env), stdio: ["inherit", toStderr ? 2 : "inherit", "inherit"] });
	await new Promise<void>((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", (cause: NodeJS.ErrnoException) =>
			reject(new SidecarError("AGENT_NOT_STARTED", { value: file, reason: cause.code ?? cause.message, cause })),
		);
	});
	return new RunningAgent(child);
}

class RunningAgent implements Agent {
	readonly #child: ChildProcess;
	readonly exited: Promise<AgentExit>;
	#exit: AgentExit | undefined;

	constructor(child: ChildProcess) {
		this.#child = child;
		this.exited = new Promise((resolve) => {
			child.once("exit", (code, signal) => {
				this.#exit = { status: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), signal: signal ?? undefined };
				resolve(this.#exit);
			});
		});
	}

	get pid(): number {
		return this.#child.pid as number;
	}

	get exit(): AgentExit | undefined {
		return this.#exit;
	}

	kill(signal: NodeJS.Signals): void {
		if (this.#exit === undefined) this.#child.kill(signal);
	}
}
