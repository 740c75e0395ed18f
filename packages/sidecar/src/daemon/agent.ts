import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import type { AgentOutput } from "./agent-output.ts";
import { descendantsOf, readProcesses } from "./process-table.ts";

/**
 * How the agent ended. `status` is the status in a shell: its exit code, or 128 + the signal's
 * number.
 */
export interface AgentExit {
	readonly status: number;
	readonly signal: NodeJS.Signals | undefined;
}

export interface Agent {
	readonly pid: number;
	/**
	 * Resolves when neither the agent nor any process it left behind runs any more: the disk no
	 * longer changes. Its output is then logged.
	 */
	readonly exited: Promise<AgentExit>;
	/** Undefined while any of its processes runs. */
	readonly exit: AgentExit | undefined;
	/**
	 * Tells it to end. SIGKILL also ends everything it started. 0 sends no signal: something else has
	 * already told it.
	 */
	kill(signal: NodeJS.Signals | 0): void;
	/** Passes on a signal that does not end the agent. */
	pass(signal: NodeJS.Signals): void;
}

/**
 * A user other than the sidecar's, by number: the agent can then read neither our memory nor our
 * files. Needs root.
 */
export interface AgentUser {
	readonly uid: number;
	readonly gid: number;
}

export interface AgentProcess {
	/** A program and its arguments. */
	readonly command: readonly string[];
	/** Its complete environment; see `agentEnvironment`. */
	readonly env: Readonly<Record<string, string>>;
	/** What the agent prints goes there. Default: to our own stdout and stderr. */
	readonly output?: AgentOutput | undefined;
	/** Stdout carries a JSON result: the agent's output goes to stderr. */
	readonly toStderr: boolean;
	readonly user?: AgentUser | undefined;
	/**
	 * Its orphans become children of this process, which has no other children: see `adoptOrphans`.
	 */
	readonly ownsOrphans?: boolean;
	/** A child of this process that does not belong to the agent. */
	readonly spared?: number | undefined;
	readonly logger: Logger;
}

/** Processes that the agent leaves behind are told to end, and have this long to do so. */
const GRACE_MS = 2_000;
/** A killed process may be in the middle of writing a page. */
const KILL_MS = 1_000;
const LOOK_MS = 10;

/**
 * Starts the agent with our stdin, and our stdout and stderr unless its output is logged, and no
 * other descriptor of ours. Resolves once it runs.
 * @throws SidecarError AGENT_NOT_STARTED
 */
export async function startAgent({
	command,
	env,
	output,
	toStderr,
	user,
	ownsOrphans,
	spared,
	logger,
}: AgentProcess): Promise<Agent> {
	const [file, ...args] = command;
	if (file === undefined)
		throw new SidecarError("AGENT_NOT_STARTED", { reason: "the command is empty" });
	const failed = (cause: NodeJS.ErrnoException) =>
		new SidecarError("AGENT_NOT_STARTED", {
			value: file,
			reason: cause.code ?? cause.message,
			cause,
		});
	let child: ChildProcess;
	try {
		child = spawn(file, args, {
			env,
			stdio:
				output === undefined
					? ["inherit", toStderr ? 2 : "inherit", "inherit"]
					: ["inherit", "pipe", "pipe"],
			...user,
		});
	} catch (cause) {
		throw failed(cause as NodeJS.ErrnoException);
	}
	await new Promise<void>((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", (cause) => reject(failed(cause)));
	});
	const ancestor = ownsOrphans ? process.pid : (child.pid as number);
	return new RunningAgent(child, ancestor, spared, output, logger);
}

class RunningAgent implements Agent {
	readonly #child: ChildProcess;
	/** Every descendant of this process belongs to the agent. */
	readonly #ancestor: number;
	readonly #spared: number | undefined;
	readonly #logger: Logger;
	readonly exited: Promise<AgentExit>;
	#exit: AgentExit | undefined;
	#hasEnded = false;
	#isKilled = false;

	constructor(
		child: ChildProcess,
		ancestor: number,
		spared: number | undefined,
		output: AgentOutput | undefined,
		logger: Logger,
	) {
		this.#child = child;
		this.#ancestor = ancestor;
		this.#spared = spared;
		this.#logger = logger;
		const { promise: allEnded, resolve: othersEnded } = Promise.withResolvers<void>();
		const { stdout, stderr } = child;
		const logged =
			stdout === null || stderr === null ? undefined : output?.log({ stdout, stderr }, allEnded);
		this.exited = new Promise((resolve) => {
			child.once("exit", async (code, signal) => {
				this.#hasEnded = true;
				await this.#endOthers();
				othersEnded();
				await logged;
				this.#exit = {
					status: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
					signal: signal ?? undefined,
				};
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

	/**
	 * Only SIGKILL goes to more processes than the agent itself: while it runs, it ends its children
	 * itself.
	 */
	kill(signal: NodeJS.Signals | 0): void {
		if (this.#exit !== undefined) return;
		if (signal === "SIGKILL") {
			this.#isKilled = true;
			send(signal, this.#others());
		}
		if (!this.#hasEnded) this.#child.kill(signal);
	}

	pass(signal: NodeJS.Signals): void {
		if (!this.#hasEnded) this.#child.kill(signal);
	}

	#others(): readonly number[] {
		const running = descendantsOf(this.#ancestor, readProcesses()).filter(
			({ isZombie }) => !isZombie,
		);
		return running.map(({ pid }) => pid).filter((pid) => pid !== this.pid && pid !== this.#spared);
	}

	async #endOthers(): Promise<void> {
		let left = this.#others();
		if (left.length === 0) return;
		this.#logger.info("agent.left-processes", { processes: left.length });
		send("SIGTERM", left);
		const endedMs = performance.now();
		for (; left.length > 0; left = this.#others()) {
			const waitedMs = performance.now() - endedMs;
			if (this.#isKilled || waitedMs > GRACE_MS) send("SIGKILL", left);
			if (waitedMs > GRACE_MS + KILL_MS)
				return this.#logger.warn("agent.processes-left", { pids: left });
			await delay(LOOK_MS);
		}
	}
}

function send(signal: NodeJS.Signals, pids: readonly number[]): void {
	for (const pid of pids) {
		try {
			process.kill(pid, signal);
		} catch {
			// It has ended.
		}
	}
}
