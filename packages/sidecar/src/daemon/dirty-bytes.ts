import { lstatSync } from "node:fs";
import { fsPath, type Root } from "../path.ts";

/** Total size of the existing `paths`; unreadable ones count as 0. */
export function dirtyBytes(workspace: Root, paths: readonly string[]): number {
	let sizeBytes = 0;
	for (const path of paths) {
		try {
			const stat = lstatSync(fsPath(workspace, path), { throwIfNoEntry: false });
			if (stat?.isFile()) sizeBytes += stat.size;
		} catch {
			// A metric must not end a daemon.
		}
	}
	return sizeBytes;
}
