import { parentOf, ROOTS_DIRECTORY, rootNameOf, rootPath } from "../path.ts";
import { parseIgnoreFile } from "./ignore-file.ts";
import type { Profile } from "./profile.ts";
import type { FileType } from "./stat.ts";

/**
 * The sidecar's own directory in the workspace and in every additional root (staging): never
 * captured, never restored.
 */
export const RESERVED_DIRECTORY = ".openclaw-sidecar";

/**
 * Is a path stored and watched? Asked in any order; what lies below a skipped directory is skipped.
 * "" is always kept.
 */
export type Filter = (path: string, type: FileType) => "keep" | "skip";

/**
 * Directories whose verdict is remembered; beyond, all are forgotten, which costs one walk up per
 * directory.
 */
const REMEMBERED_DIRECTORIES = 8_192;

const NONE: ReadonlySet<string> = new Set();

/**
 * A `/*` was written for what lies in the workspace; a root was named one by one. What is in a root
 * obeys the patterns like all else.
 */
const ROOTS_ARE_KEPT = `!/${ROOTS_DIRECTORY}/\n!/${ROOTS_DIRECTORY}/*/\n`;

/**
 * Joins what the agent's profile leaves out with what the user's ignore file says. The user has the
 * last word: `!/logs/` takes in what the profile would skip. The reserved directory is skipped
 * whatever they say, and so is what is no file, directory or link.
 * @param foreign paths that are skipped too, see `Mounts`
 */
export function makeFilter(
	profile: Profile,
	ignoreText?: string,
	foreign: ReadonlySet<string> = NONE,
): Filter {
	const ignored =
		ignoreText === undefined ? undefined : parseIgnoreFile(`${ignoreText}\n${ROOTS_ARE_KEPT}`);
	const skippedDirectories = new Map<string, boolean>();

	const isSkippedItself = (path: string, type: FileType): boolean => {
		if (
			type === "other" ||
			path === RESERVED_DIRECTORY ||
			foreign.has(path) ||
			isReservedInRoot(path)
		)
			return true;
		const verdict = ignored?.(path, type);
		return verdict === undefined ? profile.volatile(path, type) : verdict === "ignored";
	};

	const isBelowSkipped = (path: string): boolean => {
		const parent = parentOf(path);
		if (parent === "") return false;
		let skipped = skippedDirectories.get(parent);
		if (skipped === undefined) {
			skipped = isBelowSkipped(parent) || isSkippedItself(parent, "dir");
			if (skippedDirectories.size >= REMEMBERED_DIRECTORIES) skippedDirectories.clear();
			skippedDirectories.set(parent, skipped);
		}
		return skipped;
	};

	return (path, type) =>
		path !== "" && (isBelowSkipped(path) || isSkippedItself(path, type)) ? "skip" : "keep";
}

function isReservedInRoot(path: string): boolean {
	const name = rootNameOf(path);
	return name !== undefined && path === `${rootPath(name)}/${RESERVED_DIRECTORY}`;
}
