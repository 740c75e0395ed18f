import { join } from "node:path";
import { type Removal, repair as repairLog } from "../maintenance/repair.ts";
import { silentLogger } from "../telemetry/logger.ts";
import type { Logger } from "../telemetry/types.ts";
import { type LogOptions, withLog } from "./options.ts";
import { requireSweepable } from "./retain.ts";

export interface RepairOptions extends LogOptions {
	/** The newest commit to keep. It must be readable, and no later commit may be. */
	readonly after: number;
	/** Remove the obstacles. Default false: they are only reported. */
	readonly isConfirmed?: boolean;
	/** Where to copy each removed object. Default: `repair/{namespace}` below the state directory. */
	readonly copyTo?: string | undefined;
	readonly stateDir?: string;
	/** Default: silent. */
	readonly logger?: Logger;
}

export interface RepairResult {
	readonly after: number;
	readonly removed: boolean;
	/** The obstacles, removed or not, newest first. */
	readonly objects: readonly Removal[];
}

/**
 * Removes garbage that keeps a log from being read: newer than `after`, and unreadable to everyone.
 * Never removes anything that could be restored. First copies each object to a local directory.
 * Requires permission to list, get and delete.
 *
 * @throws SidecarError USAGE if a later commit can be read; COMMIT_NOT_FOUND; OBJECT_*, if `after`
 * itself cannot be read; FORMAT_UNKNOWN; STATE_DIR_UNUSABLE if the copy cannot be written;
 * STORE_UNSUPPORTED, STORE_*, and for a wrong option
 */
export async function repair(options: RepairOptions): Promise<RepairResult> {
	const { after, isConfirmed = false, logger = silentLogger, signal } = options;
	return await withLog(options, async ({ store, settings }) => {
		const copyTo = options.copyTo ?? join(settings.stateDir, "repair", settings.namespace);
		const how = { after, logger, copyTo: isConfirmed ? copyTo : undefined, signal };
		return { after, removed: isConfirmed, objects: await repairLog(requireSweepable(store), how) };
	});
}
