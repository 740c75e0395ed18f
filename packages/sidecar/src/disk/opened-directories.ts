/**
 * Which directories a restore made writable for its duration, noted before it does so: a restore
 * that was killed would else leave them writable, and the next capture would take that for the
 * user's own change.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Path } from "../log/types.ts";
import { fsPath, type Root } from "../path.ts";
import { lstatPath } from "../workspace/stat.ts";

const fileIn = (privateDir: string) => join(privateDir, "opened.json");

/** @param modes as they were, by path */
export function noteOpened(privateDir: string, modes: ReadonlyMap<Path, number>): void {
	if (modes.size > 0)
		writeFileSync(fileIn(privateDir), JSON.stringify([...modes]), { mode: 0o600 });
}

/** Every directory has its mode again. */
export function forgetOpened(privateDir: string): void {
	rmSync(fileIn(privateDir), { force: true });
}

/**
 * Resets the modes of directories that a killed restore left writable, unless they were changed
 * since.
 */
export function setBackOpened(privateDir: string, root: Root): void {
	let noted: unknown;
	try {
		noted = JSON.parse(readFileSync(fileIn(privateDir), "utf8"));
	} catch {
		// There is none, or it was cut off before any directory was opened.
		return forgetOpened(privateDir);
	}
	for (const each of Array.isArray(noted) ? noted : []) {
		const [path, mode] = each as [unknown, unknown];
		if (typeof path !== "string" || typeof mode !== "number") continue;
		try {
			const stat = lstatPath(root, path);
			if (stat?.type === "dir" && stat.mode === (mode | 0o700)) chmodSync(fsPath(root, path), mode);
		} catch {
			// Its root is not configured any more, or it is not ours any more.
		}
	}
	forgetOpened(privateDir);
}
