import { SidecarError } from "../errors.ts";
import { LOG_PREFIX, logKey, seqOfKey } from "../log/keys.ts";
import { MAX_SEQ } from "../log/limits.ts";
import type { ListOptions, ObjectStore } from "../store/port.ts";

/** A commit as the store lists it: nothing of it was read. */
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
	readonly from?: number;
	/** At most this many; default: all. */
	readonly limit?: number;
	readonly signal?: AbortSignal;
}

/** The log's commits, newest first, one LIST per 1,000. @throws SidecarError STORE_*, OBJECT_CORRUPT (a key that is no commit's) */
export async function* listCommits(store: ObjectStore, options: ListCommitsOptions = {}): AsyncGenerator<ListedCommit> {
	const { from, limit, signal } = options;
	const listOptions: ListOptions = {
		// Keys count down, so those after the next newer one's begin with `from`.
		...(from !== undefined && from < MAX_SEQ && { startAfter: logKey(from + 1) }),
		...(limit !== undefined && { limit }),
		...(signal && { signal }),
	};
	for await (const { objects, storeTimeMs } of store.list(LOG_PREFIX, listOptions)) {
		for (const { key, sizeBytes, lastModifiedMs } of objects) {
			const seq = seqOfKey(key);
			if (seq === undefined) throw new SidecarError("OBJECT_CORRUPT", { value: key, reason: "its key is not that of a commit" });
			yield { seq, lastModifiedMs, objectBytes: sizeBytes, storeTimeMs };
		}
	}
}
