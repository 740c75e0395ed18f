/**
 * One writer's end of the log: its fence, its head, and the one commit that may be in flight.
 *
 * Guarantees: no commit before a won fence. An undecided commit is resolved with the same bytes
 * before the next is made. A commit refers only to what its head refers to, or to what this writer
 * put within the last hour. A fence and the last commit before an end are read back before they
 * count. The slots won since then are checked before a FULL or a drain extends the log.
 *
 * Does NOT guarantee that it still owns the tree; `isSuperseded` tells after every `lost`. A memory
 * image that is continued several times holds one fence several times. The first clone to commit
 * keeps the fence. Every other clone finds a commit in its name that it did not make, and gives the
 * name up.
 */
import { SidecarError } from "../errors.ts";
import { annotationsAfter } from "../log/annotations.ts";
import type { InlineChunk, PendingBlock } from "../log/block.ts";
import { decodeCommit, type EncodedCommit, encodeCommit, wholeTree } from "../log/commit-codec.ts";
import { advanceHead, foldCommits, type Head, type OwnedHead, ownedHead } from "../log/fold.ts";
import {
	MAX_CHUNKS,
	MAX_ENTRIES,
	MAX_SEGMENT_INLINE_BYTES,
	SEGMENT_COMMITS,
} from "../log/limits.ts";
import { isReservedId } from "../log/restore-id.ts";
import { quarantineHome, unrestorableAfter } from "../log/safe-path.ts";
import type {
	Annotation,
	Chunk,
	ChunkRef,
	CommitFlags,
	CommitInfo,
	Delta,
	Entry,
	Path,
} from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { type CommitOutcome, commitOnce } from "./commit-once.ts";
import { type Environment, elapsedMs, type Moment, now } from "./environment.ts";
import { fetchCommit, fetchCommits, newestSeq, readLog } from "./read-log.ts";
import { firstOverwritten, holderOf, type WonSlot, waitForRivals } from "./won-slots.ts";

/**
 * After this long without contact to the store, retention may have deleted the slot that this
 * writer is about to win.
 */
const LONG_PAUSE_MS = 60 * 60 * 1000;

/**
 * The fence is checked again before the first commit, unless that comes sooner than this: it was
 * read back when it was won.
 */
const SECOND_LOOK_MS = 1_000;

/**
 * Entries that quarantines leave free for the owner: a writer that lost the tree must not keep the
 * owner from committing.
 */
const OWNERS_ENTRIES = 50_000;

export type WriteOutcome =
	| { readonly kind: "committed"; readonly seq: number; readonly bytes: number }
	/**
	 * Another commit took the slot; the head is now that commit. Capture again: references may be
	 * gone. `isBroken`: earlier commits of this writer may be gone too, because the log does not
	 * continue the head that it knew.
	 */
	| { readonly kind: "lost"; readonly isBroken: boolean }
	/** Undecided; `resolveCommit` sends the same bytes again. */
	| { readonly kind: "unknown"; readonly cause: unknown }
	/** A reference is no longer allowed. Capture again. */
	| { readonly kind: "stale" };

interface WriteOptions {
	readonly inHurry?: boolean;
	readonly signal?: AbortSignal | undefined;
	readonly annotations?: readonly Annotation[] | undefined;
}

interface Undecided {
	readonly commit: EncodedCommit;
	readonly info: CommitInfo;
	/**
	 * True for a fence, and for the last commit before an end: too much depends on them to trust a
	 * 200 alone.
	 */
	readonly isReadBack: boolean;
}

const EMPTY_DELTA: Delta = { changed: new Map(), removed: new Set() };

export class LogWriter {
	readonly #store: ObjectStore;
	readonly #environment: Environment;
	readonly index: ChunkIndex;
	#id: string;
	#head: OwnedHead;
	#fenceSeq = 0;
	#isDisowned = false;
	#undecided: Undecided | undefined;
	/**
	 * Ids of commits sent for slots after the head: those that are in the log are this writer's own.
	 */
	readonly #sent = new Set<string>();
	/**
	 * Won slots, by seq, that were not checked since their PUT, or only right after it. At most a few
	 * more than a segment.
	 */
	readonly #won = new Map<number, WonSlot>();
	#fencedAt: Moment;
	/** The newest won slot that later held something else: the store lets two writers win. */
	#overwritten: number | undefined;
	/** Commits of this writer may be gone from the log. */
	#isBereft = false;
	/** A slot was lost, and the commit in it is not known yet. */
	#isBehind = false;
	#catchUps = 0;
	#wasTried = false;
	#lastContact: Moment;
	/**
	 * The store's clock at the last contact, if reported: both clocks of a resumed VM may have stood
	 * still.
	 */
	#lastStoreMs: number | undefined;

