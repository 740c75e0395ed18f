/** Retention as the design says it, until the real one is here. */
import { SidecarError } from "../../src/errors.ts";
import { LOG_PREFIX, PACK_PREFIX, seqOfKey } from "../../src/log/keys.ts";
import { readLog } from "../../src/sync/read-log.ts";
import type { Process } from "./process.ts";
import { DAY, HOUR } from "./world.ts";

export async function sweepOnce(process: Process): Promise<number> {
	let deleted = 0;
	try {
		const { store } = process;
		const objects: { key: string; lastModifiedMs: number }[] = [];
		let nowMs = 0;
		for (const prefix of [PACK_PREFIX, LOG_PREFIX])
			for await (const page of store.list(prefix)) {
				objects.push(...page.objects);
				nowMs = page.storeTimeMs;
			}
		const newest = await readLog(store);
		const kept = new Set<string>();
		const days = new Set<number>();
		for (const { key, lastModifiedMs } of objects) {
			const seq = seqOfKey(key);
			if (seq === undefined) continue;
			const age = nowMs - lastModifiedMs;
			const day = Math.floor(lastModifiedMs / DAY);
			if (seq < newest.head.seq && age > 7 * DAY && (age > 30 * DAY || days.has(day))) continue;
			days.add(day);
			const read = seq >= newest.head.seq ? newest : await readLog(store, { at: seq });
			for (const each of read.starts.keys()) kept.add(each);
			for (const entry of read.head.tree.values())
				if (entry.type === "file") for (const { block } of entry.chunks) kept.add(block.key);
		}
		for (const { key, lastModifiedMs } of objects) {
			const age = nowMs - lastModifiedMs;
			if (kept.has(key) || age < (seqOfKey(key) === undefined ? 1 : 7) * DAY) continue;
			// A commit that refers to it may still be on its way, unless one landed since that could not.
			if (seqOfKey(key) === undefined && (newest.newest?.lastModifiedMs ?? 0) < lastModifiedMs + HOUR + 1000) continue;
			await store.delete(key);
			deleted++;
		}
	} catch (error) {
		if (!(error instanceof SidecarError) || ![5, 6, 7].includes(error.exitStatus)) throw error;
	}
	return deleted;
}
