/**
 * Reads the ignore file of a workspace, also through a link to a file inside the workspace, as
 * created by dotfile managers.
 *
 * Guarantees: an unreadable ignore file is an error, because without its patterns private files
 * would be stored.
 */
import { closeSync, constants, fstatSync, openSync, realpathSync } from "node:fs";
import { SidecarError } from "../errors.ts";
import { decodeName, mainOf, type Root } from "../path.ts";
import { IGNORE_FILE } from "./ignore-file.ts";
import { readFully } from "./read-fully.ts";
import { lstatPath, type Stat, sameStat, statOf, toStat } from "./stat.ts";

export interface IgnoreFile {
	/** Of the name itself. Undefined if there is no such file. */
	readonly named: Stat | undefined;
	/** Of a link's target; otherwise the same as `named`. */
	readonly target: Stat | undefined;
}

/** Longer patterns would slow down every path check. */
const MAX_BYTES = 1024 * 1024;

/** @throws SidecarError IGNORE_FILE_UNUSABLE */
export function lookAtIgnoreFile(root: Root): IgnoreFile {
	try {
		const named = lstatPath(root, IGNORE_FILE);
		const target = named?.type === "link" ? statOf(placeOfIgnoreFile(root)) : named;
		return { named, target };
	} catch (error) {
		throw ignoreFileUnusable(root, error);
	}
}

export function isSameIgnoreFile(a: IgnoreFile, b: IgnoreFile): boolean {
	return isSame(a.named, b.named) && isSame(a.target, b.target);
}

function isSame(a: Stat | undefined, b: Stat | undefined): boolean {
	return a === undefined || b === undefined ? a === b : sameStat(a, b);
}

/** Its text; undefined if there is no such file. @throws SidecarError IGNORE_FILE_UNUSABLE */
export function readIgnoreFile(root: Root): string | undefined {
	try {
		return lstatPath(root, IGNORE_FILE) === undefined
			? undefined
			: textOf(readAll(placeOfIgnoreFile(root)));
	} catch (error) {
		throw ignoreFileUnusable(root, error);
	}
}

/** Bytes that are not UTF-8 match names on the disk that contain them. */
function textOf(bytes: Buffer): string {
	if (bytes.includes(0))
		throw new UnusableIgnoreFile("it contains NUL bytes, so it is not UTF-8 text");
	const text = decodeName(bytes);
	return text.startsWith("\ufeff") ? text.slice(1) : text;
}

/** The reason it cannot be used, for people. */
export class UnusableIgnoreFile extends Error {}

/** The file's real location, in the workspace. */
export function placeOfIgnoreFile(root: Root): string {
	const main = realpathSync.native(mainOf(root));
	const place = realpathSync.native(`${main}/${IGNORE_FILE}`);
	if (place.startsWith(main === "/" ? "/" : `${main}/`)) return place;
	throw new UnusableIgnoreFile(`it is a link to ${place}, outside the workspace`);
}

function readAll(place: string): Buffer {
	// O_NOFOLLOW: a link that appeared meanwhile is not followed. O_NONBLOCK: opening a FIFO must not
	// wait.
	const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
	try {
		const stat = toStat(fstatSync(fd, { bigint: true }));
		if (stat.type !== "file")
			throw new UnusableIgnoreFile(
				stat.type === "dir" ? "it is a directory" : "it is not a regular file",
			);
		if (stat.size > MAX_BYTES)
			throw new UnusableIgnoreFile(`it has ${stat.size} bytes, more than ${MAX_BYTES}`);
		const bytes = Buffer.alloc(MAX_BYTES);
		return bytes.subarray(0, readFully(fd, bytes, 0));
	} finally {
		closeSync(fd);
	}
}

export function ignoreFileUnusable(root: Root, error: unknown): SidecarError {
	const { code, message } = error as NodeJS.ErrnoException;
	const reason =
		error instanceof UnusableIgnoreFile
			? message
			: code === "ENOENT"
				? "it is a link that leads nowhere"
				: code === "ELOOP"
					? "it is a link that leads to itself"
					: (code ?? message);
	return new SidecarError("IGNORE_FILE_UNUSABLE", {
		value: `${mainOf(root)}/${IGNORE_FILE}`,
		reason,
		cause: error,
	});
}
