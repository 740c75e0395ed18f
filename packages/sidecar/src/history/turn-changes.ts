/**
 * What the last turn of one conversation changed, and nothing else did.
 *
 * A commit belongs to a turn if that turn alone ran since the commit before. A path belongs to it if
 * every commit that changed the path since the turn began is the turn's own. So a commit in which
 * another turn ran as well gives none of its paths to either of them, and a path that changed again
 * since is left to that change.
 *
 * A mass deletion is committed a minute or two later. So files that were deleted while no turn ran
 * belong to the turn as well, unless another one ran since it began.
 *
 * The turns are those that a capture of the agent's database knew. Does NOT see who writes: what a
 * person or another program changes while the turn runs counts as the turn's.
 */
import { SidecarError } from "../errors.ts";
import { diffTrees, isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import { isSameTurn, type Turn, turnsIn } from "../log/turns.ts";
import type { Entry, Path } from "../log/types.ts";
import type { CommitChanges, MissingCommits } from "./commit-changes.ts";
import { renamesIn } from "./path-history.ts";

export interface LeftPath {
	readonly path: Path;
	/** One clause. */
	readonly reason: string;
}

export interface TurnChanges {
	readonly turn: Turn;
	/** The commit before the turn's first one; undefined if no commit is the turn's alone. */
	readonly before: number | undefined;
	/** From that commit to the newest one, ordered by the bytes of the paths. */
	readonly differences: readonly PathDifference[];
	/** What the turn changed as well, or may have changed. */
	readonly left: readonly LeftPath[];
	/** No other turn ran since this one began. */
	readonly isAlone: boolean;
}

/** Commits to look at for the last turn of a conversation, back to its beginning. Reading them takes 2 s from S3. */
export const MAX_COMMITS = 1_000;

/** A file's time comes from a clock that advances in steps, of up to 10 ms. */
const CLOCK_STEP_MS = 20;

const SHARED = "another turn ran at the same time";
const CHANGED_SINCE = "it changed again since";
const OLDER = "it was written before the turn began";
const DATABASE = "it is a database, which the agent may have open";

/**
 * @param commits newest first, without a gap in the newest ones; read only as far as needed
 * @returns undefined if no turn of the conversation began in the last 1,000 commits
 * @throws SidecarError COMMIT_EXPIRED if the state before the turn is gone
 */
export async function changesOfTurn(
	commits: AsyncIterable<CommitChanges | MissingCommits>,
	session: string,
): Promise<TurnChanges | undefined> {
	let found: TurnSearch | undefined;
	const since = new Map<Path, string>();
	const others: Turn[] = [];
	let count = 0;
	for await (const item of commits) {
		if (item.type === "missing") continue;
		// A part of the turn's commits does not tell what others changed before.
		if (++count > MAX_COMMITS) return undefined;
		if (found === undefined) {
			const turn = newestTurn(item, session);
			if (turn !== undefined) found = new TurnSearch(turn, since, others);
		}
		if (found === undefined) {
			for (const each of item.differences)
				if (!isTouchedDirectory(each)) since.set(each.path, CHANGED_SINCE);
			others.push(...(item.turns ?? []));
		} else if (!found.take(item)) break;
	}
	return found?.result();
}

function newestTurn({ info }: CommitChanges, session: string): Turn | undefined {
	return turnsIn(info.annotations)
		.filter((turn) => turn.session === session)
		.sort((a, b) => b.startedMs - a.startedMs)[0];
}

class TurnSearch {
	readonly #turn: Turn;
	/** Why paths do not belong to the turn. */
	readonly #foreign: Map<Path, string>;
	/** The same, for commits that may be older than the turn. */
	#perhaps: CommitChanges[] = [];
	/** Before the turn's first change of a path, and after its last. */
	readonly #before = new Map<Path, Entry>();
	readonly #after = new Map<Path, Entry>();
	readonly #paths = new Set<Path>();
	/** Paths of commits in which the turn did not run alone. */
	readonly #shared = new Set<Path>();
	/** What was deleted while no turn ran, after the turn. */
	readonly #late = new Map<Path, Entry>();
	/** Other turns of this and of newer commits. */
	readonly #others: Turn[];
	#first: CommitChanges | undefined;

	constructor(turn: Turn, foreign: Map<Path, string>, others: Turn[]) {
		this.#turn = turn;
		this.#foreign = foreign;
		this.#others = others;
	}

	/** @param item the next older commit @returns false if it is older than the turn */
	take(item: CommitChanges): boolean {
		const { info, turns = [] } = item;
		const named = turnsIn(info.annotations);
		const isNamed = named.some((each) => isSameTurn(each, this.#turn));
		if (!isNamed && info.wallTimeMs < this.#turn.startedMs) return false;
		const isRunning = turns.some((each) => isSameTurn(each, this.#turn));
		const others = [
			...turns.filter((each) => !isSameTurn(each, this.#turn)),
			// A later capture knew it, and it began before this commit was made.
			...this.#others.filter(
				(each) =>
					each.startedMs <= info.wallTimeMs && !named.some((then) => isSameTurn(then, each)),
			),
		];
		if (!isNamed) {
			this.#perhaps.push(item);
			return true;
		}
		for (const each of this.#perhaps) this.#foreignCommit(each, CHANGED_SINCE);
		this.#perhaps = [];
		if (isRunning && others.length === 0 && item.isPutBack !== true) this.#own(item);
		else this.#foreignCommit(item, isRunning && others.length > 0 ? SHARED : CHANGED_SINCE);
		return true;
	}

	#foreignCommit(item: CommitChanges, reason: string): void {
		const { turns = [], isPutBack = false, differences } = item;
		this.#others.push(...turns.filter((each) => !isSameTurn(each, this.#turn)));
		const isQuiet = turns.length === 0 && !isPutBack;
		for (const each of differences) {
			const { path } = each;
			if (isTouchedDirectory(each) || this.#foreign.has(path)) continue;
			if (reason === SHARED) this.#shared.add(path);
			if (isQuiet && each.kind === "removed" && !this.#paths.has(path))
				this.#late.set(path, each.before);
			else this.#foreign.set(path, reason);
		}
	}

	#own(item: CommitChanges): void {
		this.#first = item;
		for (const each of item.differences) {
			if (isTouchedDirectory(each)) continue;
			const { path } = each;
			const isLast = !this.#paths.has(path) && !this.#late.has(path);
			if (isLast && each.kind !== "removed") this.#after.set(path, each.after);
			this.#paths.add(path);
			if (each.kind === "added") this.#before.delete(path);
			else this.#before.set(path, each.before);
		}
	}

	/** @throws SidecarError COMMIT_EXPIRED */
	result(): TurnChanges {
		const first = this.#first;
		if (first !== undefined && first.previousSeq !== first.info.seq - 1)
			throw new SidecarError("COMMIT_EXPIRED", {
				value: String(first.info.seq - 1),
				reason: "it is the state before the turn, and retention deleted it",
			});
		const isAlone = this.#others.length === 0;
		for (const [path, entry] of this.#late)
			if (!isAlone) this.#foreign.set(path, CHANGED_SINCE);
			else if (!this.#paths.has(path)) this.#before.set(path, entry);
		const all = diffTrees(this.#before, this.#after);
		const left = new Map<Path, string>();
		for (const path of this.#shared) left.set(path, this.#foreign.get(path) ?? SHARED);
		const without = (
			some: readonly PathDifference[],
			why: (each: PathDifference) => string | undefined,
		) =>
			some.filter((each) => {
				const reason = why(each);
				if (reason !== undefined) left.set(each.path, reason);
				return reason === undefined;
			});
		const own = without(all, (each) =>
			isDatabase(each) ? DATABASE : this.#foreign.get(each.path),
		);
		// A file that the turn moved keeps its time.
		const moved = renamesIn(own);
		const differences = without(own, (each) =>
			this.#isOlder(each) && !moved.has(each.path) ? OLDER : undefined,
		);
		return {
			turn: this.#turn,
			before: first?.previousSeq,
			differences,
			left: [...left].map(([path, reason]) => ({ path, reason })),
			isAlone,
		};
	}

	/** A file that was captured late, or that keeps the time of its origin: nobody can tell. */
	#isOlder(each: PathDifference): boolean {
		if (each.kind === "removed" || each.after.type === "dir") return false;
		const { mtimeNs } = each.after;
		// A file system may keep whole seconds only.
		const unitMs = mtimeNs % 1_000_000_000n === 0n ? 1_000 : 1;
		const startMs = this.#turn.startedMs - CLOCK_STEP_MS;
		return Number(mtimeNs / 1_000_000n) < Math.floor(startMs / unitMs) * unitMs;
	}
}

function isDatabase(each: PathDifference): boolean {
	const entries = [
		...(each.kind === "added" ? [] : [each.before]),
		...(each.kind === "removed" ? [] : [each.after]),
	];
	return entries.some((entry) => entry.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS);
}
