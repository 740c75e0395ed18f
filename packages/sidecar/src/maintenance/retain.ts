/**
 * Deletes what no retained commit needs. Mark and sweep, object by object; `log/plan-retention.ts`
 * defines what is retained.
 *
 * Order: list the log and the tags, mark from the retained commits, list the packs; record which
 * commits will be deleted, and look for new tags, which start the run again (`tag.ts`); delete
 * expired commits, the newest first; record which packs nothing names (`sweeps/{sha256}`); delete those of them that an
 * earlier run, at least a day ago, had recorded too.
 *
 * Guarantees: the newest commit and all it names stay, whatever their age. A commit that lands
 * meanwhile, or days later from a machine that slept, needs nothing that is deleted: it refers to
 * what the newest one named, or to what was put at most an hour before that one. A reader of a
 * commit that expires has a day to read its packs. If killed anywhere, or run twice at once, it
 * only leaves work for the next run. If a retained commit is unreadable, nothing stored before it
 * is deleted. Only the store's clock counts.
 *
 * Does NOT touch keys it does not know, and nothing in a log without commits.
 */

import { putPack } from "../commit/commit-once.ts";
import { type Environment, thisEnvironment } from "../commit/environment.ts";
import { inParallel } from "../commit/in-parallel.ts";
import { listObjects } from "../commit/list-objects.ts";
import { SidecarError } from "../errors.ts";
import { type MarkProblem, markRetained } from "../history/reachable.ts";
import { decodeCondemned, encodeCondemned, encodeDigests } from "../log/condemned.ts";
import {
	LOG_PREFIX,
	PACK_PREFIX,
	SWEEP_PREFIX,
	seqOfKey,
	sha256OfPackKey,
	sha256OfSweepKey,
	TAG_PREFIX,
} from "../log/keys.ts";
import {
	DAY_MS,
	DEFAULT_RETENTION,
	MIN_AGE_MS,
	planSweep,
	type RetentionPolicy,
	retainedSeqs,
	type StoredCommit,
	type StoredObject,
	type SweepPlan,
} from "../log/plan-retention.ts";
import { commitDigest, taggedSeqs } from "../log/tags.ts";
import type { ObjectKey } from "../log/types.ts";
import type { SweepableStore } from "../store/sweepable.ts";
import type { Logger } from "../telemetry/types.ts";

export interface RetainOptions {
	/** Default: everything of 7 days, then one a day to 30. */
	readonly policy?: RetentionPolicy;
	/** Only report what would be done. Default false. */
	readonly dryRun?: boolean;
	readonly logger: Logger;
	/** Default: this machine. */
	readonly environment?: Environment;
	readonly signal?: AbortSignal | undefined;
}

export interface ObjectSum {
	readonly count: number;
	readonly bytes: number;
}

export interface RetentionReport {
	readonly dryRun: boolean;
	/** The store's clock when the run began, ms since the epoch. */
	readonly storeTimeMs: number;
	/** 0: the log is empty, and nothing was done. */
	readonly newestSeq: number;
	/** Commits that can be restored after the run. */
	readonly kept: ObjectSum;
	/**
	 * Expired commits that stay as objects, because they hold content of a kept commit or are too
	 * young to be deleted.
	 */
	readonly remnants: ObjectSum;
	/** Expired commits that were deleted (with `dryRun`: would be), newest first. */
	readonly sweptSeqs: readonly number[];
	readonly sweptCommits: ObjectSum;
	readonly packs: {
		readonly kept: ObjectSum;
		/** Deleted objects (with `dryRun`: would be deleted). */
		readonly swept: ObjectSum;
		/** Objects that nothing names; they are deleted once that has been so for a day. */
		readonly condemned: ObjectSum;
	};
	/** The newest retained commit that is unreadable: nothing stored before it was deleted. */
	readonly problem: MarkProblem | undefined;
	/** Keys below `log/`, `packs/` and `sweeps/` that no release writes; not touched. */
	readonly unknownKeys: readonly string[];
}

const PARALLEL_DELETES = 16;

/**
 * @param store the namespace's part, with a principal that may list, get, put and delete
 * @throws SidecarError USAGE (an invalid policy), STORE_*
 */
