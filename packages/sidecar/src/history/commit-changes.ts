/**
 * What each commit changed, newest first, with every path before and after.
 *
 * A DELTA names the paths it changes, but not what was there before, and a FULL commit names every
 * path. So the log is read in chains: a FULL commit and all that is folded onto it. Each chain is
 * folded forward, as a restore folds it, and reported backward. A FULL commit is compared with the
 * last tree of the chain before it.
 *
 * Cost: each commit is read once, with one GET of 16 KiB (a second one if its manifest is larger,
 * as that of a FULL commit of some hundred files is), 32 at once. Memory: two trees, and the
 * manifests of three chains of 64 commits, however long the log is.
 *
 * Commits that retention deleted, and those that cannot be read, are reported as missing. The next
 * newer commit is then compared with the next older state that can be read.
 */
import PQueue from "p-queue";
import { type ListedCommit, listCommits } from "../commit/list-commits.ts";
import { fetchCommit } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import type { DecodedCommit } from "../log/commit-codec.ts";
import { diffTrees, type PathDifference } from "../log/diff-trees.ts";
import {
	EMPTY_HEAD,
	foldOnto,
	type Head,
	type OwnedHead,
	ownedHead,
	segmentStart,
} from "../log/fold.ts";
import type { CommitInfo, Entry, Path, Tree } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { type AboutTurns, aboutTurns, newestStatuses } from "./about-turns.ts";

/** Inline blocks are not needed here; the manifests of most commits are smaller than this. */
const FIRST_GET_BYTES = 16 * 1024;
const PARALLEL_GETS = 32;
/** Chains that are read before they are needed. */
const CHAINS_AHEAD = 2;

export interface CommitChanges extends AboutTurns {
	readonly type: "commit";
	/** Its own description: writer, flags, kind. */
	readonly info: CommitInfo;
	/** 64 hex digits. */
	readonly id: string;
	/** When the store received it, by the store's clock, ms since the epoch. */
	readonly timeMs: number;
	readonly objectBytes: number;
	/**
	 * The commit that it is compared with: the one before it, or an older one if those between are
	 * missing. 0 is the empty workspace. Undefined if no older state is left: `differences` then
	 * names every path of the tree as added.
	 */
	readonly previousSeq: number | undefined;
	/** Ordered by the bytes of the paths. Empty if only places in the store changed. */
	readonly differences: readonly PathDifference[];
	/** Entries of the tree after it, the workspace itself included. */
	readonly entries: number;
}

/** Commits of which nothing can be said. */
export interface MissingCommits {
	readonly type: "missing";
	/** The oldest and the newest of them. */
	readonly from: number;
	readonly to: number;
	/** Why the first of them cannot be read; undefined if retention deleted them. */
	readonly error: SidecarError | undefined;
}

