/**
 * Paths that a restore of single paths removed on purpose. The deletion brake leaves them out: they
 * are no sign of a wipe, and they do not make a wipe beside them credible.
 *
 * A file in the private directory, so that the flush of another process knows them. A path stays in
 * it until the log lacks the path too, or the disk has it again.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import { parentOf } from "../path.ts";

/** Without a readable record nothing is meant: the brake then asks. */
export function readMeant(privateDir: string): ReadonlySet<Path> {
	try {
		const paths: unknown = JSON.parse(readFileSync(fileIn(privateDir), "utf8"));
		return new Set(
			Array.isArray(paths) ? paths.filter((path): path is Path => typeof path === "string") : [],
		);
	} catch {
		return new Set();
	}
}

/** Call it before the paths are removed. @throws SidecarError STATE_DIR_UNUSABLE */
export function noteMeant(
	privateDir: string,
	{ removed, written }: { readonly removed: Iterable<Path>; readonly written: Iterable<Path> },
): void {
	const before = readMeant(privateDir);
	const meant = new Set(before);
	for (const path of written) meant.delete(path);
	for (const path of removed) meant.add(path);
	try {
		write(privateDir, meant);
	} catch (cause) {
		throw new SidecarError("STATE_DIR_UNUSABLE", {
			value: privateDir,
			reason: (cause as NodeJS.ErrnoException).code ?? "cannot be written",
			cause,
		});
	}
}

/** Forgets the paths whose deletion is over, and returns the others. */
export function settleMeant(
	privateDir: string,
	isOver: (path: Path) => boolean,
): ReadonlySet<Path> {
	const before = readMeant(privateDir);
	if (before.size === 0) return before;
	const meant = new Set([...before].filter((path) => !isOver(path)));
	try {
		if (meant.size < before.size) write(privateDir, meant);
	} catch {
		// The next call tries again; what is over is left out until then too.
	}
	return meant;
}

/** The missing paths that nobody meant to delete, with the missing directories above them. */
export function notMeant(gone: ReadonlySet<Path>, meant: ReadonlySet<Path>): ReadonlySet<Path> {
	if (meant.size === 0) return gone;
	const rest = new Set<Path>();
	for (const path of gone) {
		if (meant.has(path)) continue;
		for (let at = path; gone.has(at) && !rest.has(at); at = parentOf(at)) {
			rest.add(at);
			if (at === "") break;
		}
	}
	return rest;
}

function write(privateDir: string, meant: ReadonlySet<Path>): void {
	const file = fileIn(privateDir);
	if (meant.size === 0) return rmSync(file, { force: true });
	writeFileSync(`${file}.new`, JSON.stringify([...meant]), { mode: 0o600 });
	renameSync(`${file}.new`, file);
}

const fileIn = (privateDir: string) => join(privateDir, "meant-deletions.json");
