/**
 * Finds what the retained commits need: the commits they are folded onto, and every object that one
 * of those names.
 *
 * Each chain is read from its FULL commit on and folded, as a restore would. So an object that only
 * looks like a commit does not go unnoticed. Marking works on whole manifests: everything that a
 * kept commit names is kept, so each kept commit can be restored.
 */
import PQueue from "p-queue";
import { fetchCommit } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import type { DecodedCommit } from "../log/commit-codec.ts";
import { EMPTY_HEAD, foldCommits } from "../log/fold.ts";
import { logKey } from "../log/keys.ts";
import type { StoredCommit } from "../log/plan-retention.ts";
import type { ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";

/** Inline blocks are not needed here; the manifests of most commits are smaller than this. */
const FIRST_GET_BYTES = 16 * 1024;
const PARALLEL_GETS = 32;

/** A retained commit that cannot be read or folded, and the reason. */
export interface MarkProblem {
	readonly seq: number;
	readonly error: SidecarError;
}

export interface Marked {
	readonly keptSeqs: ReadonlySet<number>;
	readonly named: ReadonlySet<ObjectKey>;
	/**
	 * The newest retained commit that cannot be read. What it needs is unknown, and nothing older was
	 * read.
	 */
	readonly problem: MarkProblem | undefined;
}

/**
 * @param commits all that the store lists, newest first
 * @param retained seqs, newest first
 * @throws SidecarError STORE_*
 */
export async function markRetained(
	store: ObjectStore,
	commits: readonly StoredCommit[],
	retained: readonly number[],
	signal: AbortSignal | undefined,
): Promise<Marked> {
	const listed = new Set(commits.map(({ seq }) => seq));
	const keptSeqs = new Set<number>();
	const named = new Set<ObjectKey>();
	for (const seq of retained) {
		if (keptSeqs.has(seq)) continue;
		try {
			for (const commit of await readChain(store, seq, (each) => listed.has(each), signal)) {
				keptSeqs.add(commit.info.seq);
				for (const key of objectsNamedBy(commit)) named.add(key);
			}
		} catch (error) {
			if (!(error instanceof SidecarError) || error.category !== "damaged") throw error;
			return { keptSeqs, named, problem: { seq, error } };
		}
	}
	return { keptSeqs, named, problem: undefined };
}

/** The objects that hold the content named in a commit's manifest. */
export function objectsNamedBy({ changed }: Pick<DecodedCommit, "changed">): ObjectKey[] {
	const keys = new Set<ObjectKey>();
	for (const entry of changed.values()) {
		if (entry.type === "file") for (const { block } of entry.chunks) keys.add(block.key);
		else if (entry.type === "patch")
			for (const { block } of entry.changed.values()) keys.add(block.key);
	}
	return [...keys];
}

/**
 * Commit `seq` and the commits it is folded onto. @throws SidecarError STORE_*, and with exit
 * status 5 what prevents its restore
 */
export async function readChain(
	store: ObjectStore,
	seq: number,
	isListed: (seq: number) => boolean,
	signal: AbortSignal | undefined,
): Promise<readonly DecodedCommit[]> {
	const last = (await fetchCommit(store, seq, signal, FIRST_GET_BYTES)).commit;
	const first = Math.max(1, last.info.fullSeq);
	const seqs = Array.from({ length: seq - first }, (_, index) => first + index);
	const hole = seqs.find((each) => !isListed(each));
	if (hole !== undefined)
		throw new SidecarError("OBJECT_NOT_FOUND", {
			value: logKey(hole),
			reason: `commit ${seq} is folded onto it`,
		});
	const queue = new PQueue({ concurrency: PARALLEL_GETS });
	const fetched = await queue.addAll(
		seqs.map(
			(each) => async () => (await fetchCommit(store, each, signal, FIRST_GET_BYTES)).commit,
		),
	);
	const chain = [...fetched, last];
	foldCommits(EMPTY_HEAD, chain);
	return chain;
}
