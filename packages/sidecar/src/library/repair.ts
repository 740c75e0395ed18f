import { join } from "node:path";
import { type Removal, repair as repairLog } from "../maintenance/repair.ts";
import { silentLog } from "../telemetry/logger.ts";
import type { Logger } from "../telemetry/types.ts";
import { type LogOptions, withLog } from "./options.ts";
import { requireSweepable } from "./retain.ts";

export interface RepairOptions extends LogOptions {
	/** The newest commit that shall stay. It must be readable, and none after it may be. */
	readonly after: number;
	/** Remove what is in the way. Default false: it is only told. */
	readonly isConfirmed?: boolean;
	/**
	 * Where a copy of each removed object goes. Default: `repair/{namespace}` below the state
	 * directory.
	 */
	readonly copyTo?: string | undefined;
	readonly stateDir?: string;
	/** Default: silent. */
	readonly log?: Logger;
}

export interface RepairResult {
	readonly after: number;
	readonly removed: boolean;
	/** What is (was) in the way, newest first. */
	readonly objects: readonly Removal[];
}

/**
 * Removes the garbage that keeps a log from being read: newer than `after`, and readable by nobody.
 * What anybody could restore is never removed. Each removed object is first copied to a local
 * directory. For a principal that may list, get and delete.
 *
 * @throws SidecarError USAGE where a later commit can be read; COMMIT_NOT_FOUND; OBJECT_*, where
 * `after` itself cannot be read; FORMAT_UNKNOWN; STATE_DIR_UNUSABLE where the copy cannot be
 * written; STORE_UNSUPPORTED, STORE_*, and for a wrong option
 */
export async function repair(options: RepairOptions): Promise<RepairResult> {
	const { after, isConfirmed = false, log = silentLog, signal } = options;
	return await withLog(options, async ({ store, settings }) => {
		const copyTo = options.copyTo ?? join(settings.stateDir, "repair", settings.namespace);
		const how = { after, log, copyTo: isConfirmed ? copyTo : undefined, signal };
		return { after, removed: isConfirmed, objects: await repairLog(requireSweepable(store), how) };
	});
}
