/**
 * A log in memory that tests write commit by commit, without a disk: thousands of commits take a
 * second. It is read like any store, and counts its reads. Nothing but the log's own codec writes it.
 */

import { SidecarError } from "../../sidecar/src/errors.ts";
import type { InlineChunk } from "../../sidecar/src/log/block.ts";
import { decodeCommit, encodeCommit } from "../../sidecar/src/log/commit-codec.ts";
import { EMPTY_HEAD, foldOnto, type Head, ownedHead } from "../../sidecar/src/log/fold.ts";
import { logKey, seqOfKey } from "../../sidecar/src/log/keys.ts";
import type {
	ChunkRef,
	CommitInfo,
	Delta,
	Entry,
	Path,
	Tree,
} from "../../sidecar/src/log/types.ts";
import type { GetResult, ListPage, ObjectStore } from "../../sidecar/src/store/port.ts";
import { fileOf, infoOf } from "../arbitrary-log.ts";

/** The store's time of commit 1; each later commit is a minute later. */
export const FIRST_COMMIT_MS = Date.UTC(2026, 0, 1);
export const MS_PER_COMMIT = 60_000;

export class WrittenLog {
	readonly objects = new Map<string, Buffer>();
	/** As of each commit; index 0 is the empty workspace. */
	readonly trees: Tree[] = [EMPTY_HEAD.tree];
	head: Head = EMPTY_HEAD;
	gets = 0;
	/** Most GETs at the same time. */
	most = 0;
	#now = 0;

	/** Appends a commit. @returns its number */
	commit(delta: Delta<ChunkRef | InlineChunk>, info: Partial<CommitInfo> = {}): number {
		const seq = this.head.seq + 1;
		const isFull = info.kind === "full";
		const whole = infoOf(seq, {
			flags: seq === 1 ? { fence: true } : {},
			fullSeq: isFull ? seq : this.head.fullSeq,
			previousId: this.head.id,
			...info,
		});
		const { key, bytes } = encodeCommit(whole, delta, this.head.tree);
		this.objects.set(key, bytes);
		this.head = foldOnto(ownedHead(this.head), [decodeCommit(key, bytes, bytes.length)]);
		this.trees.push(this.head.tree);
		return seq;
	}

	/** Files by path, with their directories; undefined removes one. @returns the commit's number */
	write(
		files: Readonly<Record<Path, string | undefined>>,
		info: Partial<CommitInfo> = {},
		meta = { mode: 0o644, mtimeNs: 0n },
	): number {
		const changed = new Map<Path, Entry<ChunkRef | InlineChunk>>();
		const removed = new Set<Path>();
		for (const [path, text] of Object.entries(files)) {
			if (text === undefined) {
				removed.add(path);
				continue;
			}
			const names = path.split("/").slice(0, -1);
			for (let count = 0; count <= names.length; count++) {
				const parent = names.slice(0, count).join("/");
				if (!this.head.tree.has(parent))
					changed.set(parent, { type: "dir", mode: 0o755, mtimeNs: 0n });
			}
			changed.set(path, fileOf(Buffer.from(text), 20, meta));
		}
		return this.commit({ changed, removed }, info);
	}

	delete(seq: number): void {
		this.objects.delete(logKey(seq));
	}

	get store(): ObjectStore {
		return {
			url: "memory:",
			list: (prefix: string, options: { startAfter?: string; limit?: number } = {}) =>
				this.#list(prefix, options),
			get: async (key: string, options: { range?: { offset: number; length: number } } = {}) =>
				await this.#get(key, options.range),
		} as unknown as ObjectStore;
	}

	async *#list(
		prefix: string,
		{ startAfter = "", limit = Number.POSITIVE_INFINITY }: { startAfter?: string; limit?: number },
	): AsyncGenerator<ListPage> {
		const keys = [...this.objects.keys()]
			.filter((key) => key.startsWith(prefix) && key > startAfter)
			.sort()
			.slice(0, limit);
		const storeTimeMs = timeOf(this.head.seq) + MS_PER_COMMIT;
		const pages = Math.max(1, Math.ceil(keys.length / 1_000));
		for (let page = 0; page < pages; page++) {
			const objects = keys.slice(page * 1_000, (page + 1) * 1_000).map((key) => ({
				key,
				sizeBytes: this.objects.get(key)?.length ?? 0,
				lastModifiedMs: this.#timeOf(key),
			}));
			yield { objects, storeTimeMs };
		}
	}

	async #get(
		key: string,
		{ offset, length }: { offset: number; length: number } = {
			offset: 0,
			length: Number.POSITIVE_INFINITY,
		},
	): Promise<GetResult> {
		this.gets++;
		this.most = Math.max(this.most, ++this.#now);
		await Promise.resolve();
		this.#now--;
		const bytes = this.objects.get(key);
		if (bytes === undefined) throw new SidecarError("OBJECT_NOT_FOUND", { value: key });
		return {
			body: bytes.subarray(offset, offset + length),
			totalBytes: bytes.length,
			lastModifiedMs: this.#timeOf(key),
		};
	}

	#timeOf(key: string): number {
		return timeOf(seqOfKey(key) ?? 0);
	}
}

function timeOf(seq: number): number {
	return FIRST_COMMIT_MS + (seq - 1) * MS_PER_COMMIT;
}
