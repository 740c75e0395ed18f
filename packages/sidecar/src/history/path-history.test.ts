import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WrittenLog } from "../../../testkit/store/written-log.ts";
import { SEGMENT_COMMITS } from "../log/limits.ts";
import type { Path, Tree } from "../log/types.ts";
import { findDeleted, type PathChange, pathHistory } from "./path-history.ts";
import { matchGlobs, matchPaths } from "./select-paths.ts";

type Line = readonly [seq: number, kind: string, path: Path, from?: Path];

async function linesOf(log: WrittenLog, ...paths: readonly string[]): Promise<Line[]> {
	const lines: Line[] = [];
	for await (const change of pathHistory(log.store, matchPaths(paths)))
		lines.push(
			change.type === "missing" ? [change.from, "missing", String(change.to)] : lineOf(change),
		);
	return lines;
}

const lineOf = ({ seq, kind, path, from }: PathChange): Line =>
	from === undefined ? [seq, kind, path] : [seq, kind, path, from];

/** The same by comparing every tree with the one before it. */
function naive(trees: readonly Tree[], path: Path): Line[] {
	const lines: Line[] = [];
	const names = new Set<Path>();
	const textOf = (tree: Tree | undefined, at: Path) => {
		const entry = tree?.get(at);
		return entry?.type === "file" ? entry.chunks.map(({ sha256 }) => sha256).join() : undefined;
	};
	for (let seq = trees.length - 1; seq >= 1; seq--) {
		const [before, after] = [trees[seq - 1] as Tree, trees[seq] as Tree];
		const all = [...new Set([...before.keys(), ...after.keys()])].sort();
		const moved = new Map<Path, Path>();
		for (const to of all) {
			const text = textOf(after, to);
			if (before.has(to) || text === undefined || text === "") continue;
			const from = all.find((each) => !after.has(each) && textOf(before, each) === text);
			if (from !== undefined) moved.set(to, from);
		}
		const sources = [...moved.values()];
		const [ended, begun]: [Path[], Path[]] = [[], []];
		for (const at of all) {
			const from = moved.get(at);
			const isWanted = (name: Path | undefined) =>
				name !== undefined && (name === path || names.has(name));
			if ((!isWanted(at) && !isWanted(from)) || sources.includes(at)) continue;
			if (from !== undefined) {
				lines.push([seq, "renamed", at, from]);
				begun.push(from);
			} else if (!before.has(at)) lines.push([seq, "created", at]);
			else if (!after.has(at)) lines.push([seq, "deleted", at]);
			else if (textOf(before, at) !== textOf(after, at)) lines.push([seq, "changed", at]);
			if (!before.has(at)) ended.push(at);
		}
		for (const at of ended) names.delete(at);
		for (const at of begun) names.add(at);
	}
	return lines;
}

