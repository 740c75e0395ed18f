import { LOG_PREFIX, logKey, seqOfKey } from "../log/keys.ts";
import { MAX_SEQ } from "../log/limits.ts";
import type { ListOptions, ObjectStore } from "../store/port.ts";

/** A commit as listed by the store, without reading it. */
export interface ListedCommit {
	readonly seq: number;
	/** The store's clock, ms since the epoch. */
	readonly lastModifiedMs: number;
	readonly objectBytes: number;
	/** The store's clock when it answered, ms since the epoch. */
	readonly storeTimeMs: number;
}

export interface ListCommitsOptions {
	/** The newest commit to list; default: the log's newest. */
	readonly from?: number | undefined;
	/** At most this many; default: all. */
	readonly limit?: number | undefined;
	readonly signal?: AbortSignal | undefined;
}

/**
 * The log's commits, newest first, one LIST per 1,000. Skips other keys in `log/`, like
 * `newestSeq`.
 * @throws SidecarError STORE_*
 */
export async function* listCommits(
	store: ObjectStore,
	options: ListCommitsOptions = {},
): AsyncGenerator<ListedCommit> {
	const { from, limit = Number.POSITIVE_INFINITY, signal } = options;
	// Keys count down, so the keys after that of the next newer commit begin with `from`.
	let last = from !== undefined && from < MAX_SEQ ? logKey(from + 1) : undefined;
	let left = limit;
	for (let foreign = -1; foreign !== 0 && left > 0; ) {
		foreign = 0;
		const listOptions: ListOptions = {
			startAfter: last,
			limit: Number.isFinite(left) ? left : undefined,
			signal,
		};
		for await (const { objects, storeTimeMs } of store.list(LOG_PREFIX, listOptions)) {
			for (const { key, sizeBytes, lastModifiedMs } of objects) {
				last = key;
				const seq = seqOfKey(key);
				if (seq === undefined) {
					foreign++;
					continue;
				}
				left--;
				yield { seq, lastModifiedMs, objectBytes: sizeBytes, storeTimeMs };
			}
		}
		// Without a limit the listing ended at its own end.
		if (!Number.isFinite(limit)) return;
	}
}