	/**
	 * @param head as just read
	 * @param since from before that read began: a machine may be frozen for days in the middle of it
	 * @param storeTimeMs the store's clock at that read
	 */
	constructor(
		store: ObjectStore,
		environment: Environment,
		head: Head,
		since: Moment,
		storeTimeMs?: number,
	) {
		this.#store = store;
		this.#environment = environment;
		this.#head = ownedHead(head);
		this.index = new ChunkIndex(environment);
		this.index.rebuild(head.tree);
		this.#id = unusedId(environment, head);
		this.#lastContact = since;
		this.#fencedAt = this.#lastContact;
		this.#lastStoreMs = storeTimeMs;
	}

	/** 32 hex digits from the kernel's RNG. A new one after the fence was lost to a clone. */
	get id(): string {
		return this.#id;
	}

	get head(): Head {
		return this.#head;
	}

	get hasFence(): boolean {
		return this.#fenceSeq > 0;
	}

	/** Another writer fenced after this one, or uses its fence: that writer owns the tree. */
	get isSuperseded(): boolean {
		return this.#isDisowned || (this.#fenceSeq > 0 && this.#head.fence.seq > this.#fenceSeq);
	}

	/** The fence is a clone's, or no longer in the log: `id` is not the name it was won under. */
	get isDisowned(): boolean {
		return this.#isDisowned;
	}

	/** How often the head was read from the log because others had written to it. */
	get catchUps(): number {
		return this.#catchUps;
	}

	/**
	 * The newest slot that this writer won and that later held another writer's commit: create-only
	 * PUTs of this store are not atomic.
	 */
	get overwritten(): number | undefined {
		return this.#overwritten;
	}

	get isUndecided(): boolean {
		return this.#undecided !== undefined;
	}

	/** The most entries that the tree may have after a commit of this writer. */
	get entryLimit(): number {
		return this.isSuperseded ? MAX_ENTRIES - OWNERS_ENTRIES : MAX_ENTRIES;
	}

