/**
 * Checks that the file system can hold the names of a tree unchanged, before anything is written.
 *
 * Two names that differ only in case or Unicode form may be the same name on the disk. The second
 * file would then overwrite the first, and the next capture would store its bytes for both. The
 * search for such pairs runs on the tree and needs no call to the disk. If it finds a pair, or a
 * name that some file systems refuse, the names are created on the disk in a private directory.
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
 * Names that some file systems refuse or change: the rules of Windows, and names that encrypted
 * directories shorten.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: file systems refuse them in names
const SUSPICIOUS = /[\\:*?"<>|\u0000-\u001f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
/** eCryptfs accepts 143 bytes for a name, others 255. */
const LONG_BYTES = 140;
/** The characters of nearly every path. */
const ORDINARY = /^[A-Za-z0-9_/.+@=,~ -]*$/;
/** A file system without upper case returns `memory.md` for `MEMORY.md`. */
const LARGE = /[A-Z]/;
const ASCII = /^[\0-\x7f]*$/;

export interface Places {
	/** The directory itself, or its nearest existing ancestor. */
	nearest(path: Path): Path;
	/** The mount that holds a name. */
	mountOf(path: Path): Path;
}

/** Used in place of a system error code: the name exists, but changed. */
const CHANGED = "changed";

/**
 * Tests a directory on the disk. `hold` tells whether it can hold the names side by side,
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
		reason: `${code}: no more files can be created there`,
	});
}

/** Pairs of paths in one directory that differ only in case or Unicode form. */
export function* alikeIn(tree: Tree): Generator<readonly [Path, Path]> {
	const byFolded = new Map<string, Path | Path[]>();
	for (const path of tree.keys()) {
		const folded = fold(path);
		const alike = byFolded.get(folded);
		byFolded.set(folded, alike === undefined ? path : [alike, path].flat());
		if (alike === undefined) continue;
		// Parent directories that differ this way form a pair themselves.
		for (const other of [alike].flat()) if (parentOf(other) === parentOf(path)) yield [other, path];
	}
}

/**
 * At least as coarse as any file system. An extra pair costs a test; a missed pair costs a file.
 */
function fold(path: Path): string {
	return ASCII.test(path)
		? path.toLowerCase()
		: path.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}

/**
 * One name of each kind for each directory that will receive such names, with the first path that
 * has it.
 */
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
			// Case folding is the same across a whole file system, and nearly every tree has upper-case
			// names.
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
 * Recognises most paths at low cost. Its answer agrees with `kindOf` for the last name of the path.
 */
function isOrdinary(path: Path): boolean {
	if (path.length > LONG_BYTES || !ORDINARY.test(path) || path.endsWith(".") || path.endsWith(" "))
		return false;
	const start = path.lastIndexOf("/") + 1;
	const dot = path.indexOf(".", start);
	const stem = (dot < 0 ? path.length : dot) - start;
	// The length of `con` and `com1`.
	return stem !== 3 && stem !== 4;
}

/**
 * The reason why a file system might refuse a name. Names of one kind are accepted or refused
 * together. Undefined for ordinary names.
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
 * Creates the names in a new directory inside `directory`, which folds them the same way, and reads
 * them back.
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
				// The directory's time changed because something was created in it; there is nothing to
				// reset.
			}
	}
}

function isWritten(action: Action | undefined): boolean {
	return action === "write" || action === "quarantine-and-write";
}

function codeOf(error: unknown): string {
	return (error as NodeJS.ErrnoException).code ?? String(error);
}
