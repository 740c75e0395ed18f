import type { Path } from "../log/types.ts";
import { parentOf, rootNameOf } from "../path.ts";

/** Fewer than this many files may vanish at once without a second look. */
export const BRAKE_MIN_FILES = 10;

export interface Vanished {
	/** Files and links that are gone. */
	readonly files: number;
	/** Files and links there were before. */
	readonly filesBefore: number;
	/** Paths the profile calls critical among what is gone. */
	readonly critical: readonly Path[];
}

/**
 * Should these deletions wait until a later sweep confirms them? More than half of the tree (at
 * least 10 files), or anything critical, vanishing at once looks like a mount that went away or a
 * wipe, not like an agent at work.
 */
function isHeld({ files, filesBefore, critical }: Vanished): boolean {
	return critical.length > 0 || (files >= BRAKE_MIN_FILES && files * 2 > filesBefore);
}

/**
 * The same for the whole tree, and for the workspace's own directory and each additional root by
 * itself: each may be a mount, and small beside the rest.
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
 * Directories that vanished whole, with at least 10 files: the highest of each. A volume that went
 * away looks like that.
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

/** The workspace's own directory among roots, none of which has that name. */
const OWN = "";
