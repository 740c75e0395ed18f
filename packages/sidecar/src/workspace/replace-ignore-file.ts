/**
 * Replaces the ignore file of a workspace whose owner may move, replace and link things at the same
 * time.
 *
 * Guarantees: nothing outside the workspace is written. The file's directory is opened once, the
 * kernel confirms its location, and all writes go through that descriptor.
 */
import {
	closeSync,
	constants,
	lstatSync,
	openSync,
	readlinkSync,
	realpathSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { mainOf, type Root } from "../path.ts";
import { IGNORE_FILE } from "./ignore-file.ts";
import { makeDirectories } from "./make-directories.ts";
import { ignoreFileUnusable, placeOfIgnoreFile, UnusableIgnoreFile } from "./read-ignore-file.ts";
import { lstatPath } from "./stat.ts";

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Creates the workspace too. A link to a file in the workspace stays a link. An existing file keeps
 * its mode.
 * @throws SidecarError IGNORE_FILE_UNUSABLE
 */
export function replaceIgnoreFile(root: Root, text: string): void {
	try {
		makeDirectories(mainOf(root));
		const isThere = lstatPath(root, IGNORE_FILE) !== undefined;
		const place = isThere
			? placeOfIgnoreFile(root)
			: join(realpathSync.native(mainOf(root)), IGNORE_FILE);
		const directory = openSync(dirname(place), DIRECTORY);
		try {
			replaceIn(directory, place, text);
		} finally {
			closeSync(directory);
		}
	} catch (error) {
		throw ignoreFileUnusable(root, error);
	}
}

function replaceIn(directory: number, place: string, text: string): void {
	const held = `/proc/self/fd/${directory}`;
	if (readlinkSync(held) !== dirname(place))
		throw new UnusableIgnoreFile(`its directory ${dirname(place)} was replaced at this moment`);
	const name = join(held, basename(place));
	const old = lstatSync(name, { throwIfNoEntry: false });
	const next = `${name}.${process.pid}.tmp`;
	const fd = openSync(next, NEW_FILE, old?.isFile() === true ? old.mode & 0o777 : 0o644);
	try {
		writeFileSync(fd, text);
		// It replaces a link by that name, and follows none.
		renameSync(next, name);
	} finally {
		closeSync(fd);
		rmSync(next, { force: true });
	}
}
