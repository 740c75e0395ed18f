/**
 * A second thread that writes files for a restore, so that two cores share the work.
 *
 * It gets blocks of which every wanted file is new, has one chunk, and is in a directory that is
 * still hidden in staging. Everything else, and every decision, stays with the thread that restores.
 * The stored bytes are in shared memory and are not copied.
 *
 * Guarantees: a request ends with the stats of its files or with an error, also if the thread
 * crashes or exceeds its memory. After `end` it writes nothing more. A thread that cannot start is
 * never free, so the restore works without it.
 */
import { availableParallelism } from "node:os";
import { type ResourceLimits, SHARE_ENV, Worker } from "node:worker_threads";
import { SidecarError } from "../errors.ts";
import type { BlockRef, Entry } from "../log/types.ts";
import type { Stat } from "../workspace/stat.ts";
import type { NewFile, WriteAnswer, WriteRequest } from "./write-worker.ts";

/**
 * The restoring thread looks for answers every 5 ms, while this one writes about one block. With two
 * it waits in between.
 */
const MOST_REQUESTS = 3;
/**
 * Files of one request. A block may hold one byte for each of a million, or be used by as many equal
 * ones; their names would not fit in the thread's memory.
 */
export const MOST_FILES = 2_000;
/**
 * The thread takes 100 ms to start, mostly on the other core. It saves half of 50 us per file and of
 * 2 ns per byte.
 */
const LEAST_FILES = 2_000;
const LEAST_BYTES = 64 * 1024 * 1024;
/** Of the JavaScript heap: all requests and their answers. */
const LIMITS: ResourceLimits = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 };

/** Beside this file, or beside the bundle that it became part of. */
const SCRIPT = new URL(
	import.meta.url.endsWith(".ts") ? "./write-worker.ts" : "./write-worker.mjs",
	import.meta.url,
);

interface Asked {
	resolve(stats: readonly Stat[]): void;
	reject(error: unknown): void;
}

/** Is there a second core, and enough to do for it if all of these are written? */
export function isWorthThread(entries: Iterable<Entry>): boolean {
	if (availableParallelism() < 2) return false;
	let files = 0;
	let bytes = 0;
	for (const entry of entries) {
		if (entry.type !== "file" || entry.chunks.length !== 1) continue;
		files++;
		bytes += entry.size;
	}
	return files >= LEAST_FILES || bytes >= LEAST_BYTES;
}

export class WriteThread {
	readonly #worker: Worker;
	/** Answered in this order. */
	readonly #asked: Asked[] = [];
	#isReady = false;
	#failure: SidecarError | undefined;

	constructor(resourceLimits = LIMITS) {
		this.#worker = new Worker(SCRIPT, { env: SHARE_ENV, execArgv: [], resourceLimits });
		this.#worker.on("message", (answer: WriteAnswer) => this.#take(answer));
		this.#worker.on("error", (error) => this.#fail(error));
		this.#worker.on("exit", (code) => this.#fail(new Error(`it ended with status ${code}`)));
	}

	/** Whether it would begin a request soon. */
	get isFree(): boolean {
		return this.#isReady && this.#asked.length < MOST_REQUESTS;
	}

	/**
	 * Only if it is free. @param stored unchanged until the promise settles
	 * @returns the stats of the files, in their order
	 * @throws SidecarError WORKSPACE_*, OBJECT_CORRUPT, SYSTEM_REFUSED if it needs too much memory
	 */
	async write(
		{ key, offset, storedBytes, rawBytes, codec, crc32 }: BlockRef,
		stored: Buffer,
		files: readonly NewFile[],
	): Promise<readonly Stat[]> {
		const isShared = stored.buffer instanceof SharedArrayBuffer;
		const request: WriteRequest = {
			block: { key, offset, storedBytes, rawBytes, codec, crc32 },
			// What is not shared is copied, and with it all of its buffer.
			stored: isShared ? stored : new Uint8Array(stored),
			files,
		};
		return await new Promise((resolve, reject) => {
			if (this.#failure !== undefined) return reject(this.#failure);
			this.#asked.push({ resolve, reject });
			this.#worker.postMessage(request);
		});
	}

	/** Resolves when the thread is gone. */
	async end(): Promise<void> {
		this.#isReady = false;
		await this.#worker.terminate();
	}

	#take(answer: WriteAnswer): void {
		if (answer.type === "ready") {
			this.#isReady = true;
			return;
		}
		const asked = this.#asked.shift();
		if (answer.type === "written") return asked?.resolve(answer.stats);
		const { code, message, value, remedy } = answer.error;
		const error = new SidecarError(code, { remedy, ...(value !== undefined && { value }) });
		asked?.reject(Object.assign(error, { message }));
	}

	#fail(cause: Error): void {
		this.#isReady = false;
		const isMemory = (cause as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY";
		const reason = `the thread that writes files failed: ${cause.message}`;
		this.#failure ??= new SidecarError(isMemory ? "SYSTEM_REFUSED" : "INTERNAL", { reason, cause });
		for (const { reject } of this.#asked.splice(0)) reject(this.#failure);
	}
}
