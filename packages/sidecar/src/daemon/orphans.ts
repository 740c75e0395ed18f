/**
 * Orphans of the agent, processes whose parent ended before them. They become children of PID 1, or
 * of the nearest ancestor that asked for them: this process is the one or does the other. So all
 * that the agent started is found as long as it runs, and reaped when it ends.
 *
 * Guarantees: what Node itself spawned is left to Node, whose `exit` events would be lost with the
 * status. A child that Node waits for is gone as soon as the event loop has turned; so only a
 * zombie that is still there a look later is reaped.
 * NOT guaranteed without koffi: then nothing is adopted, unless this is PID 1, and nothing reaped.
 * The log says so.
 */
import { loadCLibrary } from "../c-library.ts";
import type { Logger } from "../telemetry/types.ts";
import { type ProcessEntry, readProcesses } from "./process-table.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
/** A zombie costs an entry in a table: nobody is in a hurry, and a burst of ends is one look. */
const LOOK_MS = 100;

interface Calls {
	becomeSubreaper(): boolean;
	/** @returns whether it was there to be reaped */
	reap(pid: number): boolean;
}

/**
 * For the whole process, and for good. Never fails.
 * @returns whether orphans become children of this process
 */
export async function adoptOrphans(log: Logger): Promise<boolean> {
	const isInit = process.pid === 1;
	const calls = await loadCalls().catch((error: unknown) => {
		log.warn("orphans.not-reaped", {
			error,
			remedy: "install koffi, or run below an init such as tini",
		});
		return undefined;
	});
	if (calls === undefined) return isInit;
	const areOurs = isInit || calls.becomeSubreaper();
	new Reaper(calls.reap, log).start();
	return areOurs;
}

async function loadCalls(): Promise<Calls> {
	const { library } = await loadCLibrary();
	const prctl = library.func(
		"int prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5)",
	);
	const waitpid = library.func("int waitpid(int pid, void *status, int options)");
	return {
		becomeSubreaper: () => prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0,
		reap: (pid) => waitpid(pid, null, WNOHANG) === pid,
	};
}

class Reaper {
	readonly #reap: (pid: number) => boolean;
	readonly #log: Logger;
	/** Zombies of the look before. */
	#seen: ReadonlySet<string> = new Set();
	#timer: NodeJS.Timeout | undefined;

	constructor(reap: (pid: number) => boolean, log: Logger) {
		this.#reap = reap;
		this.#log = log;
	}

	start(): void {
		process.on("SIGCHLD", () => this.#lookSoon());
		this.#lookSoon();
	}

	#lookSoon(): void {
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			this.#look();
		}, LOOK_MS).unref();
	}

	#look(): void {
		const zombies = readProcesses().filter(
			({ parent, isZombie }) => parent === process.pid && isZombie,
		);
		const old = zombies.filter((zombie) => this.#seen.has(nameOf(zombie)));
		const reaped = old.filter(({ pid }) => this.#reap(pid)).length;
		this.#seen = new Set(zombies.map(nameOf));
		if (reaped > 0) this.#log.debug("orphans.reaped", { processes: reaped });
		if (zombies.length > reaped) this.#lookSoon();
	}
}

const nameOf = ({ pid, startedAt }: ProcessEntry) => `${pid}:${startedAt}`;
