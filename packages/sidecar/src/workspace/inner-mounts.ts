/**
 * Mounts inside a workspace limit writes to it: a rename cannot cross mounts (EXDEV), and a mount
 * point can be neither replaced nor renamed (EBUSY).
 */
import { joinPath, type Root, rootPath } from "../path.ts";
import { RESERVED_DIRECTORY } from "./filter.ts";
import { mountsBelow, mountsByDevice } from "./mounts.ts";
import { lstatPath, type Stat } from "./stat.ts";

export interface InnerMounts {
	/** False if the kernel does not list mounts. */
	readonly isKnown: boolean;
	/** Directories that are mount points, by their paths in the tree; the innermost first. */
	readonly directories: readonly string[];
	/** Single files that are mount points. */
	readonly files: ReadonlySet<string>;
	/** The directories and files that are mounted read-only. */
	readonly readOnly: readonly string[];
	/**
	 * Names at the top of a mount that are not the user's: the sidecar's staging directory, and the
	 * file system's own `lost+found`.
	 */
	readonly foreign: ReadonlySet<string>;
}

const LOST_AND_FOUND = "lost+found";

export function readInnerMounts(root: Root): InnerMounts {
	const mounts = mountsBelow(root, true);
	if (mounts === undefined)
		return { isKnown: false, directories: [], files: new Set(), readOnly: [], foreign: new Set() };
	const directories: string[] = [];
	const files = new Set<string>();
	const readOnly: string[] = [];
	const foreign = new Set<string>();
	const tops = new Set(
		typeof root === "string"
			? [""]
			: ["", ...[...root.others.keys()].map((name) => rootPath(name))],
	);
	for (const [path, { source, isReadOnly }] of mounts) {
		const isDirectory = isDirectoryAt(root, path);
		const lost = joinPath(path, LOST_AND_FOUND);
		if (isDirectory && isLostAndFound(root, lost, source)) foreign.add(lost);
		if (tops.has(path)) continue;
		if (isDirectory) foreign.add(joinPath(path, RESERVED_DIRECTORY));
		if (isDirectory) directories.push(path);
		else files.add(path);
		if (isReadOnly) readOnly.push(path);
	}
	return { isKnown: true, directories: innermostFirst(directories), files, readOnly, foreign };
}

/** The same by device number alone, from a scan. */
export function innerMountsByDevice(disk: ReadonlyMap<string, Stat>): InnerMounts {
	const points = [...mountsByDevice(disk).keys()];
	const directories = innermostFirst(points.filter((path) => disk.get(path)?.type === "dir"));
	const files = new Set(points.filter((path) => disk.get(path)?.type === "file"));
	return {
		isKnown: false,
		directories,
		files,
		readOnly: [],
		foreign: new Set(directories.map((path) => joinPath(path, RESERVED_DIRECTORY))),
	};
}

/** Is the path a mount point, or does it contain one? */
export function holdsMount({ directories, files }: InnerMounts, path: string): boolean {
	const isIn = (point: string) => point === path || point.startsWith(`${path}/`);
	return directories.some(isIn) || [...files].some(isIn);
}

function innermostFirst(directories: readonly string[]): string[] {
	return [...directories].sort((a, b) => b.length - a.length);
}

/**
 * An ext file system reserves it. Other file systems may have one too, which only root can access.
 */
function isLostAndFound(root: Root, path: string, source: string): boolean {
	try {
		const stat = lstatPath(root, path);
		if (stat?.type !== "dir") return false;
		return /^ext[234] /.test(source) || (stat.uid === 0 && (stat.mode & 0o777) === 0o700);
	} catch {
		return false;
	}
}

function isDirectoryAt(root: Root, path: string): boolean {
	try {
		return lstatPath(root, path)?.type === "dir";
	} catch {
		// For example a FUSE mount whose server is gone: not a file that can be written in place.
		return true;
	}
}
