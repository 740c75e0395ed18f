import { Readable } from "node:stream";
import PQueue from "p-queue";
import { type FoundChunk, readChunks } from "../commit/read-content.ts";
import type { LogRead } from "../commit/read-log.ts";
import { contentOf } from "../history/inspect.ts";
import { attributesOf } from "../log/object-attributes.ts";
import type { ChunkRef, Entry, FileEntry, Path } from "../log/types.ts";
import { compareBytes, encodePath } from "../path.ts";
import type { PlainSink } from "../store/plain.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Progress } from "../telemetry/types.ts";

/** Uploads of up to 1 MiB each, in parallel. */
const PARALLEL_PUTS = 16;
/**
 * Parallel uploads of files of more than one chunk, each with its own parts in flight: their bytes
 * are copied twice on the way.
 */
const PARALLEL_STREAMS = 1;
/** The amount fetched at once for a large file. */
const WINDOW_BYTES = 8 * 1024 * 1024;
/**
 * The amount passed on at once: lib-storage joins pieces until they exceed a part, and keeps the
 * excess with it.
 */
const PIECE_BYTES = 1024 * 1024;

export interface ExportObjectsOptions {
	readonly store: ObjectStore;
	readonly read: LogRead;
	readonly sink: PlainSink;
	readonly progress: Progress;
	readonly signal?: AbortSignal | undefined;
}

export interface ExportedObjects {
	files: number;
	directories: number;
	links: number;
	bytes: number;
	readonly notCarried: readonly { readonly path: Path; readonly reason: string }[];
}

/**
 * Writes a tree as plain objects: key = path. Directories are objects without bytes whose key ends
 * in `/`. Links are objects that hold their target. Modes and times are metadata
 * (`object-attributes.ts`). The object of the root, the bare prefix, comes last: if it exists, an
 * export has completed.
 *
 * Small files are read by blocks, many with one request; larger ones are streamed. Memory does not
 * grow with the amount exported. Does NOT remove anything, and does NOT show a consistent state to
 * readers while it runs.
 * @throws SidecarError STORE_*, OBJECT_CORRUPT, OBJECT_NOT_FOUND; what was written stays
 */
export async function exportObjects(options: ExportObjectsOptions): Promise<ExportedObjects> {
	return await new ObjectExport(options).run();
}

class ObjectExport {
	readonly #options: ExportObjectsOptions;
	readonly #stop = new AbortController();
	readonly #signal: AbortSignal;
	readonly #small = new PQueue({ concurrency: PARALLEL_PUTS });
	readonly #large = new PQueue({ concurrency: PARALLEL_STREAMS });
	readonly #notCarried: { path: Path; reason: string }[] = [];
	#failure: { readonly error: unknown } | undefined;
	readonly #counts = { files: 0, directories: 0, links: 0, bytes: 0 };

