import { describe, expect, it } from "vitest";
import { MAX_RANGE_BYTES, planReads } from "./plan.ts";
import type { BlockRef } from "./types.ts";

const MIB = 1024 * 1024;
const blockAt = (offset: number, storedBytes: number, key = "packs/a"): BlockRef => ({
	key,
	offset,
	storedBytes,
	rawBytes: storedBytes,
	codec: 0,
	crc32: 0,
});

describe("planReads", () => {
	it("covers every block once, in reads that are short at first and never longer than a range", () => {
		const blocks = Array.from({ length: 64 }, (_, index) => blockAt(index * MIB, MIB));
		const reads = planReads(blocks);
		expect(reads.flatMap((read) => read.blocks)).toEqual(blocks);
		expect(reads.slice(0, 6).map(({ length }) => length)).toEqual(Array(6).fill(MIB));
		expect(reads.slice(6, -1).map(({ length }) => length)).toEqual(
			Array(reads.length - 7).fill(MAX_RANGE_BYTES),
		);
		for (const { offset, length, blocks: within } of reads) {
			for (const block of within)
				expect(block.offset >= offset && block.offset + block.storedBytes <= offset + length).toBe(
					true,
				);
		}
	});

	it("joins over small gaps, within one object only, and includes an object's header", () => {
		const reads = planReads([
			blockAt(5, 10),
			blockAt(60_000, 10),
			blockAt(200_000, 10),
			blockAt(300_000, 10, "packs/b"),
		]);
		expect(reads.map(({ key, offset, length }) => ({ key, offset, length }))).toEqual([
			{ key: "packs/a", offset: 0, length: 60_010 },
			{ key: "packs/a", offset: 200_000, length: 10 },
			{ key: "packs/b", offset: 300_000, length: 10 },
		]);
	});
});
