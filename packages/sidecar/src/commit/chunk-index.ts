import { maxEntryBytes } from "../log/manifest-size.ts";
import { samePlace } from "../log/same-entry.ts";
import type { Chunk, ChunkRef, Entry, Path, Tree } from "../log/types.ts";
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
	readonly #head = new Map<string, ChunkRef>();
	/** How often the head's tree refers to a chunk, if more than once. */
	readonly #counts = new Map<string, number>();
	readonly #recent = new Map<string, { readonly ref: ChunkRef; readonly put: Moment }>();
	/** References from all files of the head's tree. */
	chunks = 0;
	/** The most that a FULL manifest of the head's tree can have. */
	manifestBytes = 0;

	constructor(environment: Environment) {
		this.#environment = environment;
	}

	/** The place of this content, if a commit may refer to it. */
	lookup(sha256: string): ChunkRef | undefined {
		return this.#head.get(sha256) ?? this.#fresh(sha256);
	}

	/**
	 * Returns a function for one commit made now. It tells where the commit may refer to a chunk:
	 * exactly at its place or, if it has none, where this writer put the same content last.
	 */
	placing(): (chunk: Chunk) => ChunkRef | undefined {
		const isOld = this.#agesNow();
		return (chunk) => {
			const inHead = this.#head.get(chunk.sha256);
			if (!hasPlace(chunk)) return this.#fresh(chunk.sha256, isOld) ?? inHead;
			// Try the head first: it does not need the clock, and it has most chunks of a large file.
			if (inHead !== undefined && samePlace(inHead, chunk)) return inHead;
			const recent = this.#fresh(chunk.sha256, isOld);
			return recent !== undefined && samePlace(recent, chunk) ? recent : undefined;
		};
	}

	/** The head's tree gained an entry. */
	add(path: Path, entry: Entry): void {
		this.manifestBytes += maxEntryBytes(path, entry);
		if (entry.type !== "file") return;
		this.chunks += entry.chunks.length;
		for (const ref of entry.chunks) {
			const known = this.#head.get(ref.sha256);
			if (known === undefined) this.#head.set(ref.sha256, ref);
			// The same content at a second place is not counted. When the first place goes, it is
			// uploaded again and never dangles.
			else if (samePlace(known, ref))
				this.#counts.set(ref.sha256, (this.#counts.get(ref.sha256) ?? 1) + 1);
			// The head says the same for longer. After a first commit every chunk would be in both.
			const recent = this.#recent.get(ref.sha256);
			if (recent !== undefined && samePlace(recent.ref, ref)) this.#recent.delete(ref.sha256);
		}
	}

	/** The head's tree lost an entry. */
	remove(path: Path, entry: Entry): void {
		this.manifestBytes -= maxEntryBytes(path, entry);
		if (entry.type !== "file") return;
		this.chunks -= entry.chunks.length;
		for (const ref of entry.chunks) {
			const known = this.#head.get(ref.sha256);
			if (known === undefined || !samePlace(known, ref)) continue;
			const count = this.#counts.get(ref.sha256) ?? 1;
			if (count === 1) this.#head.delete(ref.sha256);
			else if (count === 2) this.#counts.delete(ref.sha256);
			else this.#counts.set(ref.sha256, count - 1);
		}
	}

	/** Call it when the head is a different one. */
	rebuild(tree: Tree): void {
		this.#head.clear();
		this.#counts.clear();
		this.chunks = 0;
		this.manifestBytes = 0;
		for (const [path, entry] of tree) this.add(path, entry);
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
		const isOld = this.#agesNow();
		for (const [sha256, { put }] of this.#recent) if (isOld(put)) this.#recent.delete(sha256);
	}

	#fresh(sha256: string, isOld = this.#agesNow()): ChunkRef | undefined {
		const recent = this.#recent.get(sha256);
		if (recent === undefined) return undefined;
		if (!isOld(recent.put)) return recent.ref;
		this.#recent.delete(sha256);
		return undefined;
	}

	/**
	 * Chunks of one pack share their moment: ask the clock once per moment, not once per chunk. A
	 * look at the boot clock opens /proc/uptime.
	 */
	#agesNow(): (put: Moment) => boolean {
		const known = new Map<Moment, boolean>();
		return (put) => {
			const isOld = known.get(put) ?? elapsedMs(this.#environment, put) >= RECENT_MS;
			known.set(put, isOld);
			return isOld;
		};
	}
}

function hasPlace(chunk: Chunk): chunk is ChunkRef {
	return "key" in chunk.block;
}
