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
 * Is a path stored and watched? Paths may be asked about in any order. Everything below a skipped
 * directory is skipped. "" is always kept.
 */
export type Filter = (path: string, type: FileType) => "keep" | "skip";

/**
 * The number of directories whose verdict is cached. Beyond it the cache is cleared, which costs
 * one walk up per directory.
 */
const REMEMBERED_DIRECTORIES = 8_192;

const NONE: ReadonlySet<string> = new Set();

/**
 * A `/*` pattern is meant for the content of the workspace, while each root is configured by name.
 * The content of a root obeys the patterns like everything else.
 */
const ROOTS_ARE_KEPT = `!/${ROOTS_DIRECTORY}/\n!/${ROOTS_DIRECTORY}/*/\n`;

/**
 * Combines the exclusions of the agent's profile with the user's ignore file. The user has the last
 * word: `!/logs/` includes what the profile would skip. The reserved directory is always skipped,
 * and so is everything except files, directories and links.
 * Not decided here: companions of databases and special files (`scan.ts`), secrets
 * (`capture/secret-guard.ts`), and the limits of the format (`capture/room.ts`).
 * @param foreign paths that are skipped too, see `InnerMounts` (`inner-mounts.ts`)
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
