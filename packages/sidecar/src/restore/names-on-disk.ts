/**
 * Checks that the file system can hold the names of a tree unchanged, before anything is written.
 *
 * Two names that differ in case or in their Unicode form only may be one name there: the second
 * file would overwrite the first, and the next capture would take its bytes for both. The tree is
 * searched for such pairs, which needs no call to the disk. Only if there are any, or names that
 * some file systems refuse, the names are created on the disk, in a directory of our own.
 */
import {
	closeSync,
	existsSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	openSync,
	readdirSync,
	rmSync,
	utimesSync,
} from "node:fs";
import { SidecarError } from "../errors.ts";
import type { Path, Tree } from "../log/types.ts";
import {
	baseOf,
	decodeName,
	fsPath,
	isEscaped,
	parentOf,
	ROOTS_DIRECTORY,
	type Root,
} from "../path.ts";
import { RESERVED_DIRECTORY } from "../workspace/filter.ts";
import type { Action } from "./reconcile.ts";

/**
 * Names that some file system refuses or changes: Windows' rules, and what encrypted directories
 * shorten.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: file systems refuse them in names
const SUSPICIOUS = /[\\:*?"<>|\u0000-\u001f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
/** eCryptfs takes 143 bytes of a name, others 255. */
const LONG_BYTES = 140;
/** What nearly every path is made of. */
const ORDINARY = /^[A-Za-z0-9_/.+@=,~ -]*$/;
/** A file system without large letters gives `memory.md` for `MEMORY.md`. */
const LARGE = /[A-Z]/;
const ASCII = /^[\0-\x7f]*$/;

export interface Places {
	/** The directory itself, or the nearest one above that is there. */
	nearest(path: Path): Path;
	/** The mount that holds a name. */
	mountOf(path: Path): Path;
}

/** In place of a system error code: the name exists, but changed. */
const CHANGED = "changed";

/**
 * Tests a directory of the disk. `hold` tells whether it can hold the names side by side,
 * unchanged.
 */
export type NameProbe = (
	directory: Path,
	names: readonly string[],
) => { readonly code: string; readonly name: string } | undefined;

/**
 * @throws SidecarError WORKSPACE_NAME_UNFIT
 */
export function requireNames(
	root: Root,
	{ target, plan }: { readonly target: Tree; readonly plan: ReadonlyMap<Path, Action> },
	{ nearest, mountOf }: Places,
	probe: NameProbe = (directory, names) => probeNames(root, directory, names),
): void {
	for (const [first, second] of alikeIn(target)) {
		if (!isWritten(plan.get(first)) && !isWritten(plan.get(second))) continue;
		if (plan.get(first) === "keep-deleted" || plan.get(second) === "keep-deleted") continue;
		const unfit = probe(nearest(parentOf(first)), [baseOf(first), baseOf(second)]);
		if (unfit === undefined) continue;
		requireRoom(root, nearest(parentOf(first)), unfit.code);
		throw new SidecarError("WORKSPACE_NAME_UNFIT", {
			value: second,
			reason: `it is the same name as ${first} on the file system of ${String(fsPath(root, nearest(parentOf(first))))}`,
			remedy:
				"use a case-sensitive file system, or rename one of the two on a machine that has one and flush; then run this again",
		});
	}
	for (const [directory, names] of suspiciousIn(target, plan, { nearest, mountOf })) {
		const unfit = probe(directory, [...names.keys()]);
		if (unfit === undefined) continue;
		requireRoom(root, directory, unfit.code);
		throw new SidecarError("WORKSPACE_NAME_UNFIT", {
			value: names.get(unfit.name) ?? unfit.name,
			reason: `the file system of ${String(fsPath(root, directory))} ${unfit.code === CHANGED ? "changes this name" : `refuses this name (${unfit.code})`}`,
			remedy:
				"use another file system, or rename the file on a machine that can hold it and flush; then run this again",
		});
	}
}

/** A full disk refuses every name. @throws SidecarError WORKSPACE_DISK_FULL */
function requireRoom(root: Root, directory: Path, code: string): void {
	if (code !== "ENOSPC" && code !== "EDQUOT") return;
	throw new SidecarError("WORKSPACE_DISK_FULL", {
		value: String(fsPath(root, directory)),
		reason: `${code}: no more files can be made there`,
	});
}

/** Pairs of paths in one directory that differ in case or Unicode form only. */
export function* alikeIn(tree: Tree): Generator<readonly [Path, Path]> {
	const byFolded = new Map<string, Path | Path[]>();
	for (const path of tree.keys()) {
		const folded = fold(path);
		const alike = byFolded.get(folded);
		byFolded.set(folded, alike === undefined ? path : [alike, path].flat());
		if (alike === undefined) continue;
		// Directories that differ so are a pair of their own.
		for (const other of [alike].flat()) if (parentOf(other) === parentOf(path)) yield [other, path];
	}
}

