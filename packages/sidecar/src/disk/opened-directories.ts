/**
 * Records the directories that a restore makes writable for its duration, before it does so. A
 * killed restore would otherwise leave them writable, and the next capture would take that for the
 * user's change.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Path } from "../log/types.ts";
import { fsPath, type Root } from "../path.ts";
import { lstatPath } from "../workspace/stat.ts";

const fileIn = (privateDir: string) => join(privateDir, "opened.json");

/** @param modes the original modes, by path */
export function noteOpened(privateDir: string, modes: ReadonlyMap<Path, number>): void {
	if (modes.size > 0)
		writeFileSync(fileIn(privateDir), JSON.stringify([...modes]), { mode: 0o600 });
}

/** Call it once every directory has its original mode. */
export function forgetOpened(privateDir: string): void {
	rmSync(fileIn(privateDir), { force: true });
}

/**
 * Resets the modes of directories that a killed restore left writable, unless they were changed
 * since. @returns whether there may be any
 */
export function setBackOpened(privateDir: string, root: Root): boolean {
	let noted: unknown;
	try {
		noted = JSON.parse(readFileSync(fileIn(privateDir), "utf8"));
	} catch {
		// There is no record, or it was cut off before any directory was opened.
		forgetOpened(privateDir);
		return false;
	}
	for (const each of Array.isArray(noted) ? noted : []) {
		const [path, mode] = each as [unknown, unknown];
		if (typeof path !== "string" || typeof mode !== "number") continue;
		try {
			const stat = lstatPath(root, path);
			if (stat?.type === "dir" && stat.mode === (mode | 0o700)) chmodSync(fsPath(root, path), mode);
		} catch {
			// Its root is no longer configured, or no longer ours.
		}
	}
	forgetOpened(privateDir);
	return true;
}
