/**
 * Adopts orphans of the agent: processes whose parent ended before them. They become children of
 * PID 1, or of the nearest ancestor that asked for them; this process is one or the other. So every
 * process that the agent started can be found while it runs, and is reaped when it ends.
 *
 * Guarantees: children that Node itself spawned are left to Node, which would otherwise lose their
 * `exit` events and status. Node reaps its children within a turn of the event loop. So only a
 * zombie that still exists at the next check is reaped. NOT guaranteed without koffi: nothing is
 * adopted then, unless this is PID 1, and nothing is reaped. The log says so.
 */
import { loadCLibrary } from "../c-library.ts";
import type { Logger } from "../telemetry/types.ts";
import { type ProcessEntry, readProcesses } from "./process-table.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
/** A zombie costs only a table entry, so there is no hurry: one check covers a burst of ends. */
const LOOK_MS = 100;

interface Calls {
	becomeSubreaper(): boolean;
	/** @returns whether it existed and was reaped */
	reap(pid: number): boolean;
}

/**
 * For the whole process, and permanently. Never fails.
 * @returns whether orphans become children of this process
 */
export async function adoptOrphans(logger: Logger): Promise<boolean> {
	const isInit = process.pid === 1;
	const calls = await loadCalls().catch((error: unknown) => {
		logger.warn("orphans.not-reaped", {
			error,
			remedy: "install koffi, or run below an init such as tini",
		});
		return undefined;
	});
	if (calls === undefined) return isInit;
	const areOurs = isInit || calls.becomeSubreaper();
	new Reaper(calls.reap, logger).start();
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
	readonly #logger: Logger;
	/** Zombies seen at the previous check. */
	#seen: ReadonlySet<string> = new Set();
	#timer: NodeJS.Timeout | undefined;

	constructor(reap: (pid: number) => boolean, logger: Logger) {
		this.#reap = reap;
		this.#logger = logger;
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
		if (reaped > 0) this.#logger.debug("orphans.reaped", { processes: reaped });
		if (zombies.length > reaped) this.#lookSoon();
	}
}

const nameOf = ({ pid, startedAt }: ProcessEntry) => `${pid}:${startedAt}`;
