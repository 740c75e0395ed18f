import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory and what is missing above it, for the user alone. As `mkdirSync` with `recursive`, but that one never returns
 * where a parent is there and ENOENT is said all the same, as in /proc (Node 24.21).
 * @throws NodeJS.ErrnoException
 */
export function makeDirectories(directory: string): void {
	if (make(directory) === "made") return;
	if (dirname(directory) !== directory) makeDirectories(dirname(directory));
	// A second ENOENT is the truth.
	if (make(directory) !== "made") mkdirSync(directory, { mode: 0o700 });
}

function make(directory: string): "made" | "no parent" {
	try {
		mkdirSync(directory, { mode: 0o700 });
		return "made";
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT") return "no parent";
		if (code === "EEXIST" && statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return "made";
		throw error;
	}
}
