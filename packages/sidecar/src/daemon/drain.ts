import { setTimeout as delay } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import { type Durability, durability } from "../session/durability.ts";
import type { Session } from "../session/session.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Agent } from "./agent.ts";

export interface DrainOptions {
	readonly session: Session;
	readonly agent: Agent | undefined;
	/** It received the signal itself; many programs take a second one to mean "end at once". */
	readonly isAgentTold?: boolean;
	/**
	 * Asks the agent to end, instead of a signal. Rejects if it did not accept: then it gets the
	 * signal. `turnMs`: how long its work may still take.
	 */
	readonly askToStop?: AskToStop | undefined;
	readonly timeoutMs: number;
	readonly logger: Logger;
	/** Settles when the running flush is over. */
	readonly idle: Promise<unknown>;
	/**
	 * Stops the hints: the last flush rescans, and the effects of our own reads of a database are not
	 * changes.
	 */
	stopWatching(): Promise<void>;
}

export type AskToStop = (options: {
	readonly turnMs: number;
	/** Aborted when the agent has ended. */
	readonly signal: AbortSignal;
}) => Promise<void>;

export interface Drained extends Pick<Durability, "isDurable" | "exitStatus"> {
	readonly lost: readonly { readonly path: string; readonly reason: string }[];
	readonly deferredDeletions: number;
	readonly ms: number;
}

const MiB = 1024 * 1024;
/** Everything small in one commit, then increasingly large files. */
const WAVES = [MiB, 16 * MiB, 256 * MiB, Number.POSITIVE_INFINITY];
/** Kept for the last capture after the agent was killed: a rescan and two round trips. */
const RESERVE = 0.25;
const FIRST_RETRY_MS = 100;
/**
 * From the end of an agent's last work to its own end: OpenClaw 2026.9.6 takes 1.9 s, measured on 2
 * cores.
 */
const AGENT_END_MS = 2_500;

/**
 * Makes everything durable within the budget. Captures immediately, beside an agent that may take
 * minutes to end, and again when it has ended. Kills an agent that does not end in time, so that
 * the last capture is of a disk that no longer changes.
 */
export async function drain({
	session,
	agent,
	isAgentTold,
	askToStop,
	timeoutMs,
	logger,
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
		if (agent !== undefined) {
			// A signal to the whole process group, as from a terminal, has reached the agent already.
			const turnMs = timeoutMs * (1 - RESERVE) - AGENT_END_MS;
			const ask = isAgentTold || turnMs < 0 ? undefined : askToStop;
			agent.kill(isAgentTold || ask !== undefined ? 0 : "SIGTERM");
			if (ask !== undefined) void tell(agent, ask, turnMs, logger);
		}
		await Promise.race([idle, ended(budget.signal)]);
		if (agent !== undefined && agent.exit === undefined) {
			const left = timeoutMs * (1 - RESERVE) - (performance.now() - started);
			await flushBeside(agent, session, left, budget.signal, logger);
			if (agent.exit === undefined) {
				logger.warn("agent.killed", {
					pid: agent.pid,
					afterMs: Math.round(performance.now() - started),
				});
				agent.kill("SIGKILL");
			}
			logger.info("agent.exited", { status: (await agent.exited).status });
		}
		await stopWatching();
		await flushInWaves(session, true, budget.signal, logger);
	} catch (error) {
		const why = budget.signal.aborted ? budget.signal.reason : error;
		failure =
			why instanceof SidecarError
				? why
				: new SidecarError("NOT_DURABLE", { reason: String(why), cause: why });
		logger.error("drain.failed", { error: failure });
	} finally {
		clearTimeout(timer);
	}
	const { deferredDeletions, isSuperseded: superseded } = session;
	// After a failure it is unknown whether this disk was scanned completely.
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

/** An agent that does not accept the request gets the signal. */
async function tell(agent: Agent, ask: AskToStop, turnMs: number, logger: Logger): Promise<void> {
	const isOver = new AbortController();
	void agent.exited.then(() => isOver.abort());
	try {
		await ask({ turnMs, signal: isOver.signal });
		logger.info("agent.asked-to-stop", { turnMs: Math.round(turnMs) });
	} catch (error) {
		if (isOver.signal.aborted) return;
		logger.warn("agent.not-asked-to-stop", { error });
		agent.kill("SIGTERM");
	}
}

/** Maximum number of paths in a report. */
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
 * Captures beside the agent, and waits for its end, at most `ms`. An agent that never pauses keeps
 * adding work to the waves, and a store may be slow. The last capture, of a disk that no longer
 * changes, must have its time. Content uploaded until then need not be sent again.
 */
async function flushBeside(
	agent: Agent,
	session: Session,
	ms: number,
	budget: AbortSignal,
	logger: Logger,
): Promise<void> {
	const isOver = new AbortController();
	const over = delay(Math.max(0, ms), undefined, { ref: false }).then(() => {
		// Do not wait for an agent that has ended: these waves are then the last capture.
		if (agent.exit === undefined)
			isOver.abort(new SidecarError("NOT_DURABLE", { reason: "the agent is still running" }));
	});
	try {
		await flushInWaves(session, false, AbortSignal.any([budget, isOver.signal]), logger);
	} catch (error) {
		if (budget.aborted) throw error;
		// A refusal must not shorten the agent's time: this disk may be the only copy. The last capture
		// tries again.
		if (!isOver.signal.aborted) logger.warn("drain.refused", { error });
	}
	await Promise.race([agent.exited, over]);
}

/**
 * Retries until the budget ends it: a transient store error must not cost the last minute's work.
 */
async function flushInWaves(
	session: Session,
	closed: boolean,
	signal: AbortSignal,
	logger: Logger,
): Promise<void> {
	for (const [index, maxFileBytes] of WAVES.entries()) {
		const isLast = index === WAVES.length - 1;
		for (let retry = 0; ; retry++) {
			try {
				// The first wave rescans: a drain does not rely on hints.
				const result = await session.flush({
					maxFileBytes,
					inHurry: true,
					signal,
					sweep: index === 0,
					closed: closed && isLast,
				});
				if (result.kind === "committed")
					logger.info("drain.committed", {
						seq: result.seq,
						changed: result.changed,
						removed: result.removed,
						bytes: result.bytes,
					});
				if (result.kind !== "unknown") break;
				logger.warn("drain.undecided", { error: result.cause });
			} catch (error) {
				signal.throwIfAborted();
				const isFinal =
					error instanceof SidecarError &&
					error.category !== "unreachable" &&
					error.code !== "NOT_DURABLE";
				if (isFinal) throw error;
				logger.warn("drain.retried", { error });
			}
			await delay(FIRST_RETRY_MS * 2 ** Math.min(retry, 5), undefined, { signal });
		}
	}
}
