import { requireRootsAreDirectories } from "../commit/roots-in-tree.ts";
import { SidecarError } from "../errors.ts";
import type { Selected } from "../history/select-quarantined.ts";
import { EMPTY_HEAD } from "../log/fold.ts";
import { unsafePath } from "../log/safe-path.ts";
import type { Entry, Path } from "../log/types.ts";
import { ROOTS_DIRECTORY } from "../path.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import type { Action } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import type { Moved } from "./restore-work.ts";
import { planFor, runPlan } from "./run-plan.ts";

/**
 * Writes what a superseded writer quarantined back to its original paths in the workspace. Commits
 * nothing. Existing files move to the trash, a database together with its WAL. Existing directories
 * keep their mode and their other content.
 *
 * The caller must ensure that no process has the workspace's files open. A program would keep
 * writing to the file that was moved away.
 * @throws SidecarError USAGE if a file would replace a directory or a directory a file;
 * TREE_UNSAFE, WORKSPACE_*, STORE_*, OBJECT_*
 */
export async function applyRecovered(
	options: RestoreOptions,
	{ entries }: Selected,
): Promise<readonly Moved[]> {
	const { root } = options;
	requireDirectory(root);
	requireRootsAreDirectories(entries, root);
	const target = new Map<Path, Entry>();
	const plan = new Map<Path, Action>();
	const disk = new Map<Path, Stat>();
	for (const [path, entry] of entries) {
		const reason = unsafePath(path);
		if (reason !== undefined) throw new SidecarError("TREE_UNSAFE", { value: path, reason });
		if (
			typeof root !== "string" &&
			root.locate(path) === undefined &&
			!(path === ROOTS_DIRECTORY && entry.type === "dir")
		) {
			const remedy = "name its directory with --root, or write it elsewhere with --to";
			throw new SidecarError("USAGE", {
				value: path,
				reason: "it is in a root that is not configured on this machine",
				remedy,
			});
		}
		const there = lstatPath(root, path);
		if (there === undefined) {
			target.set(path, entry);
			plan.set(path, "write");
			continue;
		}
		// Also checks the directories above the selection: nothing is written through a link.
		if ((there.type === "dir") !== (entry.type === "dir")) {
			const reason = there.type === "dir" ? "it is a directory here" : "it is not a directory here";
			throw new SidecarError("USAGE", {
				value: path,
				reason,
				remedy: "write it elsewhere with --to, and put it where it belongs",
			});
		}
		disk.set(path, there);
		if (entry.type === "dir") continue;
		target.set(path, entry);
		plan.set(path, "quarantine-and-write");
	}
	const nothingRead = { head: EMPTY_HEAD, newest: undefined, storeTimeMs: 0, starts: new Map() };
	const work = await runPlan(options, planFor(options, target, plan, disk), nothingRead);
	return work.moved;
}