export interface CommitChangesOptions {
	/** The newest commit to report; default: the log's newest. */
	readonly from?: number | undefined;
	/** Report only commits after this one; default: all. */
	readonly after?: number | undefined;
	/** Report only commits that the store received at this time or later, ms since the epoch. */
	readonly sinceMs?: number | undefined;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Every commit of the log, newest first. Reads on only as far as the caller does.
 * @throws SidecarError STORE_*
 */
export async function* commitChanges(
	store: ObjectStore,
	options: CommitChangesOptions = {},
): AsyncGenerator<CommitChanges | MissingCommits> {
	const { after = 0, sinceMs = Number.NEGATIVE_INFINITY } = options;
	const withStatuses = newestStatuses();
	for await (const item of everyCommit(store, options)) {
		const isTooOld =
			item.type === "missing" ? item.to <= after : item.info.seq <= after || item.timeMs < sinceMs;
		if (isTooOld) return;
		yield item.type === "missing" ? item : withStatuses(item);
	}
}

async function* everyCommit(
	store: ObjectStore,
	{ from, signal }: CommitChangesOptions,
): AsyncGenerator<CommitChanges | MissingCommits> {
	/** The oldest commit of the newer chain, until there is a state to compare it with. */
	let oldest: FirstOfChain | undefined;
	/** Commits below `oldest` that are reported after it. */
	let missing: MissingCommits[] = [];
	/** The oldest commit that was seen, or is known to be missing. */
	let seen: number | undefined;
	const skipTo = (seq: number) => {
		if (seen !== undefined && seq + 1 < seen)
			missing.push({ type: "missing", from: seq + 1, to: seen - 1, error: undefined });
	};
	for await (const chain of readChains(store, from, signal)) {
		const { first, later, tree, annotations, broken } = foldChain(chain);
		seen ??= (chain.at(-1)?.listed.seq ?? 0) + 1;
		if (broken !== undefined) {
			skipTo(broken.to);
			missing.push(broken);
			seen = broken.from;
		}
		if (first === undefined) continue;
		const newest = later.at(-1)?.info.seq ?? first.seq;
		skipTo(newest);
		if (oldest !== undefined) yield oldest.since(newest, { tree, annotations });
		yield* missing;
		yield* later.reverse();
		missing = [];
		oldest = first;
		seen = first.seq;
	}
	if (oldest !== undefined) yield oldest.since(oldest.seq === 1 ? 0 : undefined, EMPTY_HEAD);
	skipTo(0);
	yield* missing;
}

/** One commit as the store lists it, and its manifest, unless it cannot be read. */
interface ReadCommit {
	readonly listed: ListedCommit;
	readonly commit: DecodedCommit | undefined;
	readonly error: SidecarError | undefined;
}

interface FirstOfChain {
	readonly seq: number;
	since(previousSeq: number | undefined, previous: State): CommitChanges;
}

/** What a commit is compared with. */
type State = Pick<Head, "tree" | "annotations">;

interface FoldedChain {
	/** Undefined if no state of the chain can be read. */
	readonly first: FirstOfChain | undefined;
	/** The other commits that can be read, oldest first. */
	readonly later: CommitChanges[];
	/** As of the newest of them. */
	readonly tree: Tree;
	readonly annotations: Head["annotations"];
	/** Commits that follow one that cannot be read. */
	readonly broken: MissingCommits | undefined;
}

/** @param chain oldest first, without gaps */
function foldChain(chain: readonly ReadCommit[]): FoldedChain {
	const later: CommitChanges[] = [];
	let head: OwnedHead = ownedHead(EMPTY_HEAD);
	let first: FirstOfChain | undefined;
	for (const [index, { listed, commit, error }] of chain.entries()) {
		const broken = (why: SidecarError | undefined): MissingCommits => {
			const to = chain.at(-1)?.listed.seq ?? listed.seq;
			return { type: "missing", from: listed.seq, to, error: why };
		};
		if (commit === undefined) return { first, later, ...stateOf(head), broken: broken(error) };
		// What a commit is folded onto may be gone while its object stays, because content is in it.
		if (first === undefined && !isFirst(commit)) continue;
		const touched = [...commit.removed, ...commit.changed.keys()];
		const isFull = commit.info.kind === "full";
		const { annotations } = head;
		const before = isFull ? head.tree : only(touched, head.tree);
		try {
			head = foldOnto(head, [commit]);
		} catch (thrown) {
			if (!isDamage(thrown)) throw thrown;
			// The tree is half changed: fold again up to here.
			return { ...foldChain(chain.slice(0, index)), broken: broken(thrown) };
		}
		if (first === undefined) {
			const tree = new Map(head.tree);
			first = {
				seq: listed.seq,
				since: (previousSeq, previous) =>
					describe(listed, commit, previousSeq, previous, tree, tree.size),
			};
		} else {
			const after = isFull ? head.tree : only(touched, head.tree);
			const previous = { tree: before, annotations };
			later.push(describe(listed, commit, listed.seq - 1, previous, after, head.tree.size));
		}
	}
	return { first, later, ...stateOf(head), broken: undefined };
}

const stateOf = ({ tree, annotations }: State): State => ({ tree, annotations });

function describe(
	{ lastModifiedMs, objectBytes }: ListedCommit,
	{ info, id }: DecodedCommit,
	previousSeq: number | undefined,
	before: State,
	after: Tree,
	entries: number,
): CommitChanges {
	const known = previousSeq === undefined ? undefined : before.annotations;
	return {
		type: "commit",
		...{ info, id, timeMs: lastModifiedMs, objectBytes, previousSeq, entries },
		differences: diffTrees(before.tree, after),
		...aboutTurns(info, known),
	};
}

function only(paths: readonly Path[], tree: Tree): Map<Path, Entry> {
	const found = new Map<Path, Entry>();
	for (const path of paths) {
		const entry = tree.get(path);
		if (entry !== undefined) found.set(path, entry);
	}
	return found;
}

/** Needs no commit before it to be read. */
function isFirst({ info }: DecodedCommit): boolean {
	return info.kind === "full" || info.seq === 1;
}

/** Runs of commits without gaps, newest run first, each oldest first and down to its FULL commit. */
async function* readChains(
	store: ObjectStore,
	from: number | undefined,
	signal: AbortSignal | undefined,
): AsyncGenerator<readonly ReadCommit[]> {
	let chain: readonly ReadCommit[] = [];
	for await (const part of readSegments(store, from, signal)) {
		if (chain.length > 0 && (part.at(-1)?.listed.seq ?? 0) + 1 !== chain[0]?.listed.seq) {
			yield chain;
			chain = [];
		}
		chain = [...part, ...chain];
		const oldest = chain[0]?.commit;
		// A writer in a hurry leaves the FULL commit out; the chain goes on in the next segment.
		if (oldest !== undefined && !isFirst(oldest)) continue;
		yield chain;
		chain = [];
	}
	if (chain.length > 0) yield chain;
}

/** Reads ahead, but not before the caller wants a second part. */
async function* readSegments(
	store: ObjectStore,
	from: number | undefined,
	signal: AbortSignal | undefined,
): AsyncGenerator<readonly ReadCommit[]> {
	const stop = new AbortController();
	const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
	const queue = new PQueue({ concurrency: PARALLEL_GETS });
	const ahead: Promise<ReadCommit[]>[] = [];
	let taken = 0;
	try {
		for await (const segment of listSegments(store, from, either)) {
			const reads = segment
				.reverse()
				.map((listed) => queue.add(() => readCommit(store, listed, either)));
			const part = Promise.all(reads);
			// It is awaited later, or never if the caller stops before.
			part.catch(() => {});
			ahead.push(part);
			if (ahead.length <= Math.min(taken, CHAINS_AHEAD)) continue;
			taken++;
			yield await (ahead.shift() as Promise<ReadCommit[]>);
		}
		for (const part of ahead) yield await part;
	} finally {
		stop.abort();
		await Promise.allSettled(ahead);
	}
}

/** Commits of one segment that follow each other, newest first. */
async function* listSegments(
	store: ObjectStore,
	from: number | undefined,
	signal: AbortSignal,
): AsyncGenerator<ListedCommit[]> {
	let segment: ListedCommit[] = [];
	for await (const listed of listCommits(store, { from, signal })) {
		const newer = segment.at(-1)?.seq;
		const follows =
			newer !== undefined &&
			listed.seq === newer - 1 &&
			segmentStart(listed.seq) === segmentStart(newer);
		if (newer !== undefined && !follows) {
			yield segment;
			segment = [];
		}
		segment.push(listed);
	}
	if (segment.length > 0) yield segment;
}

async function readCommit(
	store: ObjectStore,
	listed: ListedCommit,
	signal: AbortSignal,
): Promise<ReadCommit> {
	signal.throwIfAborted();
	try {
		const { commit } = await fetchCommit(store, listed.seq, signal, FIRST_GET_BYTES);
		return { listed, commit, error: undefined };
	} catch (error) {
		if (!isDamage(error)) throw error;
		// Retention may have deleted it since the listing.
		const isGone = error.code === "OBJECT_NOT_FOUND";
		return { listed, commit: undefined, error: isGone ? undefined : error };
	}
}

function isDamage(error: unknown): error is SidecarError {
	return error instanceof SidecarError && error.category === "damaged";
}
