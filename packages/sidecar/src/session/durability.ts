/**
 * Decides whether everything on this disk is durable, and the exit status for it. Every verb that
 * commits or compares uses it. Two other ways lead to status 3: an error of the category
 * `not-durable` (`errors.ts`), and `export` with paths that were not carried (`library/export.ts`).
 *
 * Durable means that the newest tree of the log equals this disk, except for what is left out by
 * choice. A deferred deletion loses nothing, because the log keeps the file. It still is not
 * durable: the next restore brings the file back.
 */
export interface Standing {
	/**
	 * Paths whose state on this disk is not in the log: waiting, not taken, displaced by a restore,
	 * or on an unavailable volume. An undecided commit counts as one.
	 */
	readonly notDurable: number;
	/** Paths that are gone from this disk and stay in the log for now. */
	readonly deferredDeletions: number;
	/** Why this directory must not be committed; undefined if it may. */
	readonly notRestored?: string | undefined;
	/**
	 * Another writer owns the tree. Commits of this one go below `.recovered/`, and are durable
	 * there.
	 */
	readonly superseded?: boolean | undefined;
}

export type Reason = "superseded" | "not-restored" | "not-durable" | "deferred";

export interface Durability {
	readonly isDurable: boolean;
	/** 0 durable, 3 something is not durable, 4 superseded. */
	readonly exitStatus: 0 | 3 | 4;
	/** Why the exit status is not 0, the most serious reason first. */
	readonly reasons: readonly Reason[];
}

export function durability({
	notDurable,
	deferredDeletions,
	notRestored,
	superseded = false,
}: Standing): Durability {
	const found: readonly (readonly [Reason, boolean])[] = [
		["superseded", superseded],
		["not-restored", notRestored !== undefined],
		["not-durable", notDurable > 0],
		["deferred", deferredDeletions > 0],
	];
	const reasons = found.flatMap(([reason, applies]) => (applies ? [reason] : []));
	const isDurable = reasons.every((reason) => reason === "superseded");
	return { isDurable, exitStatus: superseded ? 4 : isDurable ? 0 : 3, reasons };
}
