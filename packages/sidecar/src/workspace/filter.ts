import { parentOf, ROOTS_DIRECTORY, rootNameOf, rootPath } from "../path.ts";
import { type IgnoreRule, parseIgnoreFile } from "./ignore-file.ts";
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

/** The rule that leaves a path out. */
export interface Exclusion {
	/** The path itself, or the directory above it that is left out with everything below. */
	readonly at: string;
	/** `special`: a socket, a FIFO or a device. */
	readonly by: "ignore-file" | "profile" | "reserved" | "special";
	/** Of the ignore file or the profile. */
	readonly pattern?: string;
	/** Of the ignore file, from 1. */
	readonly line?: number;
}

/** Both answers come from the same rules. */
export interface Rules {
	readonly filter: Filter;
	/** Undefined: the filter keeps the path. */
	readonly exclusion: (path: string, type: FileType) => Exclusion | undefined;
	/** The pattern of the ignore file that includes the path, or a directory above it, again. */
	readonly wantedBy: (path: string, type: FileType) => IgnoreRule | undefined;
}

/** The filter of `makeRules`. */
export function makeFilter(...rules: Parameters<typeof makeRules>): Filter {
	return makeRules(...rules).filter;
}

/**
 * Combines the exclusions of the agent's profile with the user's ignore file. The user has the last
 * word: `!/logs/` includes what the profile would skip. The reserved directory is always skipped,
 * and so is everything except files, directories and links.
 * Decides by name and kind alone. `why-not-stored.ts` adds companions of databases, and `why` of
 * the library every other reason.
 * @param foreign paths that are skipped too, see `InnerMounts` (`inner-mounts.ts`)
 */
export function makeRules(
	profile: Pick<Profile, "volatile">,
	ignoreText?: string,
	foreign: ReadonlySet<string> = NONE,
): Rules {
	const ignored =
		ignoreText === undefined ? undefined : parseIgnoreFile(`${ignoreText}\n${ROOTS_ARE_KEPT}`);
	const directories = new Map<string, Exclusion | undefined>();

	const exclusionOf = (at: string, type: FileType): Exclusion | undefined => {
		if (type === "other") return { at, by: "special" };
		if (at === RESERVED_DIRECTORY || foreign.has(at) || isReservedInRoot(at))
			return { at, by: "reserved" };
		const { ignoredBy, isWanted = false } = ignored?.test(at, type) ?? {};
		if (ignoredBy !== undefined) return { at, by: "ignore-file", ...ignoredBy };
		const pattern = isWanted ? undefined : profile.volatile(at, type);
		return pattern ? { at, by: "profile", pattern } : undefined;
	};

	const exclusionAbove = (path: string): Exclusion | undefined => {
		const parent = parentOf(path);
		if (parent === "") return undefined;
		if (directories.has(parent)) return directories.get(parent);
		const found = exclusionAbove(parent) ?? exclusionOf(parent, "dir");
		if (directories.size >= REMEMBERED_DIRECTORIES) directories.clear();
		directories.set(parent, found);
		return found;
	};

	const exclusion: Rules["exclusion"] = (path, type) =>
		path === "" ? undefined : (exclusionAbove(path) ?? exclusionOf(path, type));
	const wantedBy: Rules["wantedBy"] = (path, type) => {
		const own = ignored?.test(path, type).isWanted === true;
		if (own) return ignored?.wantedBy(path, type);
		return parentOf(path) === "" ? undefined : wantedBy(parentOf(path), "dir");
	};
	return {
		filter: (path, type) => (exclusion(path, type) === undefined ? "keep" : "skip"),
		exclusion,
		wantedBy,
	};
}

function isReservedInRoot(path: string): boolean {
	const name = rootNameOf(path);
	return name !== undefined && path === `${rootPath(name)}/${RESERVED_DIRECTORY}`;
}
