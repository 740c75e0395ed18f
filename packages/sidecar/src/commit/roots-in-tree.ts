/** Additional roots in a tree, and which of them are on this disk. Pure. */
import { SidecarError } from "../errors.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { othersOf, ROOTS_DIRECTORY, type Root, rootNameOf, rootPath } from "../path.ts";
import { RESERVED_DIRECTORY } from "../workspace/filter.ts";
import { withoutQuarantined } from "./quarantined.ts";

/**
 * An additional root that is in the log and not on this machine. Its content stays in the log, and
 * no restore brings it here.
 */
export interface RootElsewhere {
	/** `.roots/{name}`; `.roots` if that is not a directory in the tree. */
	readonly path: Path;
	/** Files and links. */
	readonly files: number;
	readonly bytes: number;
}

/**
 * The part of a tree that belongs on this disk: nothing quarantined, and no root that is not
 * configured here.
 */
export function ownTree(tree: Tree, root: Root): Tree {
	return onThisDisk(withoutQuarantined(tree), root);
}

/**
 * The tree without the roots that are not configured here; the whole tree for a plain directory.
 */
export function onThisDisk(tree: Tree, root: Root): Tree {
	return typeof root === "string" ? tree : withRoots(tree, (name) => root.others.has(name));
}

/** The tree without the roots that `has` rejects. `.roots` itself goes with the last one. */
export function withRoots(tree: Tree, has: (name: string) => boolean): Tree {
	if (!tree.has(ROOTS_DIRECTORY)) return tree;
	const kept = new Map<Path, Entry>();
	let isNeeded = false;
	for (const [path, entry] of tree) {
		const name = rootNameOf(path);
		if (name !== undefined && !has(name)) continue;
		isNeeded ||= name !== undefined;
		kept.set(path, entry);
	}
	if (!isNeeded) kept.delete(ROOTS_DIRECTORY);
	return kept;
}

/**
 * Checks that every root is a directory, whichever writer made the commit. Nothing may be written through a
 * link, or over a file in a directory's place. No entry may use the place where files are staged.
 * @throws SidecarError TREE_UNSAFE
 */
export function requireRootsAreDirectories(tree: Tree, root: Root): void {
	const others = othersOf(root);
	if (others.size === 0) return;
	const unsafe = (path: Path, reason: string) =>
		new SidecarError("TREE_UNSAFE", { value: path, reason });
	for (const path of [ROOTS_DIRECTORY, ...[...others.keys()].map(rootPath)]) {
		const entry = tree.get(path);
		if (entry !== undefined && entry.type !== "dir")
			throw unsafe(path, "an additional root must be a directory");
	}
	for (const name of others.keys()) {
		const reserved = `${rootPath(name)}/${RESERVED_DIRECTORY}`;
		if (tree.has(reserved)) throw unsafe(reserved, "the path is in the sidecar's own directory");
	}
}

/** The form that `--root` accepts. */
const ROOT_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Why a path cannot be imported among additional roots; undefined if it can. */
export function whyNoRoot(path: Path, isDirectory: boolean): string | undefined {
	const name = rootNameOf(path);
	if (path !== ROOTS_DIRECTORY && (name === undefined || path !== rootPath(name))) return undefined;
	if (!isDirectory) return "its place is reserved for additional roots, and it is not a directory";
	return name === undefined || ROOT_NAME.test(name)
		? undefined
		: "no additional root can have this name";
}

/** In tree order. */
export function rootsElsewhere(tree: Tree, root: Root): RootElsewhere[] {
	if (typeof root === "string") return [];
	const { others } = root;
	const found = new Map<Path, { files: number; bytes: number }>();
	for (const [path, entry] of tree) {
		const name = rootNameOf(path);
		if (
			(name === undefined && (path !== ROOTS_DIRECTORY || entry.type === "dir")) ||
			(name !== undefined && others.has(name))
		)
			continue;
		const at = name === undefined ? ROOTS_DIRECTORY : rootPath(name);
		const sum = found.get(at) ?? { files: 0, bytes: 0 };
		found.set(at, sum);
		if (entry.type !== "dir") sum.files++;
		if (entry.type === "file") sum.bytes += entry.size;
	}
	return [...found].map(([path, sum]) => ({ path, ...sum }));
}
