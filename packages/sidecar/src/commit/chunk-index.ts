import { samePlace } from "../log/same-entry.ts";
import type { ChunkRef, Entry, Tree } from "../log/types.ts";
import { elapsedMs, type Machine, type Moment } from "./machine.ts";

/**
 * How long an object this writer put may be referred to before a commit does. Retention leaves an
 * unreferenced object until a commit lands that is a day younger: one that refers to it cannot
 * follow. So an hour leaves room for any clock.
 */
const RECENT_MS = 60 * 60 * 1000;

/**
 * What a commit may refer to without uploading it: (a) chunks the head's tree refers to, (b) chunks
 * this writer put within the last hour. Nothing else: an older object may be on its way out.
 */
export class ChunkIndex {
	readonly #machine: Machine;
	readonly #head = new Map<string, { readonly ref: ChunkRef; count: number }>();
	readonly #recent = new Map<string, { readonly ref: ChunkRef; readonly put: Moment }>();
	/** References from all files of the head's tree. */
	chunks = 0;

	constructor(machine: Machine) {
		this.#machine = machine;
	}

	/** Where this content lies, if a commit may say so. */
	lookup(sha256: string): ChunkRef | undefined {
		return this.#head.get(sha256)?.ref ?? this.#fresh(sha256);
	}

	/** May a commit made now refer to exactly this place? */
	allows(ref: ChunkRef): boolean {
		const inHead = this.#head.get(ref.sha256)?.ref;
		// The head first: it needs no look at the clock, and most of a large file's chunks are there.
		if (inHead !== undefined && samePlace(inHead, ref)) return true;
		const recent = this.#fresh(ref.sha256);
		return recent !== undefined && samePlace(recent, ref);
	}

	/** The head's tree gained an entry. */
	add(entry: Entry): void {
		if (entry.type !== "file") return;
		this.chunks += entry.chunks.length;
		for (const ref of entry.chunks) {
			const known = this.#head.get(ref.sha256);
			if (known === undefined) this.#head.set(ref.sha256, { ref, count: 1 });
			// The same content at a second place is not counted: when the first place goes, it is
			// uploaded anew, never dangling.
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

	/** The head is another one. */
	rebuild(tree: Tree): void {
		this.#head.clear();
		this.chunks = 0;
		for (const entry of tree.values()) this.add(entry);
	}

	/**
	 * This writer's PUT of these chunks succeeded.
	 * @param put a moment before it was sent: between that and its answer the machine may have slept
	 * for days
	 */
	addRecent(refs: Iterable<ChunkRef>, put: Moment): void {
		for (const ref of refs) this.#recent.set(ref.sha256, { ref, put });
	}

	/** Forgets uploads that may no longer be referred to. */
	prune(): void {
		// Chunks of one pack share their moment: the clock is asked once for each, not once a chunk.
		const isOld = new Map<Moment, boolean>();
		for (const [sha256, { put }] of this.#recent) {
			const known = isOld.get(put) ?? elapsedMs(this.#machine, put) >= RECENT_MS;
			isOld.set(put, known);
			if (known) this.#recent.delete(sha256);
		}
	}

	#fresh(sha256: string): ChunkRef | undefined {
		const recent = this.#recent.get(sha256);
		if (recent === undefined) return undefined;
		if (elapsedMs(this.#machine, recent.put) < RECENT_MS) return recent.ref;
		this.#recent.delete(sha256);
		return undefined;
	}
}
