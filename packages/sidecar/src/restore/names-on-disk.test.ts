import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { alikeIn, type NameProbe, requireNames } from "./names-on-disk.ts";
import type { Action } from "./reconcile.ts";

const FILE: Entry = { type: "file", mode: 0o644, mtimeNs: 0n, size: 0, chunkBits: 20, chunks: [] };
const treeOf = (...paths: readonly Path[]): Tree => new Map(paths.map((path) => [path, FILE]));
const planOf = (tree: Tree, action: Action = "write") =>
	new Map([...tree.keys()].map((path) => [path, action]));
const places = { nearest: () => "", mountOf: () => "" };

/** Imitates a file system that folds case and stores one Unicode form of each name. */
const folding: NameProbe = (_, names) => {
	const [first = "", second] = names.map((name) => name.normalize("NFC").toLowerCase());
	return first === second ? { code: "EEXIST", name: names[1] as string } : undefined;
};

function check(tree: Tree, probe: NameProbe, plan = planOf(tree)): void {
	requireNames("/nowhere", { target: tree, plan }, places, probe);
}

it("blames no name if the disk is full", () => {
	for (const code of ["ENOSPC", "EDQUOT"]) {
		const full: NameProbe = (_, [name = ""]) => ({ code, name });
		const refusal = { code: "WORKSPACE_DISK_FULL", message: expect.stringContaining(code) };
		expect(() => check(treeOf("MEMORY.md"), full)).toThrow(expect.objectContaining(refusal));
		expect(() => check(treeOf("d/README", "d/readme"), full)).toThrow(
			expect.objectContaining(refusal),
		);
	}
});

describe("names that collide on the disk", () => {
	// @id folded-names-found
	it("are found within one directory, by case and by Unicode form", () => {
		const tree = treeOf("a/README", "a/ReadMe", "b/readme", "é", "e\u0301", "Straße", "STRASSE");
		expect([...alikeIn(tree)]).toEqual([
			["a/README", "a/ReadMe"],
			["é", "e\u0301"],
			["Straße", "STRASSE"],
		]);
	});

	// @id folded-names-refused
	it("are refused before anything is written, and the error names both", () => {
		const refusal = {
			code: "WORKSPACE_NAME_UNFIT",
			value: "d/readme",
			message: expect.stringContaining("d/README"),
		};
		expect(() => check(treeOf("d/README", "d/readme"), folding)).toThrow(
			expect.objectContaining(refusal),
		);
	});

	it("are not tested if the disk already has both, or if one was deleted here", () => {
		const tree = treeOf("README", "readme");
		const never: NameProbe = () => expect.fail("nothing is written");
		check(tree, never, planOf(tree, "keep"));
		check(
			tree,
			(_, names) => {
				expect(names).toEqual(["README"]);
				return undefined;
			},
			new Map<Path, Action>([
				["README", "write"],
				["readme", "keep-deleted"],
			]),
		);
	});
});

describe("names that the disk refuses", () => {
	it("are refused with the path and the system's reason", () => {
		const windows: NameProbe = (_, names) => {
			const name = names.find((each) => each.includes(":"));
			return name === undefined ? undefined : { code: "EINVAL", name };
		};
		const refusal = {
			code: "WORKSPACE_NAME_UNFIT",
			value: "d/a:b",
			message: expect.stringContaining("EINVAL"),
		};
		expect(() => check(treeOf("x", "d/a:b", "d/c:d"), windows)).toThrow(
			expect.objectContaining(refusal),
		);
	});

	it("are tested once for each kind, and ordinary names are never tested", () => {
		const asked: string[][] = [];
		check(
			treeOf("plain.md", "dir/x", "a:b", "c:d", "MEMORY.md", "d/SOUL.md", "n".repeat(200)),
			(_, names) => {
				asked.push([...names]);
				return undefined;
			},
		);
		expect(asked).toEqual([["a:b", "MEMORY.md", "n".repeat(200)]]);
	});

	it("are tested in a private directory that is removed afterwards", () => {
		const root = testDirectory();
		mkdirSync(join(root, "d"));
		const tree = treeOf("d/README", "d/readme", "d/a:b");
		requireNames(
			root,
			{ target: tree, plan: planOf(tree) },
			{ nearest: () => "d", mountOf: () => "" },
		);
		expect(readdirSync(root)).toEqual(["d"]);
		expect(readdirSync(join(root, "d"))).toEqual([]);
	});
});
