/**
 * What is below `.recovered/{id}/`, and how a commit puts it there: the changes of a superseded
 * writer (by `flush.ts`), edits that a restore displaced (by `displaced-files.ts`), and raw
 * databases (`RAW_ID`). A superseded writer's files are updated in place. A machine that was declared dead and writes on for an hour then grows the tree by what it
 * changed, not by how often. What it deletes stays quarantined.
 *
 * Pure. Does NOT quarantine directories for their own sake: a directory exists only because
 * something with content is below it.
 */
import {
	quarantineHome,
	quarantineWriter,
	RECOVERED_DIRECTORY,
	unsafePath,
} from "../log/safe-path.ts";
import type { Chunk, Delta, DirEntry, Entry, Path, Tree } from "../log/types.ts";
import { parentOf } from "../path.ts";

/** Stands for a directory that is on no disk, or that no scan has seen. */
const INVENTED: DirEntry = { type: "dir", mode: 0o700, mtimeNs: 0n };

/**
 * Whether the entry stands for a missing directory. Earlier releases gave a log's first commit such
 * a top directory if that commit quarantined something. A real directory was not last changed at
 * the very start of 1970.
 */
export function isInvented(entry: Entry): boolean {
	return entry.type === "dir" && entry.mode === INVENTED.mode && entry.mtimeNs === INVENTED.mtimeNs;
}

/** What one superseded writer quarantined. */
export interface QuarantinedWriter {
	/** 32 hex digits. */
	readonly writer: string;
	/** Files and links. */
	readonly files: number;
	readonly bytes: number;
}

export interface QuarantineDelta<C = Chunk> {
	readonly delta: Delta<C>;
	/** Files and links, by their original paths. */
	readonly taken: readonly Path[];
	/** Paths that are too long below `.recovered/{writer}/`: none of them can be quarantined. */
	readonly tooLong: readonly Path[];
	/** Paths for which the tree has no room. */
	readonly withoutRoom: readonly Path[];
}

/**
 * A superseded writer's changes, as a commit may hold them.
 * @param tree the head's tree
 * @param directories looks up a directory's entry on this disk, for directories that `changed` does
 * not name
 * @param holds whether the tree has room for these new paths, with the entry at the first of them
 */
export function quarantineDelta<C>(
	tree: Tree,
	writer: string,
	changed: ReadonlyMap<Path, Entry<C>>,
	directories: (path: Path) => Entry<C> | undefined,
	holds: (missing: readonly Path[], entry: Entry<C>) => boolean = () => true,
): QuarantineDelta<C> {
	const home = quarantineHome(writer);
	const aside = new Map<Path, Entry<C>>();
	const gone = new Set<Path>();
	const taken: Path[] = [];
	const tooLong: Path[] = [];
	const withoutRoom: Path[] = [];
	const directoryAt = (target: Path): DirEntry => {
		const path = target.slice(home.length + 1);
		const isOwn = target === "" || target.startsWith(`${home}/`);
		const own = isOwn ? (changed.get(path) ?? directories(path)) : undefined;
		return own?.type === "dir" ? own : INVENTED;
	};
	for (const [path, entry] of changed) {
		if (entry.type === "dir") continue;
		const target = `${home}/${path}`;
		if (unsafePath(target) !== undefined) {
			tooLong.push(path);
			continue;
		}
		const parents: Path[] = [];
		for (let parent = parentOf(target); ; parent = parentOf(parent)) {
			if (tree.get(parent)?.type !== "dir" && aside.get(parent)?.type !== "dir")
				parents.push(parent);
			if (parent === "") break;
		}
		const missing = [target, ...parents].filter((at) => !tree.has(at));
		if (missing.length > 0 && !holds(missing, entry)) {
			withoutRoom.push(path);
			continue;
		}
		taken.push(path);
		aside.set(target, entry);
		// What it quarantined below a path that is no longer a directory stays in history.
		if (tree.get(target)?.type === "dir")
			for (const below of tree.keys()) if (below.startsWith(`${target}/`)) gone.add(below);
		for (const parent of parents) aside.set(parent, directoryAt(parent));
	}
	for (const path of aside.keys()) gone.delete(path);
	return { delta: { changed: aside, removed: gone }, taken, tooLong, withoutRoom };
}

/** By writer, in tree order. */
export function quarantinedIn(tree: Tree): QuarantinedWriter[] {
	const byWriter = new Map<string, { files: number; bytes: number }>();
	for (const [path, entry] of tree) {
		const writer = quarantineWriter(path);
		if (writer === undefined || entry.type === "dir") continue;
		const sum = byWriter.get(writer) ?? { files: 0, bytes: 0 };
		byWriter.set(writer, sum);
		sum.files++;
		if (entry.type === "file") sum.bytes += entry.size;
	}
	return [...byWriter].map(([writer, sum]) => ({ writer, ...sum }));
}

/**
 * The name on a disk that must not become part of the tree, because quarantined files use it;
 * undefined if there is none.
 */
export function reservedName(path: Path, isDirectory: boolean): Path | undefined {
	const writer = quarantineWriter(path);
	if (writer !== undefined) return quarantineHome(writer);
	return path === RECOVERED_DIRECTORY && !isDirectory ? path : undefined;
}

/**
 * The tree without what superseded writers quarantined. Anything else that a user keeps in a
 * directory of that name stays.
 */
export function withoutQuarantined(tree: Tree): Tree {
	const kept = new Map<Path, Entry>();
	let isOwn = false;
	for (const [path, entry] of tree) {
		if (quarantineWriter(path) !== undefined) continue;
		kept.set(path, entry);
		isOwn ||= path.startsWith(`${RECOVERED_DIRECTORY}/`);
	}
	if (!isOwn) kept.delete(RECOVERED_DIRECTORY);
	return kept;
}
