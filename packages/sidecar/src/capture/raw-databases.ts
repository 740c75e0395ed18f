/**
 * Places the raw bytes of databases without a consistent copy where a superseded writer's files go.
 * The log's own copy of the database is sound; these bytes are not. The next consistent copy
 * removes them. Pure.
 *
 * All sessions of all machines use one place. A database that can never be taken then has one raw
 * copy in the tree, however often the sidecar starts. Older copies are in history.
 */

import { isDatabase, type LocalEntry } from "../disk/local-tree.ts";
import { RAW_ID } from "../log/restore-id.ts";
import { quarantineHome, quarantineWriter, RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import { sameEntry } from "../log/same-entry.ts";
import type { Path, Tree } from "../log/types.ts";
import { filesOf } from "../workspace/sqlite-file.ts";
import type { Capture } from "./capture.ts";

/**
 * Raw bytes that the log does not have yet. Earlier releases kept them below their session's id.
 */
export function newRaw({ raw }: Capture, tree: Tree): ReadonlyMap<Path, LocalEntry> {
	if (raw.size === 0) return raw;
	const writers = new Set(
		[...tree.keys()].flatMap((path) =>
			path.startsWith(RECOVERED_DIRECTORY) ? (quarantineWriter(path) ?? []) : [],
		),
	);
	const isKnown = ([path, { entry }]: [Path, LocalEntry]) =>
		[...writers].some((writer) => {
			const known = tree.get(`${quarantineHome(writer)}/${path}`);
			return known !== undefined && sameEntry(known, entry);
		});
	return new Map([...raw].filter((each) => !isKnown(each)));
}

/** Paths of raw bytes in the log whose database now has a consistent copy. */
export function replacedRaw(capture: Capture, tree: Tree): Set<Path> {
	const replaced = new Set<Path>();
	for (const found of [capture.changed, capture.confirmed, capture.minor])
		for (const [path, local] of found)
			if (isDatabase(local))
				for (const file of filesOf(path)) {
					const aside = `${quarantineHome(RAW_ID)}/${file}`;
					if (!capture.raw.has(file) && tree.has(aside)) replaced.add(aside);
				}
	return replaced;
}
