/**
 * Read-only mounts whose content differs from the log, such as a ConfigMap of the newest deployment
 * over an older `openclaw.json`.
 *
 * Nothing can be restored there, and the agent did not write what is there. So nothing below such a
 * mount counts: the agent starts with the mounted content, and the log keeps its own. A file that
 * differs only in its mode is the same file.
 */

import { READ_ONLY } from "../disk/check-mounts.ts";
import type { Path, Tree } from "../log/types.ts";
import { parentOf, type Root } from "../path.ts";
import type { Mount } from "../workspace/mounts.ts";
import type { Stat } from "../workspace/stat.ts";
import { hasContent } from "./compare-disk.ts";
import type { Action } from "./reconcile.ts";

export interface MountedContent {
	readonly root: Root;
	readonly mounts: ReadonlyMap<Path, Mount>;
	readonly plan: ReadonlyMap<Path, Action>;
	readonly target: Tree;
	readonly disk: ReadonlyMap<Path, Stat>;
}

const CHANGES: ReadonlySet<Action> = new Set([
	"write",
	"quarantine-and-write",
	"trash",
	"quarantine",
]);

/** Mount points below which the plan would have to write, with a readable reason. */
export async function unwritableMounts({
	root,
	mounts,
	plan,
	target,
	disk,
}: MountedContent): Promise<Map<Path, string>> {
	const found = new Map<Path, string>();
	if (![...mounts.values()].some(({ isReadOnly }) => isReadOnly)) return found;
	for (const [path, action] of plan) {
		if (!CHANGES.has(action)) continue;
		const mount = mountOf(path, mounts);
		if (mount?.isReadOnly !== true || found.has(mount.path)) continue;
		const [entry, there] = [target.get(path), disk.get(path)];
		const isDirectory =
			there?.type === "dir" && (entry === undefined ? path === mount.path : entry.type === "dir");
		const isSameFile =
			entry?.type === "file" &&
			there?.size === entry.size &&
			there.type === "file" &&
			(await hasContent(root, path, entry));
		if (!isDirectory && !isSameFile) found.set(mount.path, READ_ONLY);
	}
	return found;
}

/** The mount that provides a path, if it is one of these. */
function mountOf(path: Path, mounts: ReadonlyMap<Path, Mount>): Mount | undefined {
	for (let at = path; at !== ""; at = parentOf(at)) {
		const mount = mounts.get(at);
		if (mount !== undefined) return mount;
	}
	return undefined;
}
