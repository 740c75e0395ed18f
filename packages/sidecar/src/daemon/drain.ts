import { setTimeout as delay } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import { type Durability, durability } from "../session/durability.ts";
import type { Session } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Agent } from "./agent.ts";

export interface DrainOptions {
	readonly session: Session;
	readonly agent: Agent | undefined;
	/** It got the signal itself; a second one means "at once" to many programs. */
	readonly isAgentTold?: boolean;
	readonly timeoutMs: number;
	readonly log: Logger;
	/** Settled when the flush that was under way is over. */
	readonly idle: Promise<unknown>;
	/**
	 * Ends the hints: the last flush sweeps, and what our own reading of a database stirs up is no
	 * change.
	 */
	stopWatching(): Promise<void>;
}

export interface Drained extends Pick<Durability, "isDurable" | "exitStatus"> {
	readonly lost: readonly { readonly path: string; readonly reason: string }[];
	readonly deferredDeletions: number;
	readonly ms: number;
}

const MiB = 1024 * 1024;
/** Everything small in one commit, then ever larger files. */
const WAVES = [MiB, 16 * MiB, 256 * MiB, Number.POSITIVE_INFINITY];
/** Kept for the last capture after the agent was killed: a sweep and two round trips. */
const RESERVE = 0.25;
const FIRST_RETRY_MS = 100;

/**
 * Makes everything durable within the budget: captures at once, beside an agent that may take
 * minutes to end, and again when it has ended. An agent that does not end in time is killed, so
 * that the last capture is of a disk that stands still.
 */
export async function drain({
	session,
	agent,
	isAgentTold,
	timeoutMs,
	log,
	idle,
	stopWatching,
}: DrainOptions): Promise<Drained> {
	const started = performance.now();
	const budget = new AbortController();
	const timer = setTimeout(
		() =>
			budget.abort(
				new SidecarError("NOT_DURABLE", { reason: `the drain's ${timeoutMs} ms are over` }),
			),
		timeoutMs,
	);
	let failure: SidecarError | undefined;
	try {
		agent?.kill(isAgentTold ? 0 : "SIGTERM");
		await Promise.race([idle, ended(budget.signal)]);
		if (agent !== undefined && agent.exit === undefined) {
			const left = timeoutMs * (1 - RESERVE) - (performance.now() - started);
			await flushBeside(agent, session, left, budget.signal, log);
			if (agent.exit === undefined) {
				log.warn("agent.killed", {
					pid: agent.pid,
					afterMs: Math.round(performance.now() - started),
				});
				agent.kill("SIGKILL");
			}
			log.info("agent.exited", { status: (await agent.exited).status });
		}
		await stopWatching();
		await flushInWaves(session, true, budget.signal, log);
	} catch (error) {
		const why = budget.signal.aborted ? budget.signal.reason : error;
		failure =
			why instanceof SidecarError
				? why
				: new SidecarError("NOT_DURABLE", { reason: String(why), cause: why });
		log.error("drain.failed", { error: failure });
	} finally {
		clearTimeout(timer);
	}
	const { deferredDeletions, isSuperseded: superseded } = session;
	// After a failure nobody knows whether this disk was looked at to the end.
	const notDurable = Math.max(session.waiting, failure === undefined ? 0 : 1);
	const { isDurable, exitStatus } = durability({ notDurable, deferredDeletions, superseded });
	const lost = session.deferred.map(({ path, reason }) => ({ path, reason }));
	if (notDurable > 0 && lost.length === 0)
		lost.push(...unsent(session, failure?.message ?? "it was not committed"));
	return {
		isDurable,
		exitStatus,
		lost,
		deferredDeletions,
		ms: Math.round(performance.now() - started),
	};
}

/** Most paths that a report names. */
const NAMED_PATHS = 20;

function unsent({ waiting, waitingPaths }: Session, reason: string): Drained["lost"] {
	const named = waitingPaths.slice(0, NAMED_PATHS).map((path) => ({ path, reason }));
	const more = waiting - named.length;
	return more > 0
		? [...named, { path: "", reason: named.length === 0 ? reason : `${more} more: ${reason}` }]
		: named;
}

/** Rejects with the signal's reason. */
function ended(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) =>
		signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
	);
}

/**
 * Captures beside the agent, and waits for its end, `ms` at most. An agent that never pauses gives
 * the waves ever more to do, and a store may be slow: the last capture, of a disk that stands
 * still, must have its time. What was uploaded until then need not be sent again.
 */
async function flushBeside(
	agent: Agent,
	session: Session,
	ms: number,
	budget: AbortSignal,
	log: Logger,
): Promise<void> {
	const isOver = new AbortController();
	const over = delay(Math.max(0, ms), undefined, { ref: false }).then(() => {
		// One that has ended is not waited for: then these waves are the last capture's already.
		if (agent.exit === undefined)
			isOver.abort(new SidecarError("NOT_DURABLE", { reason: "the agent is still running" }));
	});
	try {
		await flushInWaves(session, false, AbortSignal.any([budget, isOver.signal]), log);
	} catch (error) {
		if (budget.aborted) throw error;
		// A refusal must not shorten the agent's time: this disk may be the only copy. The last capture
		// tries again.
		if (!isOver.signal.aborted) log.warn("drain.refused", { error });
	}
	await Promise.race([agent.exited, over]);
}

/**
 * Tries again until the budget ends it: a store that hiccups must not cost the last minute's work.
 */
async function flushInWaves(
	session: Session,
	closed: boolean,
	signal: AbortSignal,
	log: Logger,
): Promise<void> {
	for (const [index, maxFileBytes] of WAVES.entries()) {
		const isLast = index === WAVES.length - 1;
		for (let retry = 0; ; retry++) {
			try {
				// The first wave sweeps: at a drain nothing is left to hints.
				const result = await session.flush({
					maxFileBytes,
					inHurry: true,
					signal,
					sweep: index === 0,
					closed: closed && isLast,
				});
				if (result.kind === "committed")
					log.info("drain.committed", {
						seq: result.seq,
						changed: result.changed,
						removed: result.removed,
						bytes: result.bytes,
					});
				if (result.kind !== "unknown") break;
				log.warn("drain.undecided", { error: result.cause });
			} catch (error) {
				signal.throwIfAborted();
				const isFinal =
					error instanceof SidecarError &&
					error.category !== "unreachable" &&
					error.code !== "NOT_DURABLE";
				if (isFinal) throw error;
				log.warn("drain.retried", { error });
			}
			await delay(FIRST_RETRY_MS * 2 ** Math.min(retry, 5), undefined, { signal });
		}
	}
}
