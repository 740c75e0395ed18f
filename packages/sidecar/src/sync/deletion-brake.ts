import type { Path } from "../log/types.ts";

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
 * Should these deletions wait until a second scan agrees? More than half of the tree (at least 10 files), or anything critical,
 * vanishing at once looks like a mount that went away or a wipe, not like an agent at work.
 */
export function isHeld({ files, filesBefore, critical }: Vanished): boolean {
	return critical.length > 0 || (files >= BRAKE_MIN_FILES && files * 2 > filesBefore);
}
