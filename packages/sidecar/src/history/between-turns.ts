/**
 * Prefers a commit between two turns of the agent. A commit that was taken during a turn runs that
 * turn again when the agent starts on it.
 *
 * Only a time may move to an older commit. A number, an ID or a tag means exactly that commit.
 */
import type { ObjectStore } from "../store/port.ts";
import { history } from "./history.ts";
import { listKeys, resolveWhen, whyExpired } from "./resolve-at.ts";

/** How far back from the commit that a time means. */
const MAX_TURN_MS = 60 * 60_000;

export interface Resolved {
	readonly seq: number;
	/** A turn was running at commit `seq`. */
	readonly isDuringTurn: boolean;
	/** What `at` alone means, if that is a later commit, during a turn. */
	readonly insteadOf: number | undefined;
}

/**
 * @param at as for `resolveWhen`
 * @throws as `resolveWhen`
 */
export async function resolveBetweenTurns(
	store: ObjectStore,
	at: string,
	signal?: AbortSignal,
): Promise<Resolved> {
	const { seq: asked, isExact } = await resolveWhen(store, at, signal);
	let isDuringTurn = false;
	let askedMs: number | undefined;
	const limit = isExact ? 1 : undefined;
	for await (const entry of history(store, { from: asked, limit, signal })) {
		// The reader of the commit that was asked for reports damage.
		if ("error" in entry) break;
		askedMs ??= entry.timeMs;
		// Longer than any turn over HTTP. A database that nothing writes any more may say so for ever.
		if (askedMs - entry.timeMs > MAX_TURN_MS) break;
		if (entry.turn === "running") {
			isDuringTurn = true;
			continue;
		}
		const { seq } = entry;
		if (seq === asked) break;
		// After retention, single commits may remain because content is in them.
		if ((await whyExpired(store, seq, await listKeys(store, signal), signal)) !== undefined) break;
		return { seq, isDuringTurn: false, insteadOf: asked };
	}
	return { seq: asked, isDuringTurn, insteadOf: undefined };
}

/** One line for the log and for people; undefined for a commit between two turns. */
export function aboutTurn({ seq, isDuringTurn, insteadOf }: Resolved): string | undefined {
	if (insteadOf !== undefined)
		return `a turn of the agent was running at commit ${insteadOf}; commit ${seq} is the last one before it`;
	return isDuringTurn
		? `a turn of the agent was running at commit ${seq}: the agent runs it again when it starts`
		: undefined;
}
