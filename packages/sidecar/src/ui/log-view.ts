/**
 * One log, as the page looks at it: trees by commit and descriptions of commits, each read once.
 *
 * Commits never change, so what is kept stays true. The newest commit is asked for every time.
 */
import { listCommits } from "../commit/list-commits.ts";
import { newestSeq } from "../commit/read-log.ts";
import {
	type CommitChanges,
	commitChanges,
	type MissingCommits,
} from "../history/commit-changes.ts";
import { turnOf } from "../history/history.ts";
import { summarise } from "../history/summarise.ts";
import { readAt } from "../library/read.ts";
import { isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import type { Entry } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { CommitRow, Timeline } from "./api.ts";
import { TreeIndex } from "./tree-index.ts";

export interface TreeAt {
	readonly seq: number;
	readonly index: TreeIndex;
	/**
	 * Without the commits' first bytes, which would take up to 64 MiB per tree: blocks in them are
	 * read again.
	 */
	readonly read: { readonly starts: ReadonlyMap<string, Buffer> };
}

/** A tree of 50,000 entries takes about 40 MB. */
const KEPT_TREES = 4;
const KEPT_ROWS = 100_000;

const FLAGS = ["fence", "closed", "recovered", "alarm"] as const;

export class LogView {
	readonly store: ObjectStore;
	/** The one used last is at the end. */
	readonly #trees = new Map<number, Promise<TreeAt>>();
	readonly #rows = new Map<number, CommitRow>();

	constructor(store: ObjectStore) {
		this.store = store;
	}

	/** @throws SidecarError STORE_* */
	async newest(signal?: AbortSignal): Promise<{ seq: number; storeTimeMs: number }> {
		const { seq, storeTimeMs } = await newestSeq(this.store, signal);
		return { seq, storeTimeMs };
	}

	/** One LIST per 1,000 commits. @throws SidecarError STORE_* */
	async timeline(signal?: AbortSignal): Promise<Timeline> {
		const [seqs, times, bytes] = [[] as number[], [] as number[], [] as number[]];
		let nowMs = Date.now();
		for await (const commit of listCommits(this.store, { signal })) {
			seqs.push(commit.seq);
			times.push(commit.lastModifiedMs);
			bytes.push(commit.objectBytes);
			nowMs = commit.storeTimeMs;
		}
		return { seqs: seqs.reverse(), times: times.reverse(), bytes: bytes.reverse(), nowMs };
	}

	/** Newest first, without those that retention deleted. @throws SidecarError STORE_* */
	async commits(from: number, limit: number, signal?: AbortSignal): Promise<CommitRow[]> {
		const rows: CommitRow[] = [];
		let next = from;
		for (; rows.length < limit; next--) {
			const known = this.#rows.get(next);
			if (known === undefined) break;
			rows.push(known);
		}
		if (rows.length === limit || next < 1) return rows;
		for await (const item of commitChanges(this.store, { from: next, signal })) {
			const row = rowOf(item);
			if (row === undefined) continue;
			if (this.#rows.size >= KEPT_ROWS) this.#rows.clear();
			// A damaged object may be repaired.
			if (row.unreadable === undefined) this.#rows.set(row.seq, row);
			rows.push(row);
			if (rows.length === limit) break;
		}
		return rows;
	}

	/**
	 * The tree at a moment, by default the newest.
	 * @throws SidecarError as `readAt`
	 */
	async tree(at: number | string | undefined, signal?: AbortSignal): Promise<TreeAt> {
		const seq = typeof at === "string" ? undefined : (at ?? (await this.newest(signal)).seq);
		if (seq === undefined) {
			const read = await this.#read(at);
			const known = this.#trees.get(read.seq);
			if (known !== undefined) return await known;
			this.#keep(read.seq, Promise.resolve(read));
			return read;
		}
		const known = this.#trees.get(seq);
		if (known !== undefined) {
			this.#trees.delete(seq);
			this.#trees.set(seq, known);
			return await known;
		}
		// Others may wait for it, so it does not end with one request.
		const reading = this.#read(seq === 0 ? undefined : seq);
		this.#keep(seq, reading);
		try {
			return await reading;
		} catch (error) {
			if (this.#trees.get(seq) === reading) this.#trees.delete(seq);
			throw error;
		}
	}

	#keep(seq: number, tree: Promise<TreeAt>): void {
		this.#trees.set(seq, tree);
		for (const oldest of this.#trees.keys()) {
			if (this.#trees.size <= KEPT_TREES) break;
			this.#trees.delete(oldest);
		}
	}

	async #read(at: number | string | undefined): Promise<TreeAt> {
		return await readAt(this.store, { at }, async ({ head }) => ({
			seq: head.seq,
			index: new TreeIndex(head.tree),
			read: { starts: new Map() },
		}));
	}
}

function rowOf(item: CommitChanges | MissingCommits): CommitRow | undefined {
	if (item.type === "missing") {
		const { to: seq, error } = item;
		if (error === undefined) return undefined;
		const { code, message } = error;
		return { seq, unreadable: { code, message } };
	}
	const { info, id, timeMs, objectBytes, differences } = item;
	const paths = differences.filter((each) => !isTouchedDirectory(each));
	const removed = paths.filter(({ kind }) => kind === "removed").length;
	const files = paths.filter((each) => entryOf(each).type !== "dir").map(({ path }) => path);
	return {
		...{ seq: info.seq, timeMs, bytes: objectBytes, id, writer: info.writer, kind: info.kind },
		...{ changed: paths.length - removed, removed },
		summary: summarise(files.length > 0 ? files : paths.map(({ path }) => path)),
		flags: FLAGS.filter((flag) => info.flags[flag] === true),
		...turnOf(info),
	};
}

function entryOf(difference: PathDifference): Entry {
	return difference.kind === "removed" ? difference.before : difference.after;
}
