/**
 * One writer's end of the log: its fence, its head, and the one commit that may be on its way.
 *
 * Guarantees: no commit before a won fence; an undecided commit is settled with the same bytes before the next is made; a commit
 * refers only to what its head refers to or what this writer put within the last hour. Two copies of this process's memory (a VM
 * that was snapshotted and resumed twice) never both write to the tree: the first that commits keeps it, and every other finds a
 * commit of its own name that it did not make, gives the name up and counts as superseded.
 * Does NOT guarantee that it still owns the tree; `isSuperseded` tells after every `lost`.
 */
import { SidecarError } from "../errors.ts";
import type { PendingBlock } from "../log/block.ts";
import { decodeCommit, type EncodedCommit, encodeCommit } from "../log/commit-codec.ts";
import { advanceHead, foldCommits, type Head } from "../log/fold.ts";
import { MAX_CHUNKS, MAX_ENTRIES, MAX_SEGMENT_INLINE_BYTES, SEGMENT_COMMITS } from "../log/limits.ts";
import { setAsideHome, unrestorableAfter } from "../log/safe-path.ts";
import type { CommitFlags, CommitInfo, Delta, Entry, Path } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { commitOnce } from "./commit-once.ts";
import { elapsedMs, type Machine, type Moment, now } from "./machine.ts";
import { fetchCommits, newestSeq, readLog } from "./read-log.ts";

/** Beyond this without a word from the store, retention may have swept the slot this writer is about to win. */
const LONG_PAUSE_MS = 60 * 60 * 1000;

/** Room that set-aside entries leave to the owner: a writer that lost the tree must not keep the owner from committing. */
const OWNERS_ENTRIES = 50_000;

export type WriteOutcome =
	| { readonly kind: "committed"; readonly seq: number; readonly bytes: number }
	/**
	 * Another commit took the slot; the head is now that one. Capture again: references may have gone. `isBroken`: what this writer
	 * committed before may have gone too, because the log does not continue what it knew.
	 */
	| { readonly kind: "lost"; readonly isBroken: boolean }
	/** Undecided; `settle` tries the same bytes again. */
	| { readonly kind: "unknown"; readonly cause: unknown }
	/** A reference is no longer allowed. Capture again. */
	| { readonly kind: "stale" };

interface Undecided {
	readonly commit: EncodedCommit;
	readonly info: CommitInfo;
	readonly delta: Delta;
	readonly inlineBytes: number;
}

const EMPTY_DELTA: Delta = { changed: new Map(), removed: new Set() };

export class LogWriter {
	readonly #store: ObjectStore;
	readonly #machine: Machine;
	readonly index: ChunkIndex;
	#id: string;
	#head: Head;
	#fenceSeq = 0;
	#isCloned = false;
	#undecided: Undecided | undefined;
	#wasTried = false;
	/** A slot was lost and what took it is not known yet. */
	#isBehind = false;
	#catchUps = 0;
	/** Ids of commits this writer sent that may stand in the log beyond its head. */
	readonly #sent = new Set<string>();
	#lastContact: Moment;
	/** The store's clock at the last contact, where it tells: a resumed VM's own clocks may both have stood still. */
	#lastStoreMs: number | undefined;

	/**
	 * @param head as read a moment ago; its tree is taken over
	 * @param storeTimeMs the store's clock when it was read
	 */
	constructor(store: ObjectStore, machine: Machine, head: Head, storeTimeMs?: number) {
		this.#store = store;
		this.#machine = machine;
		this.#head = head;
		this.index = new ChunkIndex(machine);
		this.index.rebuild(head.tree);
		this.#id = unusedId(machine, head);
		this.#lastContact = now(machine);
		this.#lastStoreMs = storeTimeMs;
	}

	/** 32 hex digits from the kernel's RNG. Another one once `isCloned`. */
	get id(): string {
		return this.#id;
	}

	get head(): Head {
		return this.#head;
	}

	get hasFence(): boolean {
		return this.#fenceSeq > 0;
	}

	/** Another writer owns the tree: it fenced after this one, or it is a copy of this one that committed first. */
	get isSuperseded(): boolean {
		return this.#isCloned || (this.#fenceSeq > 0 && this.#head.fence.seq > this.#fenceSeq);
	}

	/** Somebody else wrote under this writer's name, so its memory was copied; or its fence is not in the log any more. */
	get isCloned(): boolean {
		return this.#isCloned;
	}

	/** How often the head was taken from the log because others had written to it. */
	get catchUps(): number {
		return this.#catchUps;
	}

	get isUndecided(): boolean {
		return this.#undecided !== undefined;
	}

