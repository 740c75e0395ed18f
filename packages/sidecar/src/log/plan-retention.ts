import { SEGMENT_COMMITS } from "./limits.ts";
import type { ObjectKey } from "./types.ts";

/**
 * Plans what of a log to keep and what to delete. Pure: the caller provides the store's listings
 * and its clock.
 *
 * A commit is the state of the workspace from when the store received it until it received the next
 * one. It is retained if it was the newest at any moment that the policy keeps: the last
 * `keepAllMs`, and each midnight (UTC) of the last `keepDailyMs`. So state that an idle user had
 * for a month, and changed yesterday, is kept as long as what was written yesterday. The newest is
 * always retained, and so is a commit that a tag names.
 *
 * More than the retained commits is kept: the commits that a retained one is folded onto, and every
 * object that a kept commit names.
 */
export interface RetentionPolicy {
	/** Every state of the workspace within this long can be restored, ms. */
	readonly keepAllMs: number;
	/** Beyond that, the state at each midnight (UTC) within this long, ms. */
	readonly keepDailyMs: number;
}

export const DAY_MS = 86_400_000;

export const DEFAULT_RETENTION: RetentionPolicy = {
	keepAllMs: 7 * DAY_MS,
	keepDailyMs: 30 * DAY_MS,
};

/**
 * Nothing younger is ever deleted, whatever the policy, and no pack before the newest commit is
 * this much younger. A writer checks for a deleted slot after an hour without contact, and refers
 * to what it stored within the last hour: a day leaves room for any clock.
 */
export const MIN_AGE_MS = DAY_MS;

export interface StoredObject {
	readonly key: ObjectKey;
	readonly sizeBytes: number;
	/** When the store received it, by its clock, ms since the epoch. */
	readonly timeMs: number;
}

export interface StoredCommit extends StoredObject {
	readonly seq: number;
}

/**
 * @param commits newest first
 * @param nowMs the store's clock
 * @param tagged seqs that tags name
 * @returns seqs, newest first
 */
export function retainedSeqs(
	commits: readonly Pick<StoredCommit, "seq" | "timeMs">[],
	policy: RetentionPolicy,
	nowMs: number,
	tagged: ReadonlySet<number> = new Set(),
): readonly number[] {
	const [head, ...older] = commits;
	if (head === undefined) return [];
	// Whatever its age: an idle user's data is not garbage.
	const retained = [head.seq];
	let replacedMs = head.timeMs;
	for (const { seq, timeMs } of older) {
		// A commit stored later than the next one fills a slot that retention deleted: nobody ever had
		// its state.
		const fromMs = Math.min(timeMs, replacedMs);
		const isRecent = replacedMs > nowMs - policy.keepAllMs;
		const hasDay = hadMidnight(fromMs, replacedMs, nowMs - policy.keepDailyMs);
		if (isRecent || hasDay || tagged.has(seq)) retained.push(seq);
		replacedMs = fromMs;
	}
	return retained;
}

/** Whether there is a midnight in `[fromMs, untilMs)` that is not before `sinceMs`. */
function hadMidnight(fromMs: number, untilMs: number, sinceMs: number): boolean {
	return Math.ceil(Math.max(fromMs, sinceMs) / DAY_MS) * DAY_MS < untilMs;
}

export interface SweepInput {
	/** The whole log, newest first. */
	readonly commits: readonly StoredCommit[];
	readonly packs: readonly StoredObject[];
	/** Retained commits and what they are folded onto. */
	readonly keptSeqs: ReadonlySet<number>;
	/** Every object that a kept commit names. */
	readonly named: ReadonlySet<ObjectKey>;
	/**
	 * Nothing stored up to then is deleted: a retained commit of that time is unreadable, and what it
	 * needs is unknown.
	 */
	readonly pinnedUntilMs: number;
	/** Packs that an earlier run, at least a day ago, found unnamed. */
	readonly condemned: ReadonlySet<ObjectKey>;
	/** Packs that an earlier run found unnamed, at any time. */
	readonly listed: ReadonlySet<ObjectKey>;
	readonly nowMs: number;
}

export interface SweepPlan {
	/**
	 * To delete in one wave after the other: the newest first, and a FULL commit after the commits
	 * that are folded onto it.
	 */
	readonly commitWaves: readonly (readonly StoredCommit[])[];
	/** To delete. */
	readonly packs: readonly StoredObject[];
	/** Permanently unnamed, found for the first time: a run at least a day from now deletes them. */
	readonly toCondemn: readonly StoredObject[];
	/** Unnamed, and condemned less than a day ago. */
	readonly waiting: readonly StoredObject[];
}

export function planSweep(input: SweepInput): SweepPlan {
	const { keptSeqs, named, pinnedUntilMs, condemned, listed, nowMs } = input;
	const mayGo = ({ key, timeMs }: StoredObject) =>
		!named.has(key) && timeMs > pinnedUntilMs && timeMs <= nowMs - MIN_AGE_MS;
	// A commit that names a pack extends a head that is at most an hour younger than the pack. Once
	// there is a later commit, no such commit can come any more, however long its writer slept.
	const headMs = input.commits[0]?.timeMs ?? 0;
	const unnamed = input.packs.filter((pack) => mayGo(pack) && pack.timeMs <= headMs - MIN_AGE_MS);
	return {
		commitWaves: wavesOf(
			input.commits.filter((commit) => !keptSeqs.has(commit.seq) && mayGo(commit)),
		),
		packs: unnamed.filter(({ key }) => condemned.has(key)),
		toCondemn: unnamed.filter(({ key }) => !listed.has(key)),
		waiting: unnamed.filter(({ key }) => listed.has(key) && !condemned.has(key)),
	};
}

/** @param commits newest first */
function wavesOf(commits: readonly StoredCommit[]): StoredCommit[][] {
	const waves: StoredCommit[][] = [];
	let before: number | undefined;
	for (const commit of commits) {
		// A FULL commit is at a multiple. It is deleted alone, after its segment and before the next
		// older one.
		const wave =
			commit.seq % SEGMENT_COMMITS === 0
				? commit.seq
				: Math.floor(commit.seq / SEGMENT_COMMITS) + 0.5;
		if (wave !== before) waves.push([]);
		waves.at(-1)?.push(commit);
		before = wave;
	}
	return waves;
}