export async function retain(
	store: SweepableStore,
	options: RetainOptions,
): Promise<RetentionReport> {
	const {
		logger,
		signal,
		dryRun = false,
		policy = DEFAULT_RETENTION,
		environment = thisEnvironment,
	} = options;
	checkPolicy(policy);
	let run = await planRun(store, policy, logger, signal);
	while (!dryRun && run.plan.commitWaves.length > 0) {
		await announce(store, run.plan, environment, signal);
		const tagged = await readTagged(store, signal);
		if ([...tagged].every((seq) => run.tagged.has(seq))) break;
		run = await planRun(store, policy, logger, signal);
	}
	const { inLog, storeTimeMs, commits, marked, packs, lists, known, plan } = run;
	if (marked.problem !== undefined) logger.error("retention.unreadable", { ...marked.problem });
	if (!dryRun) await sweep(store, plan, lists.oldKeys, environment, signal);

	const swept = plan.commitWaves.flat();
	const sweptCommits = new Set(swept);
	const sweptPacks = new Set(plan.packs.map(({ key }) => key));
	const condemned = [...plan.waiting, ...plan.toCondemn];
	const unnamed = new Set(condemned.map(({ key }) => key));
	const report: RetentionReport = {
		dryRun,
		storeTimeMs,
		newestSeq: commits[0]?.seq ?? 0,
		kept: sum(commits.filter(({ seq }) => marked.keptSeqs.has(seq))),
		remnants: sum(
			commits.filter((commit) => !marked.keptSeqs.has(commit.seq) && !sweptCommits.has(commit)),
		),
		sweptSeqs: swept.map(({ seq }) => seq),
		sweptCommits: sum(swept),
		packs: {
			kept: sum(known.filter(({ key }) => !sweptPacks.has(key) && !unnamed.has(key))),
			swept: sum(plan.packs),
			condemned: sum(condemned),
		},
		problem: marked.problem,
		unknownKeys: [
			...inLog.filter(({ key }) => seqOfKey(key) === undefined),
			...packs.filter((pack) => !known.includes(pack)),
		]
			.map(({ key }) => key)
			.concat(lists.unknown),
	};
	const { newestSeq, kept, packs: packSums } = report;
	logger.info("retention.finished", {
		...{ dryRun, newestSeq, kept, sweptCommits: report.sweptCommits },
		...{ sweptPacks: packSums.swept, condemned: packSums.condemned },
	});
	return report;
}

/** Lists, marks and plans. */
async function planRun(
	store: SweepableStore,
	policy: RetentionPolicy,
	logger: Logger,
	signal: AbortSignal | undefined,
) {
	const { objects: inLog, storeTimeMs } = await listObjects(store, LOG_PREFIX, signal);
	const commits = inLog.flatMap((object): StoredCommit[] => {
		const seq = seqOfKey(object.key);
		return seq === undefined ? [] : [{ ...object, seq }];
	});
	const tagged = await readTagged(store, signal);
	const retained = retainedSeqs(commits, policy, storeTimeMs, tagged);
	const marked = await markRetained(store, commits, retained, signal);
	const packs = (await listObjects(store, PACK_PREFIX, signal)).objects;
	const lists = await readCondemned(store, storeTimeMs, logger, signal);
	const known = packs.filter(({ key }) => sha256OfPackKey(key) !== undefined);
	const plan = planSweep({
		commits,
		packs: commits.length === 0 ? [] : known,
		...marked,
		pinnedUntilMs: pinnedUntil(commits, marked.problem),
		condemned: lists.old,
		listed: lists.all,
		nowMs: storeTimeMs,
	});
	return { inLog, storeTimeMs, commits, tagged, marked, packs, lists, known, plan };
}

async function readTagged(
	store: SweepableStore,
	signal: AbortSignal | undefined,
): Promise<ReadonlySet<number>> {
	const { objects } = await listObjects(store, TAG_PREFIX, signal);
	return taggedSeqs(objects.map(({ key }) => key));
}

