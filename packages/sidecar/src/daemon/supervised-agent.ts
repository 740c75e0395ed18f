import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../telemetry/types.ts";
import type { Agent, AgentExit } from "./agent.ts";
import { retryDelayMs } from "./cadence.ts";

/** An agent that ran for this long has started; its next crash counts as a first one. */
const STEADY_MS = 60_000;

/** EX_CONFIG of sysexits.h. OpenClaw ends with it if a newer release has written its databases. */
const REFUSED = 78;
const REFUSED_REMEDY =
	"the agent refuses its configuration or its data: its own output says why. If a newer release of it wrote the data, run that release, or go back with `openclaw-sidecar rollback --to TIME`";

/**
 * An agent that is restarted whenever it ends on its own: after 1 s, doubling to 30 s. The
 * workspace is not restored in between. `exited` settles only after `kill`.
 *
 * @throws SidecarError as `start`, if the first start fails
 */
export async function superviseAgent(
	start: () => Promise<Agent>,
	logger: Logger,
	delayMs = retryDelayMs,
): Promise<Agent> {
	return new SupervisedAgent(await start(), start, logger, delayMs);
}

class SupervisedAgent implements Agent {
	readonly exited: Promise<AgentExit>;
	readonly #start: () => Promise<Agent>;
	readonly #logger: Logger;
	readonly #delayMs: (failures: number) => number;
	/** No more restarts. */
	readonly #over = new AbortController();
	#current: Agent;
	#exit: AgentExit | undefined;
	#isStarting = false;

	constructor(
		first: Agent,
		start: () => Promise<Agent>,
		logger: Logger,
		delayMs: (failures: number) => number,
	) {
		this.#current = first;
		this.#start = start;
		this.#logger = logger;
		this.#delayMs = delayMs;
		this.exited = this.#supervise();
	}

	get pid(): number {
		return this.#current.pid;
	}

	get exit(): AgentExit | undefined {
		return this.#exit;
	}

	kill(signal: NodeJS.Signals | 0): void {
		this.#over.abort();
		// Between two starts no process is running, except one that is just starting.
		if (!this.#isStarting) this.#exit ??= this.#current.exit;
		this.#current.kill(signal);
	}

	pass(signal: NodeJS.Signals): void {
		this.#current.pass(signal);
	}

	async #supervise(): Promise<AgentExit> {
		let crashes = 0;
		for (;;) {
			const startedMs = performance.now();
			const exit = await this.#current.exited;
			if (this.#over.signal.aborted) return this.#end(exit);
			crashes = performance.now() - startedMs >= STEADY_MS ? 1 : crashes + 1;
			if (!(await this.#restart(exit, crashes))) return this.#end(exit);
		}
	}

	/** False: it was told to end meanwhile. */
	async #restart(exit: AgentExit, crashes: number): Promise<boolean> {
		for (let failures = crashes; ; failures++) {
			const restartMs = this.#delayMs(failures);
			const remedy = exit.status === REFUSED && { remedy: REFUSED_REMEDY };
			this.#logger.error("agent.crashed", { ...exit, crashes: failures, restartMs, ...remedy });
			await delay(restartMs, undefined, { signal: this.#over.signal }).catch(() => {});
			if (this.#over.signal.aborted) return false;
			this.#isStarting = true;
			try {
				const started = await this.#start();
				if (this.#over.signal.aborted) {
					// It was told to end while this one started. Nothing may write after `exited`.
					started.kill("SIGKILL");
					await started.exited;
					return false;
				}
				this.#current = started;
				this.#logger.info("agent.restarted", { pid: this.#current.pid });
				return true;
			} catch (error) {
				this.#logger.error("agent.not-restarted", { error });
			} finally {
				this.#isStarting = false;
			}
		}
	}

	#end(exit: AgentExit): AgentExit {
		this.#exit ??= exit;
		return this.#exit;
	}
}
