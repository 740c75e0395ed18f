import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logKey, packKey } from "./keys.ts";
import { MAX_REPACK_BYTES, packsOf, planRepack } from "./plan-repack.ts";
import type { Entry, ObjectKey, Tree } from "./types.ts";

const FULL = 1000;
const KiB = 1024;

let chunks = 0;
/** A file of one chunk in its own block. It needs the whole block unless a length is given. */
function file(
	key: ObjectKey,
	{ rawBytes = 4 * KiB, storedBytes = 4 * KiB, length = 0, sha256 = `${chunks++}` } = {},
): Entry {
	const block = { key, offset: 0, storedBytes, rawBytes, codec: 0 as const, crc32: 0 };
	const chunk = { sha256, block, offset: 0, length: length || rawBytes };
	return {
		type: "file",
		mode: 0o644,
		mtimeNs: 0n,
		size: chunk.length,
		chunkBits: 20,
		chunks: [chunk],
	};
}

function treeOf(...entries: Entry[]): Tree {
	return new Map(entries.map((entry, index) => [`f${index}`, entry]));
}

const inCommits = (count: number, from = 1) =>
	Array.from({ length: count }, (_, index) => file(logKey(from + index)));
const NO_PACKS: ReadonlyMap<ObjectKey, number> = new Map();

describe("planRepack", () => {
	it("empties all commits older than the newest FULL once there are 64", () => {
		const plan = (tree: Tree) => planRepack({ tree, fullSeq: FULL }, NO_PACKS);
		expect(plan(treeOf(...inCommits(63)))).toEqual(new Set());
		expect(plan(treeOf(...inCommits(64)))).toEqual(
			new Set(Array.from({ length: 64 }, (_, index) => logKey(1 + index))),
		);
		expect(plan(treeOf(...inCommits(200, FULL)))).toEqual(new Set());
	});

	it("empties packs of which less than half is needed, and none of unknown size", () => {
		const [half, less, unknown] = [
			packKey("aa".repeat(32)),
			packKey("bb".repeat(32)),
			packKey("cc".repeat(32)),
		];
		const tree = treeOf(file(half), file(less, { storedBytes: 4 * KiB - 1 }), file(unknown));
		const sizes = new Map([half, less].map((key) => [key, 8 * KiB]));
		expect(planRepack({ tree, fullSeq: FULL }, sizes)).toEqual(new Set([less]));
		expect(packsOf({ tree })).toEqual(new Set([half, less, unknown]));
	});

	it("counts the needed part of a block, and counts content shared by several files once", () => {
		const key = packKey("aa".repeat(32));
		const part = file(key, {
			rawBytes: 1024 * KiB,
			storedBytes: 512 * KiB,
			length: 16 * KiB,
			sha256: "shared",
		});
		const plan = (size: number) =>
			planRepack({ tree: treeOf(part, part, part), fullSeq: FULL }, new Map([[key, size]])).size;
		// 16 of 1024 KiB raw are 8 of 512 KiB stored.
		expect(plan(16 * KiB)).toBe(0);
		expect(plan(16 * KiB + 1)).toBe(1);
	});

	it("takes 64 MiB at most, but never nothing, and finishes when repeated", () => {
		const anyUse = fc.record({
			rawBytes: fc.integer({ min: 1, max: MAX_REPACK_BYTES * 2 }),
			isDead: fc.boolean(),
		});
		fc.assert(
			fc.property(fc.array(anyUse, { maxLength: 40 }), (uses) => {
				const keyOf = (index: number) => packKey(index.toString(16).padStart(64, "0"));
				const left = new Map(
					uses.map(({ rawBytes }, index) => [
						keyOf(index),
						file(keyOf(index), { rawBytes, storedBytes: rawBytes }),
					]),
				);
				const sizes = new Map(
					uses.map(({ rawBytes, isDead }, index) => [
						keyOf(index),
						isDead ? rawBytes * 3 : rawBytes,
					]),
				);
				let rounds = 0;
				for (;;) {
					const chosen = planRepack({ tree: treeOf(...left.values()), fullSeq: FULL }, sizes);
					if (chosen.size === 0) break;
					const bytes = [...chosen].reduce((sum, key) => sum + (sizes.get(key) as number) / 3, 0);
					expect(chosen.size === 1 || bytes <= MAX_REPACK_BYTES).toBe(true);
					for (const key of chosen) expect(left.delete(key)).toBe(true);
					rounds++;
				}
				expect(left.size).toBe(uses.filter(({ isDead }) => !isDead).length);
				expect(rounds).toBeLessThanOrEqual(uses.length);
			}),
		);
	});
});