	constructor(options: ExportObjectsOptions) {
		this.#options = options;
		this.#signal =
			options.signal === undefined
				? this.#stop.signal
				: AbortSignal.any([options.signal, this.#stop.signal]);
	}

	async run(): Promise<ExportedObjects> {
		const { progress } = this.#options;
		const entries = this.#carried();
		const files = entries.flatMap(([path, entry]): [Path, FileEntry][] =>
			entry.type === "file" ? [[path, entry]] : [],
		);
		progress.start("export", {
			files: files.length,
			bytes: files.reduce((sum, [, { size }]) => sum + size, 0),
		});
		for (const [path, entry] of files.filter(([, { chunks }]) => chunks.length > 1)) {
			await this.#add(this.#large, () =>
				this.#put(path, entry, Readable.from(this.#content(entry), { objectMode: false })),
			);
		}
		// Large files first: the heap that thousands of small requests leave behind then does not add
		// to their buffers.
		await this.#large.onIdle();
		for (const [path, entry] of entries) {
			if (entry.type === "link")
				await this.#add(this.#small, () => this.#put(path, entry, encodePath(entry.target)));
			else if (entry.type === "dir" && path !== "")
				await this.#add(this.#small, () => this.#put(`${path}/`, entry, Buffer.alloc(0)));
		}
		await this.#putSmall(files.filter(([, { chunks }]) => chunks.length < 2));
		await this.#small.onIdle();
		this.#throwFailure();
		const root = entries.find(([path]) => path === "");
		if (root !== undefined) await this.#put("", root[1], Buffer.alloc(0));
		progress.end();
		return { ...this.#counts, notCarried: this.#notCarried };
	}

	/** Ordered by the paths' bytes. */
	#carried(): (readonly [Path, Entry])[] {
		const { sink, read } = this.#options;
		const carried: (readonly [Path, Entry])[] = [];
		for (const [path, entry] of [...read.head.tree].sort(([a], [b]) => compareBytes(a, b))) {
			const reason = sink.unfit(entry.type === "dir" && path !== "" ? `${path}/` : path);
			if (reason === undefined) carried.push([path, entry]);
			else this.#notCarried.push({ path, reason });
		}
		return carried;
	}

	/** Sends files of one chunk, block by block. */
	async #putSmall(files: readonly (readonly [Path, FileEntry])[]): Promise<void> {
		const { store, read } = this.#options;
		const byChunk = new Map<ChunkRef, (readonly [Path, FileEntry])[]>();
		for (const [path, entry] of files) {
			const [chunk] = entry.chunks;
			if (chunk === undefined) {
				await this.#add(this.#small, () => this.#put(path, entry, Buffer.alloc(0)));
				continue;
			}
			const known = byChunk.get(chunk);
			if (known === undefined) byChunk.set(chunk, [[path, entry]]);
			else known.push([path, entry]);
		}
		const take = async (found: readonly FoundChunk[]) => {
			for (const { chunk, bytes } of found)
				for (const [path, entry] of byChunk.get(chunk) ?? []) {
					// The block's buffer is reused before the upload is complete.
					const body = Buffer.from(bytes);
					await this.#add(this.#small, () => this.#put(path, entry, body));
				}
		};
		try {
			await readChunks(store, byChunk.keys(), read.starts, take, this.#signal);
		} catch (error) {
			this.#fail(error);
		}
		this.#throwFailure();
	}

	async *#content(file: FileEntry): AsyncGenerator<Buffer> {
		const { store, read } = this.#options;
		for await (const part of contentOf(store, read, file, WINDOW_BYTES, this.#signal)) {
			for (let at = 0; at < part.length; at += PIECE_BYTES)
				yield Buffer.from(part.subarray(at, at + PIECE_BYTES));
		}
	}

	async #put(key: string, entry: Entry, body: Buffer | Readable): Promise<void> {
		const { sink, progress } = this.#options;
		const sizeBytes = entry.type === "file" ? entry.size : (body as Buffer).length;
		const refused = await sink.put(key, body, {
			sizeBytes,
			metadata: attributesOf(entry),
			signal: this.#signal,
		});
		if (refused !== undefined)
			this.#notCarried.push({
				path: entry.type === "dir" ? key.slice(0, -1) : key,
				reason: refused,
			});
		else if (entry.type === "file") {
			this.#counts.files++;
			this.#counts.bytes += sizeBytes;
			progress.advance({ files: 1, bytes: sizeBytes });
		} else if (entry.type === "link") this.#counts.links++;
		else if (key !== "") this.#counts.directories++;
	}

	/** Waits while enough tasks are running, which limits the memory. */
	async #add(queue: PQueue, task: () => Promise<void>): Promise<void> {
		await queue.onSizeLessThan(1);
		this.#throwFailure();
		queue.add(task).catch((error: unknown) => this.#fail(error));
	}

	#fail(error: unknown): void {
		this.#failure ??= { error };
		this.#stop.abort();
	}

	#throwFailure(): void {
		this.#options.signal?.throwIfAborted();
		if (this.#failure !== undefined) throw this.#failure.error;
	}
}
