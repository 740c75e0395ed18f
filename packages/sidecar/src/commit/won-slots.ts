/**
 * Checks that the slots that a writer won still hold what it put there.
 *
 * A store must create an object only if it does not exist. A store that checks first and writes
 * later lets two writers win one slot: both get a 200, and the later write stays. The answer to a
 * PUT does not show that; only reading the slot does.
 */
import type { EncodedCommit } from "../log/commit-codec.ts";
import { LOG_PREFIX, logKey } from "../log/keys.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Environment } from "./environment.ts";
import { commitInSlot } from "./read-log.ts";

export interface WonSlot {
	readonly commit: Pick<EncodedCommit, "key" | "id">;
	/** As the store reported it for the PUT. */
	readonly etag: string | undefined;
}

/**
 * A rival's overlapping write ends after ours within about the time that ours took. The factor
 * leaves room for a slower one.
 */
const RIVALS_FACTOR = 1.5;
const LEAST_PAUSE_MS = 20;
/** A fence is small: its duration was the store's own time. */
const MOST_PAUSE_AFTER_FENCE_MS = 5_000;
/** Sending a last commit may have taken long, and the drain has 8 s in all. */
const MOST_PAUSE_MS = 2_000;

/**
 * Waits until a rival's write of the slot must have landed. @param tookMs how long the winning PUT
 * took
 */
export async function waitForRivals(
	environment: Environment,
	tookMs: number,
	isFence: boolean,
	signal?: AbortSignal,
): Promise<void> {
	const mostMs = isFence ? MOST_PAUSE_AFTER_FENCE_MS : MOST_PAUSE_MS;
	const ms = Math.ceil(Math.min(Math.max(tookMs * RIVALS_FACTOR, LEAST_PAUSE_MS), mostMs));
	await environment.sleep(ms, signal).catch(() => undefined);
}

/** `absent`: deleted by retention or otherwise, or not there yet. @throws SidecarError STORE_* */
export async function holderOf(
	store: ObjectStore,
	{ key, id }: WonSlot["commit"],
	signal?: AbortSignal,
): Promise<"ours" | "another's" | "absent"> {
	const there = await commitInSlot(store, key, signal);
	if (there === undefined) return "absent";
	return there.id === id ? "ours" : "another's";
}

/**
 * The oldest of the slots that holds another commit. For one slot, one GET. For more, one LIST, and
 * a GET of each slot whose ETag does not prove that it is the same object. A slot that retention
 * deleted is empty and does not count as lost.
 * @param slots by seq, in ascending order
 * @throws SidecarError STORE_*
 */
export async function firstOverwritten(
	store: ObjectStore,
	slots: ReadonlyMap<number, WonSlot>,
	signal?: AbortSignal,
): Promise<number | undefined> {
	const etags = slots.size > 1 ? await listedEtags(store, slots, signal) : undefined;
	const doubtful = [...slots].filter(
		([, { commit, etag }]) => etag === undefined || etags?.get(commit.key) !== etag,
	);
	const looked = await Promise.all(
		doubtful.map(async ([seq, { commit }]) =>
			(await holderOf(store, commit, signal)) === "another's" ? seq : undefined,
		),
	);
	return looked.find((seq) => seq !== undefined);
}

async function listedEtags(
	store: ObjectStore,
	slots: ReadonlyMap<number, WonSlot>,
	signal?: AbortSignal,
): Promise<Map<string, string>> {
	const seqs = [...slots.keys()];
	const [oldest, newest] = [Math.min(...seqs), Math.max(...seqs)];
	const etags = new Map<string, string>();
	const options = {
		startAfter: logKey(newest + 1),
		limit: newest - oldest + 1,
		signal,
	};
	for await (const { objects } of store.list(LOG_PREFIX, options)) {
		for (const { key, etag } of objects) if (etag !== undefined) etags.set(key, etag);
	}
	return etags;
}
