import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyStep, deltaOf, infoOf } from "../../../testkit/arbitrary-log.ts";
import { compareBytes } from "../path.ts";
import { encodeCommit, wholeTree } from "./commit-codec.ts";
import { diffTrees } from "./diff-trees.ts";
import type { Entry, Path, Tree } from "./types.ts";

const apply = (tree: Tree, step: Parameters<typeof deltaOf>[1]): Tree =>
	wholeTree(tree, encodeCommit(infoOf(1), deltaOf(tree, step), tree).delta);

describe("diffTrees", () => {
	it("lists exactly what turns one tree into the other, in the order of the paths' bytes", () => {
		fc.assert(
			fc.property(anyStep, anyStep, (one, two) => {
				const before = apply(new Map(), one);
				const after = apply(before, two);
				const differences = diffTrees(before, after);
				const made = new Map<Path, Entry>(before);
				for (const difference of differences) {
					if (difference.kind === "removed") made.delete(difference.path);
					else made.set(difference.path, difference.after);
				}
				const sorted = (tree: Tree) => [...tree].sort(([a], [b]) => compareBytes(a, b));
				expect(sorted(made)).toEqual(sorted(after));
				const paths = differences.map(({ path }) => path);
				expect(paths).toEqual([...new Set(paths)].sort(compareBytes));
				expect(
					diffTrees(before, new Map([...before].map(([path, entry]) => [path, { ...entry }]))),
				).toEqual([]);
				const mirrored = diffTrees(after, before).map(({ path, kind }) => [path, kind]);
				const mirror = { added: "removed", removed: "added", changed: "changed" };
				expect(mirrored).toEqual(differences.map(({ path, kind }) => [path, mirror[kind]]));
			}),
			{ numRuns: 100 },
		);
	});

	it("reports which aspects of a path differ", () => {
		const block = {
			key: "packs/x",
			offset: 0,
			storedBytes: 1,
			rawBytes: 1,
			codec: 0,
			crc32: 0,
		} as const;
		const chunk = (sha256: string) => ({ sha256, block, offset: 0, length: 1 });
		const file: Entry = {
			type: "file",
			mode: 0o644,
			mtimeNs: 1n,
			size: 1,
			chunkBits: 20,
			chunks: [chunk("a")],
		};
		const moved: Entry = {
			...file,
			chunks: [{ ...chunk("a"), block: { ...block, key: "packs/y" } }],
		};
		const dir: Entry = { type: "dir", mode: 0o644, mtimeNs: 1n };
		const link: Entry = { type: "link", mtimeNs: 1n, target: "t" };
		const aspects = (before: Entry, after: Entry) =>
			diffTrees(new Map([["p", before]]), new Map([["p", after]])).map((each) =>
				each.kind === "changed" ? each.aspects : each.kind,
			);
		expect(aspects(file, moved)).toEqual([]);
		expect(aspects(file, { ...file, chunks: [chunk("b")] })).toEqual([["content"]]);
		expect(aspects(file, { ...file, mode: 0o600, mtimeNs: 2n })).toEqual([["mode", "time"]]);
		expect(aspects(dir, { ...dir, mode: 0o700 })).toEqual([["mode"]]);
		expect(aspects(link, { ...link, target: "u" })).toEqual([["content"]]);
		expect(aspects(file, dir)).toEqual([["type"]]);
		expect(aspects(link, { ...file, mtimeNs: 2n })).toEqual([["type", "time"]]);
		const empty: Entry = { ...file, size: 0, chunks: [] };
		expect(aspects(empty, { ...empty, chunkBits: 14 })).toEqual([]);
	});
});