	/** How many bytes may go inside the next commit. */
	get inlineRoomBytes(): number {
		return Math.max(0, MAX_SEGMENT_INLINE_BYTES - this.#head.segmentInlineBytes);
	}

	/**
	 * Takes over the tree. `lost`: the head is now the winner's; bring its changes to the disk and
	 * try again.
	 */
	async fence(signal?: AbortSignal): Promise<WriteOutcome> {
		return await this.#write(EMPTY_DELTA, [], { fence: true }, { signal });
	}

	/**
	 * Commits a delta. `inHurry` omits a due FULL. `annotations` are new; those of the head that still
	 * hold are repeated.
	 * @throws SidecarError WORKSPACE_TOO_LARGE, INTERNAL (a tree that could not be restored), and
	 * what commitOnce throws
	 */
	async commit(
		delta: Delta<Chunk>,
		inline: readonly PendingBlock[],
		flags: CommitFlags,
		options: WriteOptions = {},
	): Promise<WriteOutcome> {
		if (this.#fenceSeq === 0)
			throw new SidecarError("INTERNAL", { reason: "a commit before a won fence" });
		return await this.#write(delta, inline, flags, options);
	}

	/** Puts an undecided commit's bytes again. Undefined if none is undecided. */
	async resolveCommit(signal?: AbortSignal): Promise<WriteOutcome | undefined> {
		return this.#undecided === undefined ? undefined : await this.#decide(this.#undecided, signal);
	}

	async #write(
		draft: Delta<Chunk>,
		inline: readonly PendingBlock[],
		flags: CommitFlags,
		options: WriteOptions,
	): Promise<WriteOutcome> {
		if (this.#undecided !== undefined)
			throw new SidecarError("INTERNAL", { reason: "a commit while another is undecided" });
		if (this.#isBehind) return { kind: "lost", isBroken: await this.catchUp(options.signal) };
		this.#check(draft);
		const delta = this.#place(draft, inline);
		if (delta === undefined) return { kind: "stale" };
		const seq = this.#head.seq + 1;
		const isFull = seq % SEGMENT_COMMITS === 0 && !this.isSuperseded && options.inHurry !== true;
		const isLookDue =
			isFull || options.inHurry === true || flags.closed === true || this.#isSecondLookDue();
		if (isLookDue && !(await this.#stillHolds(options.signal)))
			return { kind: "lost", isBroken: await this.catchUp(options.signal) };
		const annotations = annotationsAfter(
			this.#head.annotations,
			delta,
			this.isSuperseded ? [] : (options.annotations ?? []),
		);
		const info: CommitInfo = {
			seq,
			kind: isFull ? "full" : "delta",
			flags,
			writer: this.#id,
			fenceSeq: flags.fence === true ? seq : this.#isDisowned ? 0 : this.#fenceSeq,
			fullSeq: isFull ? seq : this.#head.fullSeq,
			previousId: this.#head.id,
			wallTimeMs: Math.max(0, this.#environment.wallMs()),
			...(annotations.length > 0 && { annotations }),
		};
		const commit = encodeCommit(info, delta, this.#head.tree);
		// A commit that no reader could decode must never be in the log: it would shut the gate for
		// good.
		decodeCommit(commit.key, commit.bytes, commit.bytes.length);
		const isLast = flags.closed === true || (flags.recovered === true && options.inHurry === true);
		return await this.#decide(
			{ commit, info, isReadBack: flags.fence === true || isLast },
			options.signal,
		);
	}

	async #decide(undecided: Undecided, signal: AbortSignal | undefined): Promise<WriteOutcome> {
		this.#undecided = undecided;
		const { commit, info } = undecided;
		this.#sent.add(commit.id);
		let outcome: CommitOutcome;
		const asked = now(this.#environment);
		try {
			outcome = await commitOnce(this.#store, commit, this.#environment, signal);
		} catch (error) {
			// Refused outright. If an earlier call left these bytes undecided, they stay so.
			if (!this.#wasTried) this.#undecided = undefined;
			throw error;
		}
		// Checked after the PUT: a machine may be frozen at any line before this one.
		const storeTimeMs = outcome.kind === "committed" ? outcome.storeTimeMs : undefined;
		if (outcome.kind === "committed" && this.#wasLong(storeTimeMs))
			outcome = await this.#confirm(undecided, signal);
		if (outcome.kind === "committed" && undecided.isReadBack)
			outcome = await this.#readBack(
				undecided,
				outcome,
				elapsedMs(this.#environment, asked),
				signal,
			);
		this.#wasTried = outcome.kind === "unknown";
		if (outcome.kind === "unknown") return outcome;
		this.#lastContact = now(this.#environment);
		this.#lastStoreMs = storeTimeMs ?? this.#lastStoreMs;
		this.#undecided = undefined;
		this.#isBehind = outcome.kind === "lost";
		if (this.#isBehind) return { kind: "lost", isBroken: await this.catchUp(signal) };
		if (info.flags.fence === true) {
			this.#fenceSeq = info.seq;
			this.#fencedAt = now(this.#environment);
		}
		// No reader follows commits before a FULL.
		if (info.kind === "full") this.#won.clear();
		if (!undecided.isReadBack || info.flags.fence === true)
			this.#won.set(info.seq, {
				commit,
				etag: outcome.kind === "committed" ? outcome.etag : undefined,
			});
		this.#advance(undecided);
		return { kind: "committed", seq: info.seq, bytes: commit.bytes.length };
	}

	/** Judged by the clock that advanced furthest since the last contact. */
	#wasLong(storeTimeMs: number | undefined): boolean {
		const byStoreMs =
			storeTimeMs === undefined || this.#lastStoreMs === undefined
				? 0
				: storeTimeMs - this.#lastStoreMs;
		return Math.max(byStoreMs, elapsedMs(this.#environment, this.#lastContact)) > LONG_PAUSE_MS;
	}

	/**
	 * Checks a commit after a long pause, when a 200 is not enough: a writer that slept can "win" a
	 * slot that retention deleted. The commit is in the log if it is the newest, or if the next one
	 * continues it. Without an answer it stays undecided, and its bytes are put again.
	 */
	async #confirm(
		{ commit, info }: Undecided,
		signal: AbortSignal | undefined,
	): Promise<CommitOutcome> {
		try {
			const { seq } = await newestSeq(this.#store, signal);
			if (seq === info.seq) return { kind: "committed", storeTimeMs: undefined };
			if (seq < info.seq) return { kind: "lost" };
			const next = await fetchCommit(this.#store, info.seq + 1, signal);
			return next.commit.info.previousId === commit.id
				? { kind: "committed", storeTimeMs: undefined }
				: { kind: "lost" };
		} catch (cause) {
			const isSwept = cause instanceof SidecarError && cause.code === "OBJECT_NOT_FOUND";
			return isSwept ? { kind: "lost" } : { kind: "unknown", cause };
		}
	}

	/**
	 * A 200 alone neither makes a commit durable nor lets the agent start: the store may have given
	 * the slot to two writers. Without an answer the commit stays undecided, and its bytes are put
	 * again.
	 */
	async #readBack(
		{ commit, info }: Undecided,
		committed: CommitOutcome,
		tookMs: number,
		signal: AbortSignal | undefined,
	): Promise<CommitOutcome> {
		await waitForRivals(this.#environment, tookMs, info.flags.fence === true, signal);
		try {
			const holder = await holderOf(this.#store, commit, signal);
			if (holder === "ours") return committed;
			if (holder === "absent")
				return { kind: "unknown", cause: new Error("nothing is in the slot that was won") };
			this.#overwritten = info.seq;
			return { kind: "lost" };
		} catch (cause) {
			return { kind: "unknown", cause };
		}
	}

	/** The fence was read back right after it was won, and a rival may have been slower than that. */
	#isSecondLookDue(): boolean {
		return (
			this.#won.has(this.#fenceSeq) &&
			elapsedMs(this.#environment, this.#fencedAt) >= SECOND_LOOK_MS
		);
	}

	/**
	 * Checks the won slots, so that no commit is built on a lost one. @throws SidecarError STORE_*
	 */
	async #stillHolds(signal: AbortSignal | undefined): Promise<boolean> {
		const isFreshFence =
			this.#won.size === 1 && this.#won.has(this.#fenceSeq) && !this.#isSecondLookDue();
		if (this.#won.size === 0 || isFreshFence) return true;
		const overwritten = await firstOverwritten(this.#store, this.#won, signal);
		this.#won.clear();
		if (overwritten === undefined) return true;
		this.#overwritten = overwritten;
		this.#isBereft = true;
		this.#isBehind = true;
		return false;
	}

	/**
	 * For an end without a commit: checks whether the won slots still hold what was put there.
	 * @throws SidecarError STORE_*
	 */
	async lookAtWon(
		signal?: AbortSignal,
	): Promise<Extract<WriteOutcome, { kind: "lost" }> | undefined> {
		if (!this.#isBehind && (await this.#stillHolds(signal))) return undefined;
		return { kind: "lost", isBroken: await this.catchUp(signal) };
	}

	/** Like `catchUp`, if the log has a newer commit at all. */
	async lookForNews(signal?: AbortSignal): Promise<void> {
		if ((await newestSeq(this.#store, signal)).seq !== this.#head.seq) await this.catchUp(signal);
	}

	/**
	 * Brings the head up to the log's newest commit. Never touches the disk.
	 * @returns true if the log does not continue what this writer knew, and nobody took over the tree
	 * with a fence
	 */
	async catchUp(signal?: AbortSignal): Promise<boolean> {
		// The new head hides which slots were this writer's.
		await this.#stillHolds(signal);
		const { seq, storeTimeMs } = await newestSeq(this.#store, signal);
		const known = this.#head;
		let head: Head;
		let isBroken = false;
		let isOthers = false;
		try {
			// A listing that ends before what this writer knows is not the log it knew.
			if (seq <= known.seq)
				throw new SidecarError("OBJECT_NOT_FOUND", {
					value: this.#store.url,
					reason: `commit ${known.seq} is gone`,
				});
			const commits = (await fetchCommits(this.#store, known.seq + 1, seq, signal)).map(
				({ commit }) => commit,
			);
			head = foldCommits(known, commits);
			isOthers = commits.some(({ id, info }) => info.writer === this.#id && !this.#sent.has(id));
		} catch (error) {
			if (
				!(error instanceof SidecarError) ||
				(error.code !== "OBJECT_NOT_FOUND" && error.code !== "OBJECT_CORRUPT")
			)
				throw error;
			// Deleted, or not a continuation of what this writer knows: the log itself is the authority.
			head = (await readLog(this.#store, { signal })).head;
			// A log begins with its first writer's fence; this writer must not begin another log.
			if (head.seq === 0 && known.seq > 0) throw error;
			isBroken = head.id !== known.id && head.fence.seq <= this.#fenceSeq;
			// If the log only became shorter, nobody else can have written in this name while the fence
			// is valid.
			const isShorter =
				head.seq < known.seq && head.fence.seq === this.#fenceSeq && head.fence.writer === this.#id;
			isOthers = isBroken && !isShorter;
		}
		isBroken ||= this.#isBereft;
		this.#isBereft = false;
		this.#won.clear();
		this.#lastContact = now(this.#environment);
		this.#lastStoreMs = storeTimeMs;
		this.#isBehind = false;
		this.#catchUps++;
		this.#head = ownedHead(head);
		this.#sent.clear();
		this.index.rebuild(head.tree);
		if (isOthers && this.hasFence) this.#disown();
		return isBroken;
	}

	/**
	 * Gives up the fence to another writer. Later commits count only below `.recovered/`, in a name
	 * that no clone has.
	 */
	#disown(): void {
		this.#isDisowned = true;
		this.#id = unusedId(this.#environment, this.#head);
	}

	#advance({ commit: { id, delta, inlineBytes }, info }: Undecided): void {
		const { tree } = this.#head;
		for (const path of [...delta.removed, ...delta.changed.keys()]) {
			const before = tree.get(path);
			if (before !== undefined) this.index.remove(path, before);
		}
		this.#head = advanceHead(this.#head, info, id, delta, inlineBytes);
		this.#sent.clear();
		for (const [path, entry] of delta.changed) this.index.add(path, entry);
		this.index.prune();
	}

	/** Checks `headIsRestorable` and the format's limits. */
	#check(delta: Delta<Chunk>): void {
		const bad = unrestorableAfter(this.#head.tree, delta);
		if (bad !== undefined)
			throw new SidecarError("INTERNAL", {
				value: bad.path,
				reason: `the tree could not be restored: ${bad.reason}`,
			});
		const limit = this.entryLimit;
		if (this.#head.tree.size + delta.changed.size > limit) {
			const exact = wholeTree(this.#head.tree, delta).size;
			// Replacing entries does not enlarge the tree, also if another writer owns it.
			if (exact > limit && exact > this.#head.tree.size)
				throw new SidecarError("WORKSPACE_TOO_LARGE", {
					reason: `${exact} files and directories, the limit is ${limit}`,
				});
		}
		for (const [path, entry] of delta.changed) {
			if (entry.type === "file" && entry.chunks.length > MAX_CHUNKS) {
				throw new SidecarError("WORKSPACE_TOO_LARGE", {
					value: path,
					reason: `a file of ${entry.chunks.length} chunks, the limit is ${MAX_CHUNKS}`,
				});
			}
		}
	}

	/**
	 * Gives every chunk its place: inside this commit, or in the log. Undefined if that would break
	 * `noDanglingReference`: content before reference, and nothing older than an hour that the head
	 * does not hold.
	 */
	#place(
		{ changed, removed }: Delta<Chunk>,
		inline: readonly PendingBlock[],
	): Delta<ChunkRef | InlineChunk> | undefined {
		const own = new Map(inline.map((pending) => [pending.block, pending]));
		const placeOf = this.index.placing();
		const placed = new Map<Path, Entry<ChunkRef | InlineChunk>>();
		for (const [path, entry] of changed) {
			if (entry.type !== "file") {
				placed.set(path, entry);
				continue;
			}
			const chunks: (ChunkRef | InlineChunk)[] = [];
			for (const chunk of entry.chunks) {
				const block = own.get(chunk.block);
				const found = block === undefined ? placeOf(chunk) : { ...chunk, block };
				if (found === undefined) return undefined;
				chunks.push(found);
			}
			placed.set(path, { ...entry, chunks });
		}
		return { changed: placed, removed };
	}
}

/**
 * The kernel of a cloned machine may draw the same numbers as the original, so skip names that the
 * head knows.
 */
function unusedId(environment: Environment, head: Head): string {
	for (;;) {
		const id = environment.randomBytes(16).toString("hex");
		if (!isReservedId(id) && id !== head.fence.writer && !head.tree.has(quarantineHome(id)))
			return id;
	}
}
