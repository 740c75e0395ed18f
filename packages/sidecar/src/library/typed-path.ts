import { isAbsolute, relative } from "node:path";
import type { Config } from "../config/options.ts";
import { findPath, requireNamed } from "../history/inspect.ts";
import type { Path, Tree } from "../log/types.ts";
import { Roots, rootPath } from "../path.ts";
import { realPath } from "./place.ts";

/**
 * The path in the log that a user means: as `findPath`, or an absolute path in the workspace or in
 * an additional root of this machine.
 * @returns `isThere`: the tree has it
 * @throws SidecarError USAGE for ""
 */
export function typedPath(
	root: Roots,
	tree: Tree,
	typed: string,
): { readonly path: Path; readonly isThere: boolean } {
	const isOurs = isAbsolute(typed) && belowRoots(root, typed) !== typed;
	if (!isOurs) requireNamed(typed);
	const below = isAbsolute(typed) ? belowRoots(root, typed) : typed;
	const found = findPath(tree, below);
	if (found !== undefined) return { path: found, isThere: true };
	const path = below.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
	return { path: path === "." ? "" : path, isThere: false };
}

/** What a person typed for a verb that needs no workspace: an absolute path as one of the log. */
export function pathInLog({ workspace, roots }: Config, typed: string): string {
	if (!isAbsolute(typed)) return typed;
	const below = [workspace, realPath(workspace)].map((main) =>
		belowRoots(new Roots(main, roots), typed),
	);
	return below.find((each) => each !== typed) ?? typed;
}

/** Unchanged if it is in none of them. */
function belowRoots(root: Roots, typed: string): string {
	const places = [["", root.main], ...[...root.others].map(([name, at]) => [rootPath(name), at])];
	for (const [prefix = "", directory = ""] of places) {
		const below = relative(directory, typed);
		if (below === "..") continue;
		if (below.startsWith("../") || isAbsolute(below)) continue;
		return [prefix, below].filter((part) => part !== "").join("/") || ".";
	}
	return typed;
}
