import type { LogRead } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { unsafePath } from "../log/safe-path.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { compareBytes, parentOf } from "../path.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import { hasContent } from "./compare-disk.ts";
import { plannedChanges, type RestoreChange } from "./planned-changes.ts";
import type { Action } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import type { Moved } from "./restore-work.ts";
import { planFor, runPlan } from "./run-plan.ts";

export interface WritePathsOptions extends RestoreOptions {
	/** Replaces what has other content. It moves to the trash. */
	readonly force: boolean;
	readonly dryRun: boolean;
}

export interface PathsWritten {
	readonly changes: readonly RestoreChange[];
	readonly moved: readonly Moved[];
}

/**
 * Writes entries of a commit into a directory that is no workspace, with modes, times and links,
 * each at its own path. Existing directories keep their mode and their other content. What is there
 * with the same content stays.
 * @param options `root` is the directory, which exists
 * @param entries with the directories above them
 * @throws SidecarError TARGET_NOT_EMPTY naming what has other content; USAGE for a directory in a
 * file's place; TREE_UNSAFE, WORKSPACE_*, STORE_*, OBJECT_*
 */
export async function writePaths(
	options: WritePathsOptions,
	entries: Tree,
	read: LogRead,
): Promise<PathsWritten> {
	const { root, force } = options;
	const target = new Map<Path, Entry>();
	const plan = new Map<Path, Action>();
	const disk = new Map<Path, Stat>();
	for (const [path, entry] of [...entries].sort(([a], [b]) => compareBytes(a, b))) {
		const unsafe = unsafePath(path);
		if (unsafe !== undefined)
			throw new SidecarError("TREE_UNSAFE", { value: path, reason: unsafe });
		// Below a directory that is written, nothing is there, whatever a link there leads to.
		const isNew = plan.get(parentOf(path)) === "write" && path !== "";
		const there = isNew ? undefined : lstatPath(root, path);
		if (there === undefined) {
			target.set(path, entry);
			plan.set(path, "write");
			continue;
		}
		if ((there.type === "dir") !== (entry.type === "dir")) {
			throw new SidecarError("USAGE", {
				value: path,
				reason: there.type === "dir" ? "it is a directory there" : "it is not a directory there",
				remedy: "name another directory with --to",
			});
		}
		if (entry.type === "dir") continue;
		const isSame =
			entry.type === "file" &&
			there.type === "file" &&
			entry.size === there.size &&
			(await hasContent(root, path, entry));
		if (isSame) continue;
		if (!force)
			throw new SidecarError("TARGET_NOT_EMPTY", {
				value: path,
				reason: "it exists there with other content; nothing was written",
				remedy: "name another directory with --to, or add --force to replace it",
			});
		disk.set(path, there);
		target.set(path, entry);
		plan.set(path, "quarantine-and-write");
	}
	const planned = planFor(options, target, plan, disk);
	const changes = plannedChanges(planned);
	if (options.dryRun || changes.length === 0) return { changes, moved: [] };
	const { moved } = await runPlan({ ...options, isForeign: true }, planned, read);
	return { changes, moved };
}
