/**
 * Which paths an undo of a turn touches while the agent runs, and which it leaves. Pure.
 *
 * Only files of people and agents: the agent's own state belongs together with its databases, which
 * cannot be replaced under it. And no file is deleted without which the agent refuses to work.
 */
import type { LeftPath, TurnChanges } from "../history/turn-changes.ts";
import type { PathDifference } from "../log/diff-trees.ts";
import type { Path, Tree } from "../log/types.ts";
import { parentOf, rootNameOf, rootPath } from "../path.ts";
import type { Profile } from "../workspace/profile.ts";

type Rules = Pick<Profile, "secret" | "workplaceOf" | "isNeeded">;

/** Its files name each other: some of them alone make a repository that Git cannot read. */
const IN_REPOSITORY = /(?:^|\/)\.git(?:\/|$)/;

export interface TurnUndo {
	/** To bring to the state before the turn. */
	readonly paths: ReadonlySet<Path>;
	/** Missing on the disk, and in the newest commit: to bring back from there. */
	readonly missing: ReadonlySet<Path>;
	readonly left: readonly LeftPath[];
}

/**
 * @param now the newest commit's tree
 * @param deferred paths whose deletion is not committed yet
 */
export function planTurnUndo(
	changes: TurnChanges,
	now: Tree,
	deferred: Iterable<Path>,
	profile: Rules,
): TurnUndo {
	const { differences, isAlone } = changes;
	const isTheirs = (path: Path) => ownersPlace(path, profile) !== undefined;
	const left = new Map<Path, string>();
	// The agent's databases change with every turn.
	for (const { path, reason } of changes.left) if (isTheirs(path)) left.set(path, reason);
	const gone = [...deferred].filter(isTheirs);
	if (!isAlone)
		for (const path of gone) left.set(path, "it was deleted, and another turn ran meanwhile");
	const missing = new Set(isAlone ? gone : []);
	const paths = new Set<Path>();
	const removed = new Set<Path>();
	for (const each of differences) {
		const { path, kind } = each;
		const isRemoved = kind === "added";
		const reason = !isTheirs(path)
			? "it belongs to the agent's own state"
			: isRemoved && profile.isNeeded?.(path) === true
				? "the agent refuses to work without it"
				: IN_REPOSITORY.test(path)
					? "it is in a Git repository, which later commits may need whole"
					: undefined;
		if (reason === undefined) {
			paths.add(path);
			if (isRemoved) removed.add(path);
		} else if ((kind === "removed" ? each.before : each.after).type !== "dir")
			left.set(path, reason);
	}
	const present = new Set([...filesIn(now)].filter((path) => !removed.has(path)));
	for (const path of gone) if (!isAlone) present.delete(path);
	for (const each of differences)
		if (each.kind === "removed" && each.before.type !== "dir") present.add(each.path);
	for (const path of emptying(removed, present, profile)) {
		paths.delete(path);
		left.set(path, "its directory would be empty, and the agent refuses to work in an empty one");
	}
	for (const path of inTheWay(differences, paths, now)) {
		paths.delete(path);
		left.set(path, "something that stays is in its place");
	}
	return { paths, missing, left: [...left].map(([path, reason]) => ({ path, reason })) };
}

/**
 * Paths that cannot come back because a path that stays is a file in the place of their directory,
 * or is in a directory in the place of their file.
 */
function inTheWay(
	differences: readonly PathDifference[],
	paths: ReadonlySet<Path>,
	now: Tree,
): readonly Path[] {
	const comingBack = differences.filter(({ path, kind }) => kind !== "added" && paths.has(path));
	const stays = (path: Path) => now.has(path) && !paths.has(path);
	return comingBack
		.filter((each) => {
			const { path } = each;
			for (let at = parentOf(path); at !== ""; at = parentOf(at))
				if (stays(at) && now.get(at)?.type !== "dir") return true;
			const isFile = each.kind !== "added" && each.before.type !== "dir";
			if (!isFile || now.get(path)?.type !== "dir") return false;
			return [...now.keys()].some((at) => at.startsWith(`${path}/`) && stays(at));
		})
		.map(({ path }) => path);
}

/** What may count as content of a directory: not what `git init` makes. */
function* filesIn(tree: Tree): Generator<Path> {
	for (const [path, { type }] of tree) if (type !== "dir" && !IN_REPOSITORY.test(path)) yield path;
}

/**
 * The directory of people's and agents' own files that a path is in; undefined for the agent's own
 * state, and for such a directory itself.
 */
export function ownersPlace(path: Path, profile: Rules): Path | undefined {
	const root = rootNameOf(path);
	if (root !== undefined) return path === rootPath(root) ? undefined : rootPath(root);
	if (profile.secret(path)) return undefined;
	return profile.workplaceOf === undefined ? "" : profile.workplaceOf(path);
}

/** Those of the removed paths that are all that is left in a place that the agent works in. */
function emptying(
	removed: ReadonlySet<Path>,
	present: ReadonlySet<Path>,
	profile: Rules,
): readonly Path[] {
	const places = new Set([...present].map((path) => ownersPlace(path, profile)));
	return [...removed].filter((path) => {
		const place = ownersPlace(path, profile) as Path;
		const isNeeded = rootNameOf(place) !== undefined || profile.isNeeded?.(place) === true;
		return isNeeded && !places.has(place);
	});
}
