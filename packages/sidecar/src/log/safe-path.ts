import { encodePath, parentOf } from "../path.ts";
import { MAX_NAME_BYTES, MAX_PATH_BYTES } from "./limits.ts";
import type { Delta, Path, Tree } from "./types.ts";

/**
 * The only directory of a workspace that belongs to the sidecar; never captured, never accepted
 * from a log.
 */
export const RESERVED_DIRECTORY = ".openclaw-sidecar";

/** Where bytes are quarantined: `.recovered/{id}/{path}`, by a writer, a restore or `RAW_ID`. */
export const RECOVERED_DIRECTORY = ".recovered";

/**
 * Matches nearly every path: ASCII, no name that begins with a dot, and too short as a whole for a
 * name to be too long.
 */
const SAFE = /^(?=.{1,255}$)[ --0-~][ -.0-~]*(?:\/[ --0-~][ -.0-~]*)*$/;

/**
 * Why a path must not be written below a workspace; undefined if it may. Refuses escapes (absolute,
 * `..`, NUL), names that no file system accepts, and the sidecar's own directory. `unrestorable`
 * ensures that no parent is a link.
 */
export function unsafePath(path: Path): string | undefined {
	if (path === "" || SAFE.test(path)) return undefined;
	const bytes = encodePath(path);
	if (bytes.length > MAX_PATH_BYTES) return `the path is longer than ${MAX_PATH_BYTES} bytes`;
	if (bytes.includes(0)) return "the path holds a NUL";
	const names = path.split("/");
	for (const name of names) {
		if (name === "")
			return path.startsWith("/") ? "the path is absolute" : "the path has an empty name";
		if (name === "." || name === "..") return `the path holds "${name}"`;
		// A name of up to 85 UTF-16 units has at most 255 bytes.
		if (name.length > 85 && encodePath(name).length > MAX_NAME_BYTES)
			return `a name is longer than ${MAX_NAME_BYTES} bytes`;
	}
	if (names[0] === RESERVED_DIRECTORY) return "the path is in the sidecar's own directory";
	return undefined;
}

/**
 * The main rule before every commit and after every fold: every parent of an entry is a directory
 * of the same tree. Returns the first offender.
 */
export function unrestorable(
	tree: Tree,
): { readonly path: Path; readonly reason: string } | undefined {
	const root = tree.get("");
	if (tree.size > 0 && root?.type !== "dir")
		return { path: "", reason: "the tree has no root directory" };
	for (const path of tree.keys()) {
		if (path === "") continue;
		if (tree.get(parentOf(path))?.type !== "dir")
			return { path, reason: "its parent is not a directory of the tree" };
	}
	return undefined;
}

export function isRestorable(tree: Tree): boolean {
	return unrestorable(tree) === undefined;
}

/**
 * Whether `tree` with `delta` applied is restorable, given that `tree` is. Checks only what
 * changes; it walks the whole tree only if a directory disappears or changes its type. Returns the
 * first offender.
 */
export function unrestorableAfter(
	tree: Tree,
	delta: Delta<unknown>,
): { readonly path: Path; readonly reason: string } | undefined {
	const after = (path: Path) =>
		delta.changed.get(path) ?? (delta.removed.has(path) ? undefined : tree.get(path));
	if (delta.removed.has("")) return { path: "", reason: "the workspace itself cannot be removed" };
	for (const [path, entry] of delta.changed) {
		if (path === "" && entry.type !== "dir")
			return { path, reason: "the workspace itself is not a directory" };
		const reason = unsafePath(path);
		if (reason !== undefined) return { path, reason };
		if (path !== "" && after(parentOf(path))?.type !== "dir")
			return { path, reason: "its parent is not a directory of the tree" };
	}
	const goes = (path: Path) => tree.get(path)?.type === "dir" && after(path)?.type !== "dir";
	if (![...delta.removed, ...delta.changed.keys()].some(goes)) return undefined;
	for (const path of tree.keys()) {
		if (path !== "" && after(path) !== undefined && after(parentOf(path))?.type !== "dir") {
			return { path, reason: "its parent is not a directory of the tree" };
		}
	}
	return undefined;
}

/** The directory in which a writer quarantines. */
export function quarantineHome(writer: string): Path {
	return `${RECOVERED_DIRECTORY}/${writer}`;
}

/** True for `.recovered` itself, `.recovered/{writer}` and all below. */
export function isQuarantined(path: Path, writer: string): boolean {
	const own = quarantineHome(writer);
	return path === RECOVERED_DIRECTORY || path === own || path.startsWith(`${own}/`);
}

const SET_ASIDE = /^\.recovered\/([0-9a-f]{32})(?:\/|$)/;

/**
 * The writer that quarantined this path; undefined for an ordinary path. Only names that a writer
 * may have count.
 */
export function quarantineWriter(path: Path): string | undefined {
	return path.startsWith(`${RECOVERED_DIRECTORY}/`) ? SET_ASIDE.exec(path)?.[1] : undefined;
}
