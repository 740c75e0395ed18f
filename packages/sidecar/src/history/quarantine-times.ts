import { isRestoreId, RAW_ID, restoreTimeMs } from "../log/restore-id.ts";
import type { ObjectStore } from "../store/port.ts";
import { history } from "./history.ts";

/**
 * When something was quarantined, ms since the epoch. For a superseded writer by the store's clock,
 * for a restore by its machine's. Undefined if it is older than the retained log, or if the owner
 * itself kept it.
 */
export interface QuarantineTimes {
	readonly firstMs: number | undefined;
	readonly lastMs: number | undefined;
}

/**
 * Walks the log from its newest commit back to each writer's fence, or to its end: one GET per
 * commit.
 * @throws SidecarError STORE_*, OBJECT_CORRUPT (a key that is not a commit's)
 */
export async function quarantineTimes(
	store: ObjectStore,
	writers: Iterable<string>,
	signal?: AbortSignal,
): Promise<ReadonlyMap<string, QuarantineTimes>> {
	const times = new Map<string, QuarantineTimes>(
		[...writers].map((writer) => [writer, ofRestore(writer) ?? UNKNOWN]),
	);
	// Neither restores nor raw databases have a fence that ends the walk.
	const sought = new Set(
		[...times.keys()].filter((writer) => !isRestoreId(writer) && writer !== RAW_ID),
	);
	if (sought.size === 0) return times;
	for await (const entry of history(store, { signal })) {
		if ("error" in entry || !sought.has(entry.writer)) continue;
		const { writer, timeMs, flags } = entry;
		if (flags.recovered === true)
			times.set(writer, { firstMs: timeMs, lastMs: times.get(writer)?.lastMs ?? timeMs });
		if (flags.fence === true) sought.delete(writer);
		if (sought.size === 0) break;
	}
	return times;
}

const UNKNOWN: QuarantineTimes = { firstMs: undefined, lastMs: undefined };

function ofRestore(id: string): QuarantineTimes | undefined {
	return isRestoreId(id) ? { firstMs: restoreTimeMs(id), lastMs: restoreTimeMs(id) } : undefined;
}
