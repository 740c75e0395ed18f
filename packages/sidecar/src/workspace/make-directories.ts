import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory for the user alone, and its missing parents. Replaces `mkdirSync` with
 * `recursive`, which never returns if the parent exists but mkdir fails with ENOENT, as in /proc
 * (Node 24.21).
 * @param modeAbove of the missing parents, less the umask
 * @throws NodeJS.ErrnoException
 */
export function makeDirectories(directory: string, modeAbove = 0o700): void {
	make(directory, 0o700, modeAbove);
}

function make(directory: string, mode: number, modeAbove: number): void {
	if (makeOne(directory, mode) === "made") return;
	if (dirname(directory) !== directory) make(dirname(directory), modeAbove, modeAbove);
	// A second ENOENT is genuine.
	if (makeOne(directory, mode) !== "made") mkdirSync(directory, { mode });
}

function makeOne(directory: string, mode: number): "made" | "no parent" {
	try {
		mkdirSync(directory, { mode });
		return "made";
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT") return "no parent";
		if (code === "EEXIST" && statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true)
			return "made";
		throw error;
	}
}
