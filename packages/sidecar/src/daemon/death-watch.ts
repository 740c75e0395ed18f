/**
 * Ends the agent if this process dies without ending it: by SIGKILL, by the OOM killer, by a crash.
 *
 * How: a shell in its own session reads from a pipe that only this process holds open. When the
 * pipe closes, this process has died, and the shell becomes the command that ends the agent
 * (`endAgentsOf`). A line from this process means a normal end. A shell costs 1 MB and 3 ms; a
 * second Node would cost 45 MB.
 *
 * Not needed as PID 1: the kernel ends all of a pid namespace with it.
 */
import { spawn } from "node:child_process";
import type { Logger } from "../telemetry/types.ts";

export interface DeathWatch {
	/** A child of this process that does not belong to the agent. Undefined if there is no watch. */
	readonly pid: number | undefined;
	/** The agent has ended. */
	disarm(): void;
}

/**
 * Signals that stop the sidecar often go to its whole group or service. The shell ignores them so
 * that it still runs when the sidecar ends.
 */
const SCRIPT = 'trap "" HUP INT QUIT TERM; read -r line || exec "$@"';

const NONE: DeathWatch = { pid: undefined, disarm: () => {} };

/** For the command only: `process.argv[1]` is its entry point. Never fails. */
export function watchDeath(mark: string | undefined, record: string, logger: Logger): DeathWatch {
	if (process.pid === 1) return NONE;
	const unwatched = (reason: string) => {
		logger.warn("agent.not-guarded", {
			reason,
			meaning: "the agent survives if this process is killed; the next start ends it",
		});
		return NONE;
	};
	if (mark === undefined) return unwatched("/proc cannot be read");
	const { PATH, HOME, XDG_CACHE_HOME, NODE_COMPILE_CACHE } = process.env;
	const command = [process.execPath, process.argv[1] as string, "end-agent", mark, record];
	const child = spawn("sh", ["-c", SCRIPT, "sh", ...command], {
		cwd: "/",
		env: { PATH, HOME, XDG_CACHE_HOME, NODE_COMPILE_CACHE },
		stdio: ["pipe", "ignore", "inherit"],
		detached: true,
	});
	let isOver = false;
	child.once("error", (error) => unwatched(error.message));
	child.once("exit", () => isOver || unwatched("its shell was ended"));
	// The disarming line may be written to a shell that was killed.
	child.stdin.on("error", () => {});
	child.unref();
	(child.stdin as unknown as { unref(): void }).unref();
	const disarm = () => {
		isOver = true;
		child.stdin.end("ended\n");
	};
	return { pid: child.pid, disarm };
}
