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

/** Another user than ours, by number: then the agent can read neither our memory nor our files. Needs root. */
export interface AgentUser {
	readonly uid: number;
	readonly gid: number;
}

export interface AgentProcess {
	/** A program and its arguments. */
	readonly command: readonly string[];
	/** All of its environment; see `agentEnvironment`. */
	readonly env: Readonly<Record<string, string>>;
	/** Stdout belongs to a JSON result: the agent's goes to stderr. */
	readonly toStderr: boolean;
	readonly user?: AgentUser | undefined;
}

/**
 * Starts the agent with our stdin, stdout and stderr, and no other descriptor of ours. Resolves once it runs.
 * @throws SidecarError AGENT_NOT_STARTED
 */
export async function startAgent({ command, env, toStderr, user }: AgentProcess): Promise<Agent> {
	const [file, ...args] = command;
	if (file === undefined) throw new SidecarError("AGENT_NOT_STARTED", { reason: "the command is empty" });
	const failed = (cause: NodeJS.ErrnoException) =>
		new SidecarError("AGENT_NOT_STARTED", { value: file, reason: cause.code ?? cause.message, cause });
	let child: ChildProcess;
	try {
		child = spawn(file, args, { env, stdio: ["inherit", toStderr ? 2 : "inherit", "inherit"], ...user });
	} catch (cause) {
		throw failed(cause as NodeJS.ErrnoException);
	}
	await new Promise<void>((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", (cause) => reject(failed(cause)));
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