/** A `tag` of one of these commits learns from now on that the commit may be gone. */
async function announce(
	store: SweepableStore,
	plan: SweepPlan,
	environment: Environment,
	signal: AbortSignal | undefined,
): Promise<void> {
	const digests = plan.commitWaves.flat().map(({ seq }) => commitDigest(seq));
	const { key, bytes } = encodeDigests(digests);
	await putPack(store, key, bytes, environment, signal);
}

/** @throws SidecarError USAGE */
function checkPolicy({ keepAllMs, keepDailyMs }: RetentionPolicy): void {
	const refuse = (value: number, reason: string) =>
		new SidecarError("USAGE", { value: `${value} ms`, reason });
	if (!(keepAllMs >= MIN_AGE_MS))
		throw refuse(keepAllMs, `all commits are kept for at least ${MIN_AGE_MS / DAY_MS} day`);
	if (!(keepDailyMs >= 0))
		throw refuse(keepDailyMs, "the time of daily commits is a number of ms from 0");
}

/**
 * Objects are stored before the commit that names them; a day covers a store whose clocks differ.
 * Without the newest commit nothing is known.
 */
function pinnedUntil(commits: readonly StoredCommit[], problem: MarkProblem | undefined): number {
	if (problem === undefined) return 0;
	if (problem.seq === commits[0]?.seq) return Number.POSITIVE_INFINITY;
	const timeMs = commits.find(({ seq }) => seq === problem.seq)?.timeMs ?? Number.POSITIVE_INFINITY;
	return timeMs + MIN_AGE_MS;
}

interface CondemnedLists {
	/** Packs on a list that is at least a day old. */
	readonly old: ReadonlySet<ObjectKey>;
	readonly oldKeys: readonly ObjectKey[];
	readonly all: ReadonlySet<ObjectKey>;
	readonly unknown: readonly string[];
}

async function readCondemned(
	store: SweepableStore,
	nowMs: number,
	logger: Logger,
	signal: AbortSignal | undefined,
): Promise<CondemnedLists> {
	const old = new Set<ObjectKey>();
	const all = new Set<ObjectKey>();
	const oldKeys: ObjectKey[] = [];
	const unknown: string[] = [];
	for (const { key, timeMs } of (await listObjects(store, SWEEP_PREFIX, signal)).objects) {
		const isOld = timeMs <= nowMs - MIN_AGE_MS;
		try {
			if (sha256OfSweepKey(key) === undefined)
				throw new SidecarError("OBJECT_CORRUPT", { value: key, reason: "no release writes it" });
			const packs = decodeCondemned(key, (await store.get(key, { signal })).body);
			for (const pack of packs) {
				all.add(pack);
				if (isOld) old.add(pack);
			}
			if (isOld) oldKeys.push(key);
		} catch (error) {
			if (!(error instanceof SidecarError)) throw error;
			// Another run has already deleted it.
			if (error.code === "OBJECT_NOT_FOUND") continue;
			if (error.code !== "OBJECT_CORRUPT") throw error;
			logger.warn("retention.unknown-key", { key, error });
			unknown.push(key);
		}
	}
	return { old, oldKeys, all, unknown };
}

async function sweep(
	store: SweepableStore,
	plan: SweepPlan,
	oldKeys: readonly ObjectKey[],
	environment: Environment,
	signal: AbortSignal | undefined,
): Promise<void> {
	for (const wave of plan.commitWaves) await deleteAll(store, wave, signal);
	// Only now: a reader of an expired commit has a day from here, if it read the commit before its
	// deletion.
	if (plan.toCondemn.length > 0) {
		const { key, bytes } = encodeCondemned(plan.toCondemn.map((pack) => pack.key));
		await putPack(store, key, bytes, environment, signal);
	}
	await deleteAll(store, plan.packs, signal);
	await deleteAll(
		store,
		oldKeys.map((key) => ({ key })),
		signal,
	);
}

async function deleteAll(
	store: SweepableStore,
	objects: readonly Pick<StoredObject, "key">[],
	signal: AbortSignal | undefined,
): Promise<void> {
	await inParallel(PARALLEL_DELETES, objects, ({ key }) => store.delete(key, { signal }));
}

function sum(objects: readonly StoredObject[]): ObjectSum {
	return {
		count: objects.length,
		bytes: objects.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
	};
}
