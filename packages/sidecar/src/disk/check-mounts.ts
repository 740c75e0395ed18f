/**
 * Compares the mount points of a workspace with the volumes that they are known to hold.
 *
 * A mount point is away if its volume is missing or a different one is mounted. Nothing below it
 * then counts: what it lacks was not deleted, and what it holds is not a change. The same applies
 * to a volume mounted over content of the log, and to a read-only mount to which the log's content
 * could not be restored. A mounted file counts as present if any file is mounted: programs replace
 * a file with another inode, and a file has only its content.
 */
import type { Path } from "../log/types.ts";
import { parentOf, type Root } from "../path.ts";
import type { Filter } from "../workspace/filter.ts";
import { type Mount, volumeOf } from "../workspace/mounts.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import type { Mounts } from "./base-marker.ts";

export interface MountCheck {
	/** Mount points whose content does not count, and why. Of nested ones, only the outermost. */
	readonly away: ReadonlyMap<Path, string>;
	/** The volumes to record: mounted ones, and expected ones that are missing. */
	readonly mounts: Mounts;
}

export interface MountsToCheck {
	readonly root: Root;
	readonly filter: Filter;
	/** Undefined: any volume is accepted. */
	readonly known: Mounts | undefined;
	readonly listed: ReadonlyMap<Path, Mount>;
	/**
	 * Whether content is below the path in this disk's last known state. A volume mounted over it
	 * hides it.
	 */
	readonly holds: (path: Path) => boolean;
}

export function checkMounts({ root, filter, known, listed, holds }: MountsToCheck): MountCheck {
	const away = new Map<Path, string>();
	const mounts: Record<Path, string> = {};
	const paths = new Set([...Object.keys(known ?? {}), ...listed.keys()]);
	// Mounts inside a mount are checked after it.
	for (const path of [...paths].sort((a, b) => a.length - b.length)) {
		const expected = known?.[path];
		const mount = listed.get(path);
		const stat = statAt(root, path);
		const isFile = stat === undefined ? expected?.startsWith(FILE) === true : stat.type !== "dir";
		if (filter(path, isFile ? "file" : "dir") === "skip") continue;
		const volume = stat && volumeOf(stat, mount?.source ?? "");
		const isBelow = isBelowAny(path, away);
		if (expected === NOT_RESTORED) {
			mounts[path] = expected;
			if (!isBelowAny(path, away)) away.set(path, READ_ONLY);
			continue;
		}
		if (expected === undefined) {
			if (volume === undefined || isBelow) continue;
			if (known !== undefined && holds(path))
				away.set(path, "a volume covers what the log has there");
			else mounts[path] = volume;
			continue;
		}
		const isThere =
			volume === expected ||
			(expected.startsWith(FILE) && mount !== undefined && stat?.type === "file");
		mounts[path] = isThere && volume !== undefined ? volume : expected;
		if (isThere || isBelow) continue;
		away.set(
			path,
			mount === undefined ? "its volume is not mounted" : "another volume is mounted there",
		);
	}
	return { away, mounts };
}

/** The prefix that `volumeOf` uses for a mounted file. */
const FILE = "file:";
/**
 * Recorded in place of a volume for a read-only mount whose content differs from the log: nothing
 * was restored there.
 */
export const NOT_RESTORED = "not-restored";
export const READ_ONLY = "it is mounted read-only, and its content differs from the log";

/** Whether the path is one of the paths or below one. */
export function isBelowAny(
	path: Path,
	paths: { readonly size: number; has(path: Path): boolean },
): boolean {
	if (paths.size === 0) return false;
	for (let at = path; at !== ""; at = parentOf(at)) if (paths.has(at)) return true;
	return paths.has("");
}

function statAt(root: Root, path: Path): Stat | undefined {
	try {
		return lstatPath(root, path);
	} catch {
		// A volume that returns an error counts as missing.
		return undefined;
	}
}

/** The `holds` function of a tree. */
export function holdsIn(
	tree: ReadonlyMap<Path, { readonly type: string }>,
): (path: Path) => boolean {
	return (path) => {
		const entry = tree.get(path);
		if (entry !== undefined && entry.type !== "dir") return true;
		for (const each of tree.keys()) if (each.startsWith(`${path}/`)) return true;
		return false;
	};
}
