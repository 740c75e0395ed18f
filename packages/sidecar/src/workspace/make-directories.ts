import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory for the user alone, and its missing parents. Replaces `mkdirSync` with
 * `recursive`, which never returns if the parent exists but mkdir fails with ENOENT, as in /proc
 * (Node 24.21).
 * @param modeAbove of the missing parents, less the umask
 * @returns the first directory that was missing
 * @throws NodeJS.ErrnoException
 */
export function makeDirectories(directory: string, modeAbove = 0o700): string | undefined {
	return make(directory, 0o700, modeAbove);
}

function make(directory: string, mode: number, modeAbove: number): string | undefined {
	const found = makeOne(directory, mode);
	if (found !== "no parent") return found === "made" ? directory : undefined;
	const parent = dirname(directory);
	const above = parent === directory ? undefined : make(parent, modeAbove, modeAbove);
	// A second ENOENT is genuine.
	if (makeOne(directory, mode) === "no parent") mkdirSync(directory, { mode });
	return above ?? directory;
}

function makeOne(directory: string, mode: number): "made" | "there" | "no parent" {
	try {
		mkdirSync(directory, { mode });
		return "made";
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT") return "no parent";
		if (code === "EEXIST" && statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true)
			return "there";
		throw error;
	}
}
