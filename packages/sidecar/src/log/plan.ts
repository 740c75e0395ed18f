import type { BlockRef, ObjectKey } from "./types.ts";

/**
 * Gaps up to this size are read and discarded: a request costs more than a transfer of 64 KiB (20
 * ms at 85 MB/s are 1.7 MB).
 */
export const MAX_GAP_BYTES = 64 * 1024;
/**
 * S3 serves ranges of 8-16 MB best. Half of that costs little with six of them in flight, and keeps
 * memory flat.
 */
export const MAX_RANGE_BYTES = 4 * 1024 * 1024;
/** The first reads are short: the first write can begin 40 ms earlier. */
const FIRST_READS = 6;
const FIRST_RANGE_BYTES = 1024 * 1024;

/** One ranged GET and the blocks found in it. */
export interface RangedRead {
	readonly key: ObjectKey;
	readonly offset: number;
	readonly length: number;
	/** By ascending offset. */
	readonly blocks: readonly BlockRef[];
}

/**
 * Covers blocks with few ranged reads: by object and offset, gaps to 64 KiB joined, split at 4 MiB,
 * the first few at 1 MiB. Reads of blocks near an object's start include its header.
 */
export function planReads(blocks: Iterable<BlockRef>): RangedRead[] {
	const byPlace = new Map<string, BlockRef>();
	for (const block of blocks) byPlace.set(`${block.key}:${block.offset}`, block);
	const sorted = [...byPlace.values()].sort((a, b) =>
		a.key < b.key ? -1 : a.key > b.key ? 1 : a.offset - b.offset,
	);
	const reads: RangedRead[] = [];
	let group: BlockRef[] = [];
	let start = 0;
	let end = 0;
	const close = () => {
		const key = group[0]?.key;
		if (key !== undefined) reads.push({ key, offset: start, length: end - start, blocks: group });
		group = [];
	};
	for (const block of sorted) {
		const blockEnd = block.offset + block.storedBytes;
		const limit = reads.length < FIRST_READS ? FIRST_RANGE_BYTES : MAX_RANGE_BYTES;
		const joins =
			group[0]?.key === block.key &&
			block.offset - end <= MAX_GAP_BYTES &&
			blockEnd - start <= limit;
		if (!joins) {
			close();
			start = block.offset <= MAX_GAP_BYTES ? 0 : block.offset;
			end = blockEnd;
		}
		group.push(block);
		end = Math.max(end, blockEnd);
	}
	close();
	return reads;
}
