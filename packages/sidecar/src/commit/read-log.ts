/**
 * Reads the log: LIST for the newest key, GET the segment's commits in parallel, fold.
 *
 * Only a successful LIST proves absence. Everything else that is missing, denied or damaged is an
 * error, and the caller keeps the gate shut.
 */
import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { type DecodedCommit, decodeCommit, neededBytes } from "../log/commit-codec.ts";
import { COMMIT_HEADER_BYTES } from "../log/commit-header.ts";
import { EMPTY_HEAD, foldCommits, type Head, segmentStart } from "../log/fold.ts";
import { LOG_PREFIX, logKey, seqOfKey } from "../log/keys.ts";
import type { ObjectKey } from "../log/types.ts";
import type { ListOptions, ObjectStore } from "../store/port.ts";

/**
 * The size of the first GET of a commit. Most commits fit in it, and so does a FULL manifest of
 * 15,000 files. The restore uses the inline blocks in it, at most 16 MiB in all commits since a
 * FULL.
 */
const FIRST_GET_BYTES = 1024 * 1024;
export const PARALLEL_GETS = 32;

/** A commit and the first bytes of its object, from which it was decoded. */
export interface FetchedCommit {
	readonly commit: DecodedCommit;
	readonly start: Buffer;
	/** The store's clock. */
	readonly lastModifiedMs: number;
}

export interface LogRead {
	readonly head: Head;
	/** The newest commit; undefined if the log is empty. */
	readonly newest: FetchedCommit | undefined;
	/** The store's clock at the LIST. */
	readonly storeTimeMs: number;
	/** First bytes of each commit that was read: inline blocks in them need no second GET. */
	readonly starts: ReadonlyMap<ObjectKey, Buffer>;
}

/**
 * The newest seq by a LIST of one key; 0 for an empty log. Other keys may exist in `log/`, from a
 * workspace that was kept as plain objects and had a directory of that name. They hide no commit,
 * and cost a second LIST if they sort first.
 * @throws SidecarError STORE_*
 */
export async function newestSeq(
	store: ObjectStore,
	signal?: AbortSignal,
): Promise<{ readonly seq: number; readonly storeTimeMs: number }> {
	const first = await firstCommit(store, { limit: 1, signal });
	if (first.foreign === undefined || first.seq !== 0) return first;
	return await firstCommit(store, { startAfter: first.foreign, signal });
}

/** @returns `foreign`: the last key that was skipped */
async function firstCommit(
	store: ObjectStore,
	options: ListOptions,
): Promise<{
	readonly seq: number;
	readonly storeTimeMs: number;
	readonly foreign: ObjectKey | undefined;
}> {
	let storeTimeMs: number | undefined;
	let foreign: ObjectKey | undefined;
	// An empty page is not the end: only a listing that ended without a key says that the log is
	// empty.
	for await (const page of store.list(LOG_PREFIX, options)) {
		storeTimeMs = page.storeTimeMs;
		for (const { key } of page.objects) {
			const seq = seqOfKey(key);
			if (seq !== undefined) return { seq, storeTimeMs, foreign };
			foreign = key;
		}
	}
	if (storeTimeMs !== undefined) return { seq: 0, storeTimeMs, foreign };
	throw new SidecarError("STORE_UNREACHABLE", {
		value: store.url,
		reason: "the listing returned no page",
	});
}

/**
 * The tree as of commit `at`, by default the newest.
 * @throws SidecarError STORE_*, OBJECT_*, FORMAT_UNKNOWN, TREE_UNSAFE, LIMIT_EXCEEDED,
 * COMMIT_NOT_FOUND
 */
export async function readLog(
	store: ObjectStore,
	options: { readonly at?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<LogRead> {
	const { signal } = options;
	const { seq: newest, storeTimeMs } = await newestSeq(store, signal);
	const at = options.at ?? newest;
	if (at > newest || at < 0)
		throw new SidecarError("COMMIT_NOT_FOUND", {
			value: String(at),
			reason: `the newest commit is ${newest}`,
		});
	if (at === 0) return { head: EMPTY_HEAD, newest: undefined, storeTimeMs, starts: new Map() };

	const fetched = await fetchCommits(store, segmentStart(at), at, signal);
	const last = fetched.at(-1) as FetchedCommit;
	// A writer in a hurry omitted the FULL: its commit still names the last one.
	const first = Math.max(1, last.commit.info.fullSeq);
	if (first < segmentStart(at))
		fetched.unshift(...(await fetchCommits(store, first, segmentStart(at) - 1, signal)));
	const head = foldCommits(
		EMPTY_HEAD,
		fetched.filter(({ commit }) => commit.info.seq >= first).map(({ commit }) => commit),
	);
	return {
		head,
		newest: last,
		storeTimeMs,
		starts: new Map(fetched.map(({ commit, start }) => [commit.key, start])),
	};
}

/** Commits `from..to` in order. A gap is OBJECT_NOT_FOUND. */
export async function fetchCommits(
	store: ObjectStore,
	from: number,
	to: number,
	signal?: AbortSignal,
): Promise<FetchedCommit[]> {
	const queue = new PQueue({ concurrency: PARALLEL_GETS });
	const seqs = Array.from({ length: to - from + 1 }, (_, index) => from + index);
	return await queue.addAll(seqs.map((seq) => () => fetchCommit(store, seq, signal)));
}

/** @param firstGetBytes less if inline blocks are not needed */
export async function fetchCommit(
	store: ObjectStore,
	seq: number,
	signal?: AbortSignal,
	firstGetBytes = FIRST_GET_BYTES,
): Promise<FetchedCommit> {
	const key = logKey(seq);
	const first = await store.get(key, {
		range: { offset: 0, length: firstGetBytes },
		signal,
	});
	let start = first.body;
	const needed = neededBytes(key, start, first.totalBytes);
	if (start.length < needed) {
		const rest = await store.get(key, {
			range: { offset: start.length, length: needed - start.length },
			signal,
		});
		start = Buffer.concat([start, rest.body]);
	}
	return {
		commit: decodeCommit(key, start, first.totalBytes),
		start,
		lastModifiedMs: first.lastModifiedMs,
	};
}

/**
 * The commit in a slot, by its header alone; undefined if the slot is empty (which proves nothing
 * about the future).
 */
export async function commitInSlot(
	store: ObjectStore,
	key: ObjectKey,
	signal?: AbortSignal,
): Promise<{ readonly id: string; readonly lastModifiedMs: number } | undefined> {
	try {
		const { body, lastModifiedMs } = await store.get(key, {
			range: { offset: 0, length: COMMIT_HEADER_BYTES },
			signal,
		});
		return { id: body.toString("hex", 32, 64), lastModifiedMs };
	} catch (error) {
		if (error instanceof SidecarError && error.code === "OBJECT_NOT_FOUND") return undefined;
		throw error;
	}
}
