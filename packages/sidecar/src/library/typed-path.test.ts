import { describe, expect, it } from "vitest";
import { selectQuarantined } from "../history/select-quarantined.ts";
import { quarantineWriter } from "../log/safe-path.ts";
import type { Entry, Tree } from "../log/types.ts";
import { Roots } from "../path.ts";
import { typedPath } from "./typed-path.ts";

const directory: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };
const root = new Roots("/w", new Map([["extra", "/e"]]));
const tree: Tree = new Map([
	["", directory],
	["a", directory],
]);

describe("what a user names to be written", () => {
	// @id no-path-is-not-everything
	it.each(["", "/", "//"])("%j is refused: an empty variable must not mean everything", (typed) => {
		expect(() => typedPath(root, tree, typed)).toThrow(expect.objectContaining({ code: "USAGE" }));
		const home = ".recovered/0123456789abcdef0123456789abcdef";
		expect(quarantineWriter(`${home}/a`)).toBeDefined();
		const quarantined: Tree = new Map([
			[home, directory],
			[`${home}/a`, directory],
		]);
		expect(() => selectQuarantined(quarantined, { path: typed })).toThrow(
			expect.objectContaining({ code: "USAGE" }),
		);
	});

	it("`.` and the workspace's own directory mean everything", () => {
		for (const typed of [".", "./", "/w", "/w/"])
			expect(typedPath(root, tree, typed)).toEqual({ path: "", isThere: true });
		expect(typedPath(root, tree, "/w/a")).toEqual({ path: "a", isThere: true });
		expect(typedPath(root, tree, "/e/a")).toEqual({ path: ".roots/extra/a", isThere: false });
	});
});
