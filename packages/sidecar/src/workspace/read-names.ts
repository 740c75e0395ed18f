import { readdirSync } from "node:fs";
import { decodeName, fsPath, ROOTS_DIRECTORY, type Root } from "../path.ts";

/**
 * The names in a directory of a workspace. Leaves out a `.roots` on the disk itself: that path
 * belongs to additional roots.
 * @throws NodeJS.ErrnoException
 */
export function readNames(root: Root, path: string): string[] {
	if (typeof root === "string") return namesIn(fsPath(root, path));
	if (path === ROOTS_DIRECTORY) return [...root.others.keys()];
	const names = namesIn(fsPath(root, path));
	if (path !== "") return names;
	const own = names.filter((name) => name !== ROOTS_DIRECTORY);
	return root.others.size === 0 ? own : [...own, ROOTS_DIRECTORY];
}

/** As strings. A name with U+FFFD may not be UTF-8, so such a directory is read again as bytes. */
function namesIn(directory: string | Buffer): string[] {
	const names = readdirSync(directory);
	return names.some((name) => name.includes("\ufffd"))
		? readdirSync(directory, { encoding: "buffer" }).map((name) => decodeName(name))
		: names;
}
