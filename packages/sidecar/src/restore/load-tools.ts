import { setImmediate as nextTurn } from "node:timers/promises";
import xxhash from "xxhash-wasm";
import { loadFileTimes } from "../workspace/file-times.ts";
import type { RestoreOptions } from "./restore-options.ts";

/**
 * Loads native code that reads and writes files fast and exactly. Call it before the store answers.
 */
export async function loadTools(): Promise<Pick<RestoreOptions, "times" | "quickHash">> {
	// A request to the store that was begun leaves first.
	await nextTurn();
	const [{ h64Raw }, times] = await Promise.all([xxhash(), loadFileTimes()]);
	return { times, quickHash: (bytes) => h64Raw(bytes) };
}
