import { diffTrees, type PathDifference } from "../log/diff-trees.ts";
import { type LogOptions, withLog } from "./options.ts";
import { readAt } from "./read.ts";

export interface DiffOptions extends LogOptions {
	/**
	 * The earlier commit: its number, or another form of `AtOptions.at`.
	 */
	readonly from: number | string;
	/** The later commit, in the same notation. Default: the newest. */
	readonly to?: number | string | undefined;
}

export interface Comparison {
	/** The commits that were compared. */
	readonly from: number;
	readonly to: number;
	/** Ordered by the bytes of the paths. */
	readonly differences: readonly PathDifference[];
}

/**
 * Compares two commits: which paths differ, and how. Reads no content: SHA-256 sums are compared.
 * @throws SidecarError COMMIT_NOT_FOUND, COMMIT_EXPIRED, STORE_*, OBJECT_*, FORMAT_UNKNOWN,
 * LIMIT_EXCEEDED, TREE_UNSAFE, and for a wrong option
 */
export async function diff(options: DiffOptions): Promise<Comparison> {
	const { from, to, signal } = options;
	return await withLog(options, async ({ store }) => {
		const at = async (which: number | string | undefined) =>
			readAt(store, { at: which, signal }, async ({ head }) => head);
		const [before, after] = [await at(from), await at(to)];
		return { from: before.seq, to: after.seq, differences: diffTrees(before.tree, after.tree) };
	});
}
