import type { LogRead } from "../commit/read-log.ts";
import { forgetOpened } from "../disk/opened-directories.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import type { Entry, Path } from "../log/types.ts";
import { Materializer } from "../workspace/materialize.ts";
import { requireDirectory } from "../workspace/scan.ts";
import type { Stat } from "../workspace/stat.ts";
import type { DiskPlan } from "./plan-disk.ts";
import { preflight } from "./preflight.ts";
import type { Action } from "./reconcile.ts";
import { checkSpace } from "./restore.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { RestoreWork } from "./restore-work.ts";

/**
 * Carries out a plan for a part of a directory, and makes it survive a power cut. Checks the space
 * and that the whole plan can complete before it writes. The marker stays: the directory derives
 * from the same commit as before, with other changes.
 *
 * After a failure, what was moved returns unless something took its place.
 * @throws SidecarError WORKSPACE_*, STORE_*, OBJECT_*
 */
export async function runPlan(
	options: RestoreOptions,
	planned: DiskPlan,
	read: LogRead,
): Promise<RestoreWork> {
	const { root, privateDir, times, isForeign } = options;
	const writer = Materializer.open(root, times, isForeign);
	let work: RestoreWork | undefined;
	try {
		checkSpace(writer, planned.plan, planned.target);
		const keepMode = await preflight({ root, privateDir, isExact: true }, writer, planned);
		work = new RestoreWork(options, writer, planned, read, keepMode);
		await work.run();
		await writer.sync();
		return work;
	} catch (error) {
		await writer.idle();
		work?.putBack();
		throw error;
	} finally {
		writer.close();
		forgetOpened(privateDir);
	}
}

/** A plan that derives from no commit. */
export function planFor(
	{ root }: Pick<RestoreOptions, "root">,
	target: ReadonlyMap<Path, Entry>,
	plan: Map<Path, Action>,
	disk: ReadonlyMap<Path, Stat>,
): DiskPlan {
	return {
		...{ target, plan, disk, inLog: new Set<Path>(), rootStat: requireDirectory(root) },
		retimed: new Set<Path>(),
		...{ base: undefined, marker: undefined, problems: [], deferredDeletions: 0 },
		notBelieved: new Set<Path>(),
		...{ roots: {}, freshRoots: new Set<string>(), away: new Map<Path, string>(), mounts: {} },
		unset: new UnsetMetadata(),
	};
}
