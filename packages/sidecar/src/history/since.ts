import { newestSeq } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import type { ObjectStore } from "../store/port.ts";
import type { CommitChangesOptions } from "./commit-changes.ts";
import { resolveWhen } from "./resolve-at.ts";
import { parseTime, parseWhen } from "./when.ts";

/**
 * Where a look back ends: after a commit, or at a time. A day means from its beginning, and a time
 * before the oldest commit means everything.
 * @param since as `parseWhen` describes
 * @throws SidecarError USAGE, COMMIT_NOT_FOUND, STORE_*
 */
export async function resolveSince(
	store: ObjectStore,
	since: string,
	signal?: AbortSignal,
): Promise<Pick<CommitChangesOptions, "after" | "sinceMs">> {
	const when = parseWhen(since);
	if (when?.kind !== "ago" && when?.kind !== "time") {
		try {
			const { seq, isExact } = await resolveWhen(store, since, signal);
			if (isExact) return { after: seq };
		} catch (error) {
			if (!(error instanceof SidecarError)) throw error;
			// A commit that is gone still says where to end, and so does a time before all of them.
			if (error.code === "COMMIT_EXPIRED" && when?.kind === "number") return { after: when.seq };
			if (error.code !== "COMMIT_NOT_FOUND" || when?.kind !== "words") throw error;
		}
	}
	const { storeTimeMs } = await newestSeq(store, signal);
	return { sinceMs: (await parseTime(since, storeTimeMs)).fromMs };
}
