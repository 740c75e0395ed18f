import { basename, dirname } from "node:path";
import { didYouMean } from "../config/suggest.ts";
import type { Path } from "../log/types.ts";

/** A name that more paths have than a person wants to read about is no suggestion. */
const MAX_SAME_NAME = 3;

/**
 * `; did you mean notes/MEMORY.md?` for a path that is not there: the same name in another
 * directory, otherwise a similar name in the same one. Empty if nothing is near.
 */
export function nearestPath(paths: Iterable<Path>, typed: string): string {
	const [name, directory] = [basename(typed).toLowerCase(), dirname(typed)];
	const sameName: Path[] = [];
	const siblings: Path[] = [];
	for (const path of paths) {
		if (path === "") continue;
		if (basename(path).toLowerCase() === name) sameName.push(path);
		else if (dirname(path) === directory) siblings.push(path);
	}
	if (sameName.length > MAX_SAME_NAME) return "";
	return sameName.length > 0
		? `; did you mean ${sameName.sort((a, b) => a.length - b.length).join(" or ")}?`
		: didYouMean(typed, siblings);
}
