/**
 * Plans which objects the newest tree should move its content out of. A restore then makes few
 * requests, and retention can delete what is mostly dead. Pure.
 *
 * There are two kinds. Old commits that still hold records the tree needs, once there are many of
 * them: a restore makes a request for each. And packs of which the tree needs less than half. Does
 * NOT save anything at once: older commits name those objects until retention ends.
 */
import type { Head } from "./fold.ts";
import { seqOfKey } from "./keys.ts";
import { SEGMENT_COMMITS } from "./limits.ts";
import type { ObjectKey, Tree } from "./types.ts";

/**
 * A restore reads up to this many commits since the newest FULL anyway: as many older ones double
 * its requests.
 */
const MANY_COMMITS = SEGMENT_COMMITS;

/** The amount read and stored again for one commit: 2 s at 85 MB/s each way. */
export const MAX_REPACK_BYTES = 64 * 1024 * 1024;

interface Use {
	readonly key: ObjectKey;
	/** Content that the tree needs, by SHA-256. */
	readonly chunks: Set<string>;
	rawBytes: number;
	/** Their share of the object's bytes. */
	storedBytes: number;
}

/** The packs that the tree refers to: the planner needs their sizes. */
export function packsOf({ tree }: Pick<Head, "tree">): Set<ObjectKey> {
	return new Set(usesOf(tree).flatMap(({ key }) => (seqOfKey(key) === undefined ? [key] : [])));
}

/**
 * @param packSizes bytes of each pack, as listed by the store; a pack it does not list is not moved
 * @returns keys of objects with `MAX_REPACK_BYTES` of content in total, or one that has more: the
 * rest is for the next time
 */
export function planRepack(
	{ tree, fullSeq }: Pick<Head, "tree" | "fullSeq">,
	packSizes: ReadonlyMap<ObjectKey, number>,
): Set<ObjectKey> {
	const uses = usesOf(tree);
	const old = uses.filter(({ key }) => (seqOfKey(key) ?? Number.POSITIVE_INFINITY) < fullSeq);
	const mostlyDead = uses.filter(
		({ key, storedBytes }) => storedBytes * 2 < (packSizes.get(key) ?? 0),
	);
	const chosen = new Set<ObjectKey>();
	let rawBytes = 0;
	for (const use of [...(old.length >= MANY_COMMITS ? old : []), ...mostlyDead]) {
		rawBytes += use.rawBytes;
		if (rawBytes > MAX_REPACK_BYTES && chosen.size > 0) break;
		chosen.add(use.key);
	}
	return chosen;
}

function usesOf(tree: Tree): Use[] {
	const uses = new Map<ObjectKey, Use>();
	for (const entry of tree.values()) {
		if (entry.type !== "file") continue;
		for (const { sha256, block, length } of entry.chunks) {
			const use = uses.get(block.key) ?? {
				key: block.key,
				chunks: new Set(),
				rawBytes: 0,
				storedBytes: 0,
			};
			uses.set(block.key, use);
			if (use.chunks.has(sha256)) continue;
			use.chunks.add(sha256);
			use.rawBytes += length;
			use.storedBytes += (block.storedBytes * length) / block.rawBytes;
		}
	}
	return [...uses.values()];
}