describe("pathHistory", () => {
	test("reports what a comparison of every two trees does, and follows renames both ways", async () => {
		const anyOperation = fc.record({
			kind: fc.constantFrom("write", "write", "remove", "rename"),
			a: fc.constantFrom("a", "b", "c"),
			b: fc.constantFrom("a", "b", "c"),
			quiet: fc.integer({ min: 0, max: 20 }),
		});
		await fc.assert(
			fc.asyncProperty(fc.array(anyOperation, { maxLength: 20 }), async (operations) => {
				const log = new WrittenLog();
				const texts = new Map<Path, string>();
				const commit = (files: Record<Path, string | undefined>) => {
					const isFull = (log.head.seq + 1) % SEGMENT_COMMITS === 0;
					log.write(files, isFull ? { kind: "full" } : {});
				};
				commit({});
				for (const [index, { kind, a, b, quiet }] of operations.entries()) {
					const text = texts.get(a);
					const files: Record<Path, string | undefined> = {};
					if (kind === "write") files[a] = `content ${index}`;
					else if (text === undefined) continue;
					else {
						files[a] = undefined;
						if (kind === "rename" && a !== b && !texts.has(b)) files[b] = text;
					}
					commit(files);
					for (const [path, now] of Object.entries(files))
						if (now === undefined) texts.delete(path);
						else texts.set(path, now);
					for (let count = quiet; count > 0; count--) commit({});
				}
				for (const path of ["a", "b"])
					expect(await linesOf(log, path)).toEqual(naive(log.trees, path));
			}),
			{ numRuns: 25 },
		);
	});

	test("names the kind of each change, with sizes before and after, and leaves out what only moved in the store", async () => {
		const log = new WrittenLog();
		log.write({ "notes/a.md": "one" });
		log.write({ "notes/a.md": "three" });
		log.write({ "notes/a.md": "three" }, {}, { mode: 0o600, mtimeNs: 5n });
		log.write({ "notes/a.md": "three" }, {}, { mode: 0o600, mtimeNs: 5n });
		log.write({ "notes/a.md": undefined });
		const changes: unknown[] = [];
		for await (const change of pathHistory(log.store, matchPaths(["notes"])))
			if (change.type === "change") {
				const { seq, kind, path, before, after } = change;
				const size = (entry: typeof before) => (entry?.type === "file" ? entry.size : undefined);
				changes.push([seq, kind, path, size(before), size(after)]);
			}
		expect(changes).toEqual([
			[5, "deleted", "notes/a.md", 5, undefined],
			[3, "metadata", "notes/a.md", 5, 5],
			[2, "changed", "notes/a.md", 3, 5],
			[1, "created", "notes", undefined, undefined],
			[1, "created", "notes/a.md", undefined, 3],
		]);
	});

	test("two empty files are not one that was renamed; of equal files the one with the same name is", async () => {
		const log = new WrittenLog();
		log.write({ empty: "", "old/w": "same", "old/z": "same" });
		log.write({
			...{ empty: undefined, "old/w": undefined, "old/z": undefined },
			...{ empty2: "", "new/a": "same", "new/w": "same" },
		});
		expect(await linesOf(log, "empty2", "new/a", "new/w")).toEqual([
			[2, "created", "empty2"],
			[2, "renamed", "new/a", "old/z"],
			[2, "renamed", "new/w", "old/w"],
			[1, "created", "old/w"],
			[1, "created", "old/z"],
		]);
	});

	test("does not follow a former name further back than the file that had it", async () => {
		const log = new WrittenLog();
		log.write({ old: "another file" });
		log.write({ old: undefined });
		log.write({ old: "the file" });
		log.write({ old: undefined, new: "the file" });
		log.write({ old: "a third file" });
		expect(await linesOf(log, "new")).toEqual([
			[4, "renamed", "new", "old"],
			[3, "created", "old"],
		]);
	});

	test("says where retention deleted commits, compares across them, and what the oldest state has", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 200; seq++)
			log.write({ f: `${Math.floor(seq / 50)}` }, seq % 64 === 0 ? { kind: "full" } : {});
		for (const seq of [
			...Array(64).keys(),
			70,
			71,
			100,
			...Array.from({ length: 30 }, (_, n) => 98 + n),
		])
			log.delete(seq);
		expect(await linesOf(log, "f")).toEqual([
			[200, "changed", "f"],
			[150, "changed", "f"],
			[128, "changed", "f"],
			[70, "missing", "127"],
			[64, "there", "f"],
			[1, "missing", "63"],
		]);
	});

	test("ends at the commit after which changes were asked for", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 10; seq++) log.write({ f: String(seq) });
		const seqs: number[] = [];
		for await (const change of pathHistory(log.store, () => true, { after: 7 }))
			if (change.type === "change") seqs.push(change.seq);
		expect(seqs).toEqual([10, 9, 8]);
	});
});

test("findDeleted finds each path that is gone once, with the last commit that had it and its new name", async () => {
	const log = new WrittenLog();
	log.write({ "a.md": "one", "b.md": "b", "keep.md": "k", "x.txt": "x" });
	log.write({ "a.md": undefined });
	log.write({ "a.md": "two", "keep.md": undefined });
	log.write({ "keep.md": "back", "x.txt": undefined });
	log.write({ "a.md": undefined, "b.md": undefined, "c.md": "b" });
	const found: unknown[] = [];
	const isThere = (path: Path) => log.head.tree.has(path);
	for await (const each of findDeleted(log.store, matchGlobs(["*.md"]), isThere))
		if (!("type" in each)) found.push([each.path, each.seq, each.deletedIn?.seq, each.renamedTo]);
	expect(found).toEqual([
		["a.md", 4, 5, undefined],
		["b.md", 4, 5, "c.md"],
	]);
});
