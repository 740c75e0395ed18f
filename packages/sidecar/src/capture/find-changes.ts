import { isDatabase, type LocalTree } from "../disk/local-tree.ts";
import type { Path } from "../log/types.ts";
import type { Root } from "../path.ts";
import { type Problem, walk } from "../workspace/scan.ts";
import { walFingerprint } from "../workspace/sqlite.ts";
import type { Stat } from "../workspace/stat.ts";
import type { CaptureContext } from "./capture-context.ts";

/** The result of a scan. */
export interface Scanned {
	readonly stats: ReadonlyMap<Path, Stat>;
	readonly problems: readonly Problem[];
}

export interface FoundChanges {
	/** Paths whose stat differs from the captured one, and paths that are new or gone. */
	readonly paths: readonly Path[];
	/** Paths that could not be inspected: nothing is known of them or of what is below. */
	readonly unreadable: readonly Path[];
	/** Sockets, FIFOs and devices. */
	readonly special: readonly Path[];
}

/**
 * Sweeps the workspace: inspects every path and reads no content. Besides its result it needs
 * memory for the names of one directory at a time, however large the tree is.
 * @param scanned the result of a scan that nothing was written after, instead of a new one
 */
export async function findChanges(
	{ root, filter, local }: Pick<CaptureContext, "root" | "filter" | "local">,
	signal: AbortSignal | undefined,
	scanned?: Scanned,
): Promise<FoundChanges> {
	const paths: Path[] = [];
	const gone: Path[] = [];
	const look = (path: Path, stat: Stat) => {
		if (!local.isClean(path, stat)) paths.push(path);
		// A database's newest rows may be in its WAL, without a change to the file itself.
		else if (isChangedDatabase(local, root, path)) paths.push(path);
	};
	const problems = scanned?.problems ?? (await walkAll());
	if (scanned !== undefined) {
		for (const [path, stat] of scanned.stats) look(path, stat);
		for (const path of local.paths()) if (!scanned.stats.has(path)) gone.push(path);
	}
	const pathsOf = (wanted: (typeof problems)[number]["reason"]) =>
		problems.filter(({ reason }) => reason === wanted).map(({ path }) => path);
	const unreadable = pathsOf("unreadable");
	for (const path of gone) if (!isBelow(path, unreadable)) paths.push(path);
	return { paths, unreadable, special: pathsOf("other-type") };

	async function walkAll(): Promise<readonly Problem[]> {
		/** What the current directory has now. */
		let there: Path[] = [];
		const isGone = (top: Path) => {
			for (const path of local.subtree(top)) gone.push(path);
		};
		return await walk(
			root,
			filter,
			{
				onEntry: (path, stat) => {
					there.push(path);
					look(path, stat);
					if (stat.type !== "dir") for (const child of local.children(path)) isGone(child);
				},
				onListed: (directory, vanished) => {
					if (vanished) isGone(directory);
					else for (const child of missing(local.children(directory), there)) isGone(child);
					there = [];
				},
			},
			{ signal },
		);
	}
}

function missing(known: ReadonlySet<Path>, there: readonly Path[]): Path[] {
	let seen = 0;
	for (const path of there) if (known.has(path)) seen++;
	if (seen === known.size) return [];
	const names = new Set(there);
	return [...known].filter((path) => !names.has(path));
}

function isChangedDatabase(local: LocalTree, root: Root, path: Path): boolean {
	const entry = local.entry(path);
	if (entry === undefined || !isDatabase({ entry })) return false;
	return local.get(path)?.database !== walFingerprint(root, path);
}

function isBelow(path: Path, directories: readonly Path[]): boolean {
	return directories.some(
		(directory) => path === directory || directory === "" || path.startsWith(`${directory}/`),
	);
}