	/** How much may travel inside the next commit. */
	get inlineRoomBytes(): number {
		return Math.max(0, MAX_SEGMENT_INLINE_BYTES - this.#head.segmentInlineBytes);
	}

	/** Takes the tree over. `lost`: the head is now the winner's; bring its changes to the disk and try again. */
	async fence(signal?: AbortSignal): Promise<WriteOutcome> {
		return await this.#write(EMPTY_DELTA, [], { fence: true }, { signal });
	}

	/**
	 * Commits a delta. `inHurry` leaves a due FULL out.
	 * @throws SidecarError WORKSPACE_TOO_LARGE, INTERNAL (a tree that could not be restored), and what commitOnce throws
	 */
	async commit(
		delta: Delta,
		inline: readonly PendingBlock[],
		flags: CommitFlags,
		options: { readonly inHurry?: boolean; readonly signal?: AbortSignal | undefined } = {},
	): Promise<WriteOutcome> {
		if (this.#fenceSeq === 0) throw new SidecarError("INTERNAL", { reason: "a commit before a won fence" });
		return await this.#write(delta, inline, flags, options);
	}

	/** Puts an undecided commit's bytes again. Undefined where none is undecided. */
	async settle(signal?: AbortSignal): Promise<WriteOutcome | undefined> {
		return this.#undecided === undefined ? undefined : await this.#decide(this.#undecided, signal);
	}

	async #write(
		delta: Delta,
		inline: readonly PendingBlock[],
		flags: CommitFlags,
		options: { inHurry?: boolean; signal?: AbortSignal | undefined },
	): Promise<WriteOutcome> {
		if (this.#undecided !== undefined) throw new SidecarError("INTERNAL", { reason: "a commit while another is undecided" });
		if (this.#isBehind) return { kind: "lost", isBroken: await this.catchUp(options.signal) };
		this.#check(delta);
		if (!this.#mayRefer(delta, inline)) return { kind: "stale" };
		const seq = this.#head.seq + 1;
		const isFull = seq % SEGMENT_COMMITS === 0 && !this.isSuperseded && options.inHurry !== true;
		const info: CommitInfo = {
			seq,
			kind: isFull ? "full" : "delta",
			flags,
			writer: this.#id,
			// 0: a fence that every reader knows to be older than the owner's.
			fenceSeq: flags.fence === true ? seq : this.#isCloned ? 0 : this.#fenceSeq,
			fullSeq: isFull ? seq : this.#head.fullSeq,
			previousId: this.#head.id,
			wallTimeMs: Math.max(0, this.#machine.wallMs()),
		};
		const commit = isFull ? encodeCommit(info, this.#whole(delta), new Map(), inline) : encodeCommit(info, delta, this.#head.tree, inline);
		// What no reader could decode must never be in the log: it would shut the gate for good.
		decodeCommit(commit.key, commit.bytes, commit.bytes.length);
		const inlineBytes = inline.reduce((sum, { stored }) => sum + stored.length, 0);
		return await this.#decide({ commit, info, delta, inlineBytes }, options.signal);
	}

	async #decide(undecided: Undecided, signal: AbortSignal | undefined): Promise<WriteOutcome> {
		this.#undecided = undecided;
		const { commit, info } = undecided;
		this.#sent.add(commit.id);
		let outcome: Awaited<ReturnType<typeof commitOnce>>;
		try {
			outcome = await commitOnce(this.#store, commit, this.#machine, signal);
		} catch (error) {
			// Refused outright. Where an earlier call left these bytes undecided they stay so.
			if (!this.#wasTried) this.#undecided = undefined;
			throw error;
		}
		this.#wasTried = outcome.kind === "unknown";
		if (outcome.kind === "unknown") return outcome;
		// Looked at after the PUT: a machine may be frozen at any line before this one.
		const isNewest = outcome.kind === "committed" && (!this.#wasLong(outcome.storeTimeMs) || (await this.#isNewest(info.seq, signal)));
		this.#lastContact = now(this.#machine);
		this.#lastStoreMs = (outcome.kind === "committed" ? outcome.storeTimeMs : undefined) ?? this.#lastStoreMs;
		this.#undecided = undefined;
		this.#isBehind = !isNewest;
		if (this.#isBehind) return { kind: "lost", isBroken: await this.catchUp(signal) };
		if (info.flags.fence === true) this.#fenceSeq = info.seq;
		this.#sent.clear();
		this.#advance(undecided);
		return { kind: "committed", seq: info.seq, bytes: commit.bytes.length };
	}

	/** By whichever clock went furthest since the last contact. */
	#wasLong(storeTimeMs: number | undefined): boolean {
		const byStoreMs = storeTimeMs === undefined || this.#lastStoreMs === undefined ? 0 : storeTimeMs - this.#lastStoreMs;
		return Math.max(byStoreMs, elapsedMs(this.#machine, this.#lastContact)) > LONG_PAUSE_MS;
	}

	/** A slot that retention swept can be "won" by a writer that slept: then a newer commit stands in the listing. */
	async #isNewest(seq: number, signal: AbortSignal | undefined): Promise<boolean> {
		return (await newestSeq(this.#store, signal)).seq === seq;
	}

	/** As `catchUp`, where the log has a newer commit at all. */
	async lookForNews(signal?: AbortSignal): Promise<void> {
		if (!(await this.#isNewest(this.#head.seq, signal))) await this.catchUp(signal);
	}

	/**
	 * Brings the head up to the log's newest commit. Never touches the disk.
	 * @returns the log is not a continuation of what this writer knew
	 */
	async catchUp(signal?: AbortSignal): Promise<boolean> {
		const { seq, storeTimeMs } = await newestSeq(this.#store, signal);
		const known = this.#head;
		let head: Head;
		let isBroken = false;
		let isCloned = false;
		try {
			// A listing that ends before what this writer knows: not the log it knew.
			if (seq <= known.seq) throw new SidecarError("OBJECT_NOT_FOUND", { value: this.#store.url, reason: `commit ${known.seq} is gone` });
			const commits = (await fetchCommits(this.#store, known.seq + 1, seq, signal)).map(({ commit }) => commit);
			head = foldCommits(known, commits);
			isCloned = commits.some(({ id, info }) => info.writer === this.#id && !this.#sent.has(id));
		} catch (error) {
			if (!(error instanceof SidecarError) || (error.code !== "OBJECT_NOT_FOUND" && error.code !== "OBJECT_CORRUPT")) throw error;
			// Swept or not a continuation of what this writer knows: the log itself is the authority.
			head = (await readLog(this.#store, signal && { signal })).head;
			// A log begins with its first writer's fence; this one is not there to begin another.
			if (head.seq === 0 && known.seq > 0) throw error;
			isBroken = head.id !== known.id && head.fence.seq <= this.#fenceSeq;
			// Where it only became shorter nobody else can have written under this name, as long as the fence still stands.
			const isShorter = head.seq < known.seq && head.fence.seq === this.#fenceSeq && head.fence.writer === this.#id;
			isCloned = this.#fenceSeq > 0 && isBroken && !isShorter;
		}
		this.#lastContact = now(this.#machine);
		this.#lastStoreMs = storeTimeMs;
		this.#isBehind = false;
		this.#catchUps++;
		this.#sent.clear();
		this.#head = head;
		this.index.rebuild(head.tree);
		if (isCloned) {
			this.#isCloned = true;
			this.#id = unusedId(this.#machine, head);
		}
		return isBroken;
	}

	#advance({ commit, info, delta, inlineBytes }: Undecided): void {
		const { tree } = this.#head;
		for (const path of [...delta.removed, ...delta.changed.keys()]) {
			const before = tree.get(path);
			if (before !== undefined) this.index.remove(before);
		}
		this.#head = advanceHead(this.#head, info, commit.id, delta, inlineBytes);
		for (const entry of delta.changed.values()) this.index.add(entry);
		this.index.prune();
	}

	#whole(delta: Delta): Delta {
		const changed = new Map<Path, Entry>(this.#head.tree);
		for (const path of delta.removed) changed.delete(path);
		for (const [path, entry] of delta.changed) changed.set(path, entry);
		return { changed, removed: new Set() };
	}

	/** `headIsRestorable` and the format's limits. */
	#check(delta: Delta): void {
		const bad = unrestorableAfter(this.#head.tree, delta);
		if (bad !== undefined) throw new SidecarError("INTERNAL", { value: bad.path, reason: `the tree could not be restored: ${bad.reason}` });
		const limit = this.isSuperseded ? MAX_ENTRIES - OWNERS_ENTRIES : MAX_ENTRIES;
		if (this.#head.tree.size + delta.changed.size > limit) {
			const exact = this.#whole(delta).changed.size;
			// What only replaces entries makes no tree larger, whoever's it is.
			if (exact > limit && exact > this.#head.tree.size)
				throw new SidecarError("WORKSPACE_TOO_LARGE", { reason: `${exact} files and directories, the limit is ${limit}` });
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

	/** `noDanglingReference`: content before reference, and nothing older than an hour that the head does not hold. */
	#mayRefer(delta: Delta, inline: readonly PendingBlock[]): boolean {
		const own = new Set<unknown>(inline.map(({ ref }) => ref));
		for (const entry of delta.changed.values()) {
			if (entry.type !== "file") continue;
			for (const chunk of entry.chunks) if (!own.has(chunk.block) && !this.index.allows(chunk)) return false;
		}
		return true;
	}
}

/** The kernel of a copied machine may draw the numbers of the original: no name that the head knows is taken again. */
function unusedId(machine: Machine, head: Head): string {
	for (;;) {
		const id = machine.randomBytes(16).toString("hex");
		if (id !== head.fence.writer && !head.tree.has(setAsideHome(id))) return id;
	}
}
