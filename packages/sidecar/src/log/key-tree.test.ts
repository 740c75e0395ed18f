import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Keyed, KeyTree, shownProblems } from "./key-tree.ts";
import { isRestorable, unsafePath } from "./safe-path.ts";
import type { Entry } from "./types.ts";

const treeOf = (keys: readonly (string | Keyed)[]) => {
	const tree = new KeyTree<Keyed>();
	for (const key of keys)
		tree.add(
			typeof key === "string" ? { key, sizeBytes: key === "" || key.endsWith("/") ? 0 : 1 } : key,
		);
	tree.finish();
	return tree;
};

describe("keys of objects", () => {
	it("become paths unchanged", () => {
		const tree = treeOf([
			"MEMORY.md",
			"a/b/c",
			"a/ ",
			"é",
			"e\u0301",
			"..a",
			"A",
			"new\nline",
			"empty/",
			"",
		]);
		expect(tree.problems).toEqual([]);
		expect([...tree.files.keys()]).toEqual([
			"MEMORY.md",
			"a/b/c",
			"a/ ",
			"é",
			"e\u0301",
			"..a",
			"A",
			"new\nline",
		]);
		expect([...tree.directories].sort()).toEqual(["a", "a/b", "empty"]);
		expect([...tree.markers.keys()]).toEqual(["empty", ""]);
		expect(tree.bytes).toBe(8);
	});

	it.each([
		["../evil", '".."'],
		["a/../../evil", '".."'],
		["a/./b", '"."'],
		["..", '".."'],
		["/etc/passwd", "absolute"],
		["/", "absolute"],
		["a//b", "empty name"],
		["a//", "empty name"],
		["nul\0", "NUL"],
		["x".repeat(256), "longer than 255 bytes"],
		["é".repeat(128), "longer than 255 bytes"],
		[".openclaw-sidecar/x", "own directory"],
		["\udcff", "not UTF-8"],
	])("are named if they cannot be a path: %j", (key, reason) => {
		const tree = treeOf(["good", key]);
		expect(tree.problems).toEqual([{ key, reason: expect.stringContaining(reason) }]);
		expect([...tree.files.keys()]).toEqual(["good"]);
	});

	it("are named if they are a file and a directory, in either order", () => {
		const reason = expect.stringContaining("a file and a directory");
		expect(treeOf(["a", "a/b"]).problems).toEqual([{ key: "a", reason }]);
		expect(treeOf(["a/b/c", "a/b"]).problems).toEqual([{ key: "a/b", reason }]);
		expect(treeOf(["a", "a/"]).problems).toEqual([{ key: "a", reason }]);
		expect(treeOf(["a", "ab/c", "a.b"]).problems).toEqual([]);
	});

	it("are named if they were listed twice, or are directories that hold bytes", () => {
		expect(treeOf(["a", "a"]).problems).toEqual([{ key: "a", reason: "it was listed twice" }]);
		expect(treeOf([{ key: "d/", sizeBytes: 5 }]).problems).toEqual([
			{ key: "d/", reason: 'it ends in "/" and holds 5 bytes' },
		]);
	});

	it("make a restorable tree if none is named", () => {
		const name = fc.oneof(
			{ weight: 3, arbitrary: fc.constantFrom("a", "b", "c") },
			fc.constantFrom("", ".", "..", "\0", "é"),
		);
		const key = fc
			.tuple(fc.array(name, { minLength: 1, maxLength: 4 }), fc.boolean())
			.map(([names, dir]) => names.join("/") + (dir ? "/" : ""));
		fc.assert(
			fc.property(fc.uniqueArray(key, { maxLength: 12 }), (keys) => {
				const tree = treeOf(keys);
				if (tree.problems.length > 0) return;
				const entries = new Map<string, Entry>([["", { type: "dir", mode: 0o700, mtimeNs: 0n }]]);
				for (const path of tree.directories)
					entries.set(path, { type: "dir", mode: 0o700, mtimeNs: 0n });
				for (const path of tree.files.keys())
					entries.set(path, { type: "link", mtimeNs: 0n, target: "t" });
				expect(isRestorable(entries)).toBe(true);
				for (const path of entries.keys()) expect(unsafePath(path)).toBe(undefined);
				expect(entries.size).toBe(1 + tree.files.size + tree.directories.size);
			}),
		);
	});
});

describe("problems in one line", () => {
	it("shows some, and the number of the others", () => {
		const problems = Array.from({ length: 7 }, (_, index) => ({
			key: `k${index}\n`,
			reason: "bad",
		}));
		expect(shownProblems(problems, 2)).toBe("k0\\u000a: bad; k1\\u000a: bad; and 5 more");
		expect(shownProblems(problems.slice(0, 1), 2)).toBe("k0\\u000a: bad");
	});
});
