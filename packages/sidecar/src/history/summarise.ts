import type { Path } from "../log/types.ts";
import { parentOf } from "../path.ts";

/** Parts of a summary. */
const PARTS = 3;

/**
 * Names paths in a few words: `sessions.json`, `3 in workspace/notes, sessions.json`, `12 in
 * workspace, 2 in agents, 4 more`. Up to three paths are named. Otherwise those in one directory are
 * counted, and directories are shortened from the right until three parts are left.
 * @param shown makes a path safe for where it is printed
 */
export function summarise(
	paths: readonly Path[],
	shown: (path: Path) => string = (path) => path,
): string {
	if (paths.length <= PARTS) return paths.map(shown).join(", ");
	let depth = Math.max(1, ...paths.map((path) => path.split("/").length - 1));
	let parts = byDirectory(paths, depth);
	while (parts.size > PARTS && depth > 1) parts = byDirectory(paths, --depth);
	const largest = [...parts].sort(([, a], [, b]) => b.length - a.length);
	const named = largest.slice(0, parts.size <= PARTS ? PARTS : PARTS - 1);
	const words = named.map(([directory, [first = "", ...others]]) => {
		if (others.length === 0) return shown(first);
		return `${formatted(others.length + 1)} ${directory === "" ? "at the top" : `in ${shown(directory)}`}`;
	});
	const rest = paths.length - named.reduce((sum, [, inside]) => sum + inside.length, 0);
	return [...words, ...(rest > 0 ? [`${formatted(rest)} more`] : [])].join(", ");
}

/** By at most `depth` names of the directory. */
function byDirectory(paths: readonly Path[], depth: number): Map<Path, Path[]> {
	const parts = new Map<Path, Path[]>();
	for (const path of paths) {
		const directory = parentOf(path).split("/").slice(0, depth).join("/");
		const inside = parts.get(directory);
		if (inside === undefined) parts.set(directory, [path]);
		else inside.push(path);
	}
	return parts;
}

function formatted(count: number): string {
	return count.toLocaleString("en-US");
}
