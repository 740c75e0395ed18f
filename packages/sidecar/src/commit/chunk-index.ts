import { samePlace } from "../log/same-entry.ts";
import type { Chunk, ChunkRef, Entry, Tree } from "../log/types.ts";
import { type Environment, elapsedMs, type Moment } from "./environment.ts";

/**
 * How long a commit may refer to an object that this writer put and no commit refers to yet.
 * Retention deletes an unreferenced object only after a commit that is a day younger. A commit that
 * refers to the object cannot come after that. So an hour leaves room for any clock.
 */
const RECENT_MS = 60 * 60 * 1000;

/**
 * The content that a commit may refer to without uploading it: (a) chunks that the head's tree
 * refers to, (b) chunks this writer put within the last hour. Nothing else: retention may be about
 * to delete an older object.
 */
export class ChunkIndex {
	readonly #environment: Environment;
	readonly #head = new Map<string, { readonly ref: ChunkRef; count: number }>();
	readonly #recent = new Map<string, { readonly ref: ChunkRef; readonly put: Moment }>();
	/** References from all files of the head's tree. */
	chunks = 0;

	constructor(environment: Environment) {
		this.#environment = environment;
	}

	/** The place of this content, if a commit may refer to it. */
	lookup(sha256: string): ChunkRef | undefined {
		return this.#head.get(sha256)?.ref ?? this.#fresh(sha256);
	}

	/**
	 * Where a commit made now may refer to this chunk: exactly at its place or, if it has none, where
	 * this writer put the same content last.
	 */
	place(chunk: Chunk): ChunkRef | undefined {
		const inHead = this.#head.get(chunk.sha256)?.ref;
		if (!hasPlace(chunk)) return this.#fresh(chunk.sha256) ?? inHead;
		// Try the head first: it does not need the clock, and it has most chunks of a large file.
		if (inHead !== undefined && samePlace(inHead, chunk)) return inHead;
		const recent = this.#fresh(chunk.sha256);
		return recent !== undefined && samePlace(recent, chunk) ? recent : undefined;
	}

	/** The head's tree gained an entry. */
	add(entry: Entry): void {
		if (entry.type !== "file") return;
		this.chunks += entry.chunks.length;
		for (const ref of entry.chunks) {
			const known = this.#head.get(ref.sha256);
			if (known === undefined) this.#head.set(ref.sha256, { ref, count: 1 });
			// The same content at a second place is not counted. When the first place goes, it is
			// uploaded again and never dangles.
			else if (samePlace(known.ref, ref)) known.count++;
		}
	}

	/** The head's tree lost an entry. */
	remove(entry: Entry): void {
		if (entry.type !== "file") return;
		this.chunks -= entry.chunks.length;
		for (const ref of entry.chunks) {
			const known = this.#head.get(ref.sha256);
			if (known === undefined || !samePlace(known.ref, ref)) continue;
			known.count--;
			if (known.count === 0) this.#head.delete(ref.sha256);
		}
	}

	/** Call it when the head is a different one. */
	rebuild(tree: Tree): void {
		this.#head.clear();
		this.chunks = 0;
		for (const entry of tree.values()) this.add(entry);
	}

	/**
	 * Records that this writer's PUT of these chunks succeeded.
	 * @param put a moment before it was sent: the machine may have slept for days between that and
	 * the answer
	 */
	addRecent(refs: Iterable<ChunkRef>, put: Moment): void {
		for (const ref of refs) this.#recent.set(ref.sha256, { ref, put });
	}

	/** Forgets uploads that a commit may no longer refer to. */
	prune(): void {
		// Chunks of one pack share their moment: ask the clock once per moment, not once per chunk.
		const isOld = new Map<Moment, boolean>();
		for (const [sha256, { put }] of this.#recent) {
			const known = isOld.get(put) ?? elapsedMs(this.#environment, put) >= RECENT_MS;
			isOld.set(put, known);
			if (known) this.#recent.delete(sha256);
		}
	}

	#fresh(sha256: string): ChunkRef | undefined {
		const recent = this.#recent.get(sha256);
		if (recent === undefined) return undefined;
		if (elapsedMs(this.#environment, recent.put) < RECENT_MS) return recent.ref;
		this.#recent.delete(sha256);
		return undefined;
	}
}

function hasPlace(chunk: Chunk): chunk is ChunkRef {
	return "key" in chunk.block;
}
