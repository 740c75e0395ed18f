import { newestSeq } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { logKey } from "../log/keys.ts";
import { MIN_AGE_MS } from "../log/plan-retention.ts";
import type { ObjectStore } from "../store/port.ts";

/**
 * Reads an earlier commit. If retention deleted something it needs, that is an answer, not damage.
 * @param at undefined: the newest commit, of which retention never deletes anything
 * @throws SidecarError COMMIT_EXPIRED, and what `read` throws
 */
export async function readEarlier<T>(
	store: ObjectStore,
	at: number | undefined,
	read: () => Promise<T>,
	signal: AbortSignal | undefined,
): Promise<T> {
	try {
		return await read();
	} catch (error) {
		if (at === undefined || !(error instanceof SidecarError) || error.code !== "OBJECT_NOT_FOUND")
			throw error;
		if (!(await mayBeSwept(store, at, signal))) throw error;
		throw new SidecarError("COMMIT_EXPIRED", {
			value: String(at),
			reason: `${error.value} is gone`,
			cause: error,
		});
	}
}

/**
 * Retention deletes nothing that was the newest within a day. If something of that is missing, it
 * is damage.
 */
async function mayBeSwept(
	store: ObjectStore,
	at: number,
	signal: AbortSignal | undefined,
): Promise<boolean> {
	const newest = await newestSeq(store, signal);
	if (at >= newest.seq) return false;
	try {
		const next = await store.get(logKey(at + 1), {
			range: { offset: 0, length: 0 },
			signal,
		});
		return next.lastModifiedMs <= newest.storeTimeMs - MIN_AGE_MS;
	} catch (error) {
		if (error instanceof SidecarError && error.code === "OBJECT_NOT_FOUND") return true;
		throw error;
	}
}
