/**
 * Mounts inside a workspace limit writes to it: a rename cannot cross mounts (EXDEV), and a mount
 * point can be neither replaced nor renamed (EBUSY).
 */
import { joinPath, type Root, rootPath } from "../path.ts";
import { RESERVED_DIRECTORY } from "./filter.ts";
import { mountsBelow, mountsByDevice } from "./mounts.ts";
import { lstatPath, type Stat } from "./stat.ts";

export interface InnerMounts {
	/** False where the kernel does not list mounts. */
	readonly isKnown: boolean;
	/** Directories on which something is mounted, by their paths in the tree; the innermost first. */
	readonly directories: readonly string[];
	/** Single files on which a file is mounted. */
	readonly files: ReadonlySet<string>;
	/** Those of both that are mounted read-only. */
	readonly readOnly: readonly string[];
	/**
	 * Names at the top of a mount that are not the user's: our staging directory, and the file
	 * system's own `lost+found`.
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

/** The same as far as device numbers tell it, from a scan. */
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

/** Is the path a mount point, or does one lie below it? */
export function holdsMount({ directories, files }: InnerMounts, path: string): boolean {
	const isIn = (point: string) => point === path || point.startsWith(`${path}/`);
	return directories.some(isIn) || [...files].some(isIn);
}

function innermostFirst(directories: readonly string[]): string[] {
	return [...directories].sort((a, b) => b.length - a.length);
}

/** An ext file system keeps it for itself. Others come with one too, which is root's alone. */
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
		// Such as a FUSE mount whose server is gone: not a file that could be written in place.
		return true;
	}
}
