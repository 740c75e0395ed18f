import type { Path } from "../log/types.ts";
import { parentOf, rootNameOf } from "../path.ts";

/** Fewer files than this may vanish at once without a second sweep. */
export const BRAKE_MIN_FILES = 10;

export interface Vanished {
	/** Missing files and links. */
	readonly files: number;
	/** Files and links that existed before. */
	readonly filesBefore: number;
	/** Missing paths that the profile calls critical. */
	readonly critical: readonly Path[];
}

/**
 * Whether these deletions must wait until a later sweep confirms them. That applies if more than
 * half of the tree (at least 10 files), or anything critical, vanishes at once. It looks like a
 * lost mount or a wipe, not like an agent at work.
 *
 * Only judges. `capture/deferred-deletions.ts` holds and releases; `restore/plan-disk.ts` asks for
 * deletions that no watcher saw.
 */
function isHeld({ files, filesBefore, critical }: Vanished): boolean {
	return critical.length > 0 || (files >= BRAKE_MIN_FILES && files * 2 > filesBefore);
}

/**
 * The same for the whole tree, and separately for the workspace's own directory and each additional
 * root: each may be a mount, and small compared with the rest.
 */
export function isAnyHeld(
	gone: Iterable<Path>,
	before: Iterable<Path>,
	isFile: (path: Path) => boolean,
	critical: readonly Path[],
): boolean {
	const counts = new Map<string | undefined, { files: number; filesBefore: number }>();
	const add = (name: string | undefined, what: "files" | "filesBefore") => {
		const sum = counts.get(name) ?? { files: 0, filesBefore: 0 };
		counts.set(name, sum);
		sum[what]++;
	};
	const count = (path: Path, what: "files" | "filesBefore") => {
		if (!isFile(path)) return;
		add(undefined, what);
		add(rootNameOf(path) ?? OWN, what);
	};
	for (const path of gone) count(path, "files");
	for (const path of before) count(path, "filesBefore");
	return (
		critical.length > 0 || [...counts.values()].some((sum) => isHeld({ ...sum, critical: [] }))
	);
}

/**
 * Directories that vanished whole, with at least 10 files; of nested ones, the topmost. A lost
 * volume looks like that.
 */
export function vanishedDirectories(
	gone: ReadonlySet<Path>,
	isFile: (path: Path) => boolean,
): Set<Path> {
	const files = new Map<Path, number>();
	for (const path of gone) {
		if (!isFile(path)) continue;
		let top = path;
		while (top !== "" && gone.has(parentOf(top))) top = parentOf(top);
		if (top !== path) files.set(top, (files.get(top) ?? 0) + 1);
	}
	return new Set([...files].filter(([, count]) => count >= BRAKE_MIN_FILES).map(([top]) => top));
}

/** The workspace's own directory in a list of roots, none of which has this name. */
const OWN = "";
