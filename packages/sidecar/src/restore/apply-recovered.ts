import { requireRootsAreDirectories } from "../commit/roots-in-tree.ts";
import { forgetOpened } from "../disk/opened-directories.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SidecarError } from "../errors.ts";
import type { Selected } from "../history/select-quarantined.ts";
import { EMPTY_HEAD } from "../log/fold.ts";
import { unsafePath } from "../log/safe-path.ts";
import type { Entry, Path } from "../log/types.ts";
import { ROOTS_DIRECTORY } from "../path.ts";
import { Materializer } from "../workspace/materialize.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import { preflight } from "./preflight.ts";
import type { Action } from "./reconcile.ts";
import { checkSpace } from "./restore.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { type Moved, RestoreWork } from "./restore-work.ts";

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
	const { root, privateDir, times } = options;
	const rootStat = requireDirectory(root);
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
	const writer = Materializer.open(root, times);
	try {
		checkSpace(writer, plan, target);
		const planned = {
			...{
				target,
				base: undefined,
				marker: undefined,
				rootStat,
				disk,
				problems: [],
				plan,
				inLog: new Set<Path>(),
				deferredDeletions: 0,
			},
			...{ roots: {}, freshRoots: new Set<string>(), away: new Map<Path, string>(), mounts: {} },
			unset: new UnsetMetadata(),
		};
		await preflight({ root, privateDir, isExact: true }, writer, planned);
		const work = new RestoreWork(options, writer, planned, {
			head: EMPTY_HEAD,
			newest: undefined,
			storeTimeMs: 0,
			starts: new Map(),
		});
		await work.run();
		await writer.sync();
		return work.moved;
	} catch (error) {
		await writer.idle();
		throw error;
	} finally {
		writer.close();
		forgetOpened(privateDir);
	}
}
