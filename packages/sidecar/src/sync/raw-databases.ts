/**
 * Raw bytes of databases that no consistent copy could be had of go where a superseded writer's files go: the database that the log has
 * is sound, these are not. They leave with the next consistent copy. Pure.
 */
import { setAsideHome } from "../log/safe-path.ts";
import { sameEntry } from "../log/same-entry.ts";
import type { Path, Tree } from "../log/types.ts";
import { filesOf } from "../workspace/sqlite-file.ts";
import type { Capture } from "./capture.ts";
import { isDatabase, type LocalEntry } from "./local-tree.ts";

/** Raw bytes that the log does not have yet. */
export function newRaw({ raw }: Capture, tree: Tree, writer: string): ReadonlyMap<Path, LocalEntry> {
	const isKnown = ([path, { entry }]: [Path, LocalEntry]) => {
		const known = tree.get(`${setAsideHome(writer)}/${path}`);
		return known !== undefined && sameEntry(known, entry);
	};
	return new Map([...raw].filter((each) => !isKnown(each)));
}

/** Where the log has raw bytes of databases that a consistent copy was taken of now. */
export function replacedRaw(capture: Capture, tree: Tree, writer: string): Set<Path> {
	const replaced = new Set<Path>();
	for (const found of [capture.changed, capture.confirmed, capture.minor])
		for (const [path, local] of found)
			if (isDatabase(local))
				for (const file of filesOf(path)) {
					const aside = `${setAsideHome(writer)}/${file}`;
					if (!capture.raw.has(file) && tree.has(aside)) replaced.add(aside);
				}
	return replaced;
}
