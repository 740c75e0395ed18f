/**
 * When the paths that a caller selects changed, newest first. Follows a file to its former name: a
 * file that a commit removed, and one with the same bytes that the same commit added, are one file
 * that was renamed. Empty files are never matched, and neither is a file that one commit removed
 * and a later one added.
 *
 * Cost and limits are those of `commitChanges`.
 */
import { isSameContent, isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import type { CommitFlags, Entry, FileEntry, Path } from "../log/types.ts";
import { baseOf } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { AboutTurns } from "./about-turns.ts";
import {
	type CommitChanges,
	type CommitChangesOptions,
	commitChanges,
	type MissingCommits,
} from "./commit-changes.ts";
import { hostOf } from "./history.ts";

/**
 * - `created`: it was not there before. `deleted`: it is not there after.
 * - `changed`: its bytes, its target or its type.
 * - `metadata`: only its mode or its time.
 * - `renamed`: from `from`, with the same bytes.
 * - `there`: the oldest state that is left has it; nothing is known of the time before.
 */
export type PathChangeKind = "created" | "changed" | "metadata" | "deleted" | "renamed" | "there";

export interface PathChange extends AboutTurns {
	readonly type: "change";
	readonly kind: PathChangeKind;
	readonly path: Path;
	/** The former path; only of `renamed`. */
	readonly from?: Path | undefined;
	/** The first commit with the new state. */
	readonly seq: number;
	/**
	 * The last commit with the old state; undefined if none is left. More than one less than `seq` if
	 * retention deleted the commits between: the path may have changed several times in them.
	 */
	readonly previousSeq: number | undefined;
	/** When the store received commit `seq`, by the store's clock, ms since the epoch. */
	readonly timeMs: number;
	/** 32 hex digits; a new one for each start of the sidecar. */
	readonly writer: string;
	/** The name of the writer's machine; missing if the commit does not tell. */
	readonly host?: string | undefined;
	readonly flags: CommitFlags;
	/** Undefined if it was not there. */
	readonly before: Entry | undefined;
	/** Undefined if it is not there any more. */
	readonly after: Entry | undefined;
}

/**
 * @param selects called for each path that a commit changes, and for former names
 * @throws SidecarError STORE_*
 */
export async function* pathHistory(
	store: ObjectStore,
	selects: (path: Path) => boolean,
	options: CommitChangesOptions = {},
): AsyncGenerator<PathChange | MissingCommits> {
	/** Former names of selected files. Each ends with the commit that created it. */
	const followed = new Set<Path>();
	for await (const item of commitChanges(store, options)) {
		if (item.type === "missing") {
			yield item;
			continue;
		}
		const { differences } = item;
		const wanted = (path: Path) => followed.has(path) || selects(path);
		if (!differences.some(({ path }) => wanted(path))) continue;
		const renames = item.previousSeq === undefined ? NO_RENAMES : renamesIn(differences);
		const formerly = new Set(renames.values());
		const byPath = new Map(differences.map((each) => [each.path, each]));
		const changes: PathChange[] = [];
		const [gained, lost]: [Path[], Path[]] = [[], []];
		for (const difference of differences) {
			const { path, kind } = difference;
			// It is told with its new name.
			if (kind === "removed" && formerly.has(path)) continue;
			const old = renames.get(path);
			if (!wanted(path) && !(old !== undefined && wanted(old))) continue;
			const change = changeOf(item, difference, old, byPath);
			if (change === undefined) continue;
			changes.push(change);
			if (old !== undefined) gained.push(old);
			if (kind === "added") lost.push(path);
		}
		for (const path of lost) followed.delete(path);
		for (const path of gained) followed.add(path);
		yield* changes;
	}
}

const NO_RENAMES: ReadonlyMap<Path, Path> = new Map();

/** Undefined for a directory in which only names changed. */
function changeOf(
	{ info, timeMs, previousSeq, turns, isPutBack }: CommitChanges,
	difference: PathDifference,
	from: Path | undefined,
	all: ReadonlyMap<Path, PathDifference>,
): PathChange | undefined {
	const kind = kindOf(difference, from, previousSeq);
	if (kind === undefined) return undefined;
	const { path } = difference;
	const { seq, writer, flags } = info;
	const former = from === undefined ? difference : all.get(from);
	return {
		type: "change",
		...{ kind, path, from, seq, previousSeq, timeMs, writer, flags, host: hostOf(info) },
		...(turns && { turns }),
		...(isPutBack && { isPutBack }),
		before: former !== undefined && former.kind !== "added" ? former.before : undefined,
		after: difference.kind === "removed" ? undefined : difference.after,
	};
}

function kindOf(
	difference: PathDifference,
	from: Path | undefined,
	previousSeq: number | undefined,
): PathChangeKind | undefined {
	if (previousSeq === undefined) return "there";
	if (from !== undefined) return "renamed";
	if (difference.kind === "added") return "created";
	if (difference.kind === "removed") return "deleted";
	if (isTouchedDirectory(difference)) return undefined;
	const { aspects } = difference;
	return aspects.includes("content") || aspects.includes("type") ? "changed" : "metadata";
}

/**
 * Which added file is which removed one, by content. Of several with the same bytes, one with the
 * same name comes first.
 * @returns former paths by new paths; each former path once
 */
export function renamesIn(differences: readonly PathDifference[]): ReadonlyMap<Path, Path> {
	const removed = new Map<string, { path: Path; entry: FileEntry }[]>();
	for (const each of differences) {
		if (each.kind !== "removed" || !hasContent(each.before)) continue;
		const key = keyOf(each.before);
		const same = removed.get(key);
		const found = { path: each.path, entry: each.before };
		if (same === undefined) removed.set(key, [found]);
		else same.push(found);
	}
	if (removed.size === 0) return NO_RENAMES;
	const added = differences.flatMap((each) =>
		each.kind === "added" && hasContent(each.after) ? [{ path: each.path, entry: each.after }] : [],
	);
	const renames = new Map<Path, Path>();
	for (const isSameName of [true, false])
		for (const { path, entry } of added) {
			if (renames.has(path)) continue;
			const same = removed.get(keyOf(entry)) ?? [];
			const index = same.findIndex(
				(former) =>
					(!isSameName || baseOf(former.path) === baseOf(path)) &&
					isSameContent(former.entry, entry),
			);
			const [former] = index < 0 ? [] : same.splice(index, 1);
			if (former !== undefined) renames.set(path, former.path);
		}
	return renames;
}

function hasContent(entry: Entry): entry is FileEntry {
	return entry.type === "file" && entry.size > 0;
}

function keyOf({ size, chunks }: FileEntry): string {
	return `${size} ${chunks[0]?.sha256}`;
}

/** A path, and where it last was. */
export interface FoundPath {
	readonly path: Path;
	/** As of commit `seq`. */
	readonly entry: Entry;
	/** The last commit that has it. */
	readonly seq: number;
	/** The first commit without it; undefined if the newest has it. */
	readonly deletedIn: { readonly seq: number; readonly timeMs: number } | undefined;
	/** The new path, if commit `deletedIn` renamed it. */
	readonly renamedTo: Path | undefined;
}

/**
 * Paths that the log had once and that the newest commit has not, the last deleted first. A path
 * that was renamed counts as deleted, with its new path.
 * @param isThere whether the newest commit has a path
 * @throws SidecarError STORE_*
 */
export async function* findDeleted(
	store: ObjectStore,
	selects: (path: Path) => boolean,
	isThere: (path: Path) => boolean,
	options: CommitChangesOptions = {},
): AsyncGenerator<FoundPath | MissingCommits> {
	const found = new Set<Path>();
	for await (const item of commitChanges(store, options)) {
		if (item.type === "missing") {
			yield item;
			continue;
		}
		const { info, previousSeq, timeMs, differences } = item;
		if (previousSeq === undefined) continue;
		const gone = differences.filter(
			({ path, kind }) => kind === "removed" && !found.has(path) && !isThere(path) && selects(path),
		);
		const renames = gone.length === 0 ? NO_RENAMES : renamesIn(differences);
		const renamed = new Map([...renames].map(([to, path]) => [path, to]));
		for (const each of gone) {
			if (each.kind !== "removed") continue;
			const { path, before: entry } = each;
			found.add(path);
			const deletedIn = { seq: info.seq, timeMs };
			yield { path, entry, seq: previousSeq, deletedIn, renamedTo: renamed.get(path) };
		}
	}
}