/**
 * At least as coarse as any file system: a pair too many costs a test, a missed pair costs a file.
 */
function fold(path: Path): string {
	return ASCII.test(path)
		? path.toLowerCase()
		: path.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}

/** One name of each kind for each directory that will take such, by the first path that has it. */
function suspiciousIn(
	tree: Tree,
	plan: ReadonlyMap<Path, Action>,
	{ nearest, mountOf }: Places,
): Map<Path, Map<string, Path>> {
	const found = new Map<Path, Map<string, Path>>();
	const seen = new Set<string>();
	const largeIn = new Set<Path>();
	const add = (directory: Path, path: Path) => {
		const names = found.get(directory) ?? new Map<string, Path>();
		found.set(directory, names.set(baseOf(path), path));
	};
	for (const path of tree.keys()) {
		if (path === ROOTS_DIRECTORY || !isWritten(plan.get(path))) continue;
		const kind = isOrdinary(path) ? undefined : kindOf(baseOf(path));
		if (kind === undefined) {
			// Which letters a file system keeps is the same all over it, and nearly every tree has large
			// ones.
			const mount = mountOf(path);
			if (largeIn.has(mount) || !LARGE.test(baseOf(path))) continue;
			largeIn.add(mount);
			add(mount, path);
			continue;
		}
		const directory = nearest(parentOf(path));
		if (seen.has(`${directory}/${kind}`)) continue;
		seen.add(`${directory}/${kind}`);
		add(directory, path);
	}
	return found;
}

/**
 * Most paths, told at a glance: no more than `kindOf` says of their last name, at a fraction of its
 * cost.
 */
function isOrdinary(path: Path): boolean {
	if (path.length > LONG_BYTES || !ORDINARY.test(path) || path.endsWith(".") || path.endsWith(" "))
		return false;
	const start = path.lastIndexOf("/") + 1;
	const dot = path.indexOf(".", start);
	const stem = (dot < 0 ? path.length : dot) - start;
	// As long as `con` and `com1`.
	return stem !== 3 && stem !== 4;
}

/**
 * What may make a file system refuse a name; names of one kind are taken or refused together.
 * Undefined for ordinary ones.
 */
function kindOf(name: string): string | undefined {
	const isAscii = ASCII.test(name);
	const bytes = isAscii ? name.length : Buffer.byteLength(name);
	if (isAscii && bytes <= LONG_BYTES && !SUSPICIOUS.test(name)) return undefined;
	const signs = [...new Set(name.replaceAll(/[^\\:*?"<>|\p{Cc}]/gu, ""))].sort().join("");
	const isReserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name);
	const isComposed = !isAscii && name !== name.normalize("NFD");
	const length = bytes > LONG_BYTES ? bytes : 0;
	return [
		signs,
		/[. ]$/.test(name),
		isReserved,
		isEscaped(name),
		!isAscii,
		isComposed,
		length,
	].join();
}

/**
 * Makes the names in a new directory inside `directory`, which folds them as that one does, and
 * reads them back.
 */
function probeNames(
	root: Root,
	directory: Path,
	names: readonly string[],
): { readonly code: string; readonly name: string } | undefined {
	const above = fsPath(root, directory);
	const times = lstatSync(above);
	const own = fsPath(
		root,
		directory === "" ? RESERVED_DIRECTORY : `${directory}/${RESERVED_DIRECTORY}`,
	);
	const isMine = !existsSync(own);
	let place = String(own);
	try {
		if (isMine) mkdirSync(own, { mode: 0o700 });
		place = mkdtempSync(`${String(own)}/names-`);
	} catch (error) {
		if (isMine) rmSync(own, { recursive: true, force: true });
		return { code: codeOf(error), name: names[0] ?? "" };
	}
	try {
		for (const name of names) {
			try {
				closeSync(openSync(fsPath(place, name), "wx", 0o600));
			} catch (error) {
				return { code: codeOf(error), name };
			}
		}
		const there = new Set(readdirSync(place, { encoding: "buffer" }).map(decodeName));
		const changed = names.find((name) => !there.has(name));
		return changed === undefined ? undefined : { code: CHANGED, name: changed };
	} finally {
		rmSync(isMine ? own : place, { recursive: true, force: true });
		if (isMine)
			try {
				utimesSync(above, times.atime, times.mtime);
			} catch {
				// The time of the directory changed because something was created in it; nothing to reset.
			}
	}
}

function isWritten(action: Action | undefined): boolean {
	return action === "write" || action === "quarantine-and-write";
}

function codeOf(error: unknown): string {
	return (error as NodeJS.ErrnoException).code ?? String(error);
}
