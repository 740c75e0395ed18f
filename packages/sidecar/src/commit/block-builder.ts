import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import PQueue from "p-queue";
import {
	compressBlock,
	emptyBlockRef,
	type PendingBlock,
	sealBlock,
	zstdChunkSize,
} from "../log/block.ts";
import { MAX_BLOCK_BYTES, MAX_INLINE_BYTES } from "../log/limits.ts";
import { PackWriter } from "../log/pack-codec.ts";
import type { ChunkRef } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { ChunkIndex } from "./chunk-index.ts";
import { putPack } from "./commit-once.ts";
import { type Machine, now } from "./machine.ts";

const compress = promisify(zstdCompress);

/**
 * Below this a synchronous compression beats a trip to the thread pool (physics: 8 KB async 0.07
 * GB/s, sync 0.33).
 */
const SYNC_BYTES = 64 * 1024;
/** Blocks in the thread pool at once: two cores. */
const COMPRESSING = 2;
/**
 * A pack is sent at this size (eight blocks that do not shrink, and the header): with three on
 * their way (124 MB/s at 100 ms and 85 MB/s each) and one being filled, 32 MiB of memory.
 */
const PACK_BYTES = 8 * 1024 * 1024 + 64 * 1024;
const UPLOADING = 3;

interface Sealed {
	readonly block: PendingBlock;
	readonly chunks: readonly ChunkRef[];
	/** The buffer the raw bytes were collected in, to be used again. */
	readonly raw: Buffer | undefined;
}

/**
 * Collects new chunks into blocks of up to 1 MiB (small ones together), and blocks into what
 * travels inline or, beyond 4 MiB, into packs that are put while the reading goes on. Content
 * before reference: `finish` returns only when every pack is stored. Buffers are used again and
 * again, so that memory does not grow with what is captured.
 */
export class BlockBuilder {
	readonly #store: ObjectStore;
	readonly #index: ChunkIndex;
	readonly #machine: Machine;
	readonly #inlineLimit: number;
	readonly #signal: AbortSignal | undefined;
	readonly #known = new Map<string, ChunkRef>();
	readonly #compressing = new PQueue({ concurrency: COMPRESSING });
	readonly #uploading = new PQueue({ concurrency: UPLOADING });
	readonly #idleRaw: Buffer[] = [];
	readonly #idlePacks: Buffer[] = [];
	#raw: Buffer = Buffer.allocUnsafeSlow(SYNC_BYTES);
	#rawBytes = 0;
	#block = emptyBlockRef();
	#blockChunks: ChunkRef[] = [];
	#sealed: Sealed[] = [];
	#sealedBytes = 0;
	#pack: PackWriter | undefined;
	#packBuffer: Buffer | undefined;
	#packChunks: ChunkRef[] = [];
	#failure: unknown;
	/** Bytes of packs. */
	uploadedBytes = 0;
	/** New content, before compression. */
	addedBytes = 0;

	/**
	 * @param options.inlineLimitBytes how much may travel inside the commit; 0 when the segment's
	 * budget is spent
	 */
	constructor(options: {
		store: ObjectStore;
		index: ChunkIndex;
		machine: Machine;
		inlineLimitBytes: number;
		signal?: AbortSignal | undefined;
	}) {
		this.#store = options.store;
		this.#index = options.index;
		this.#machine = options.machine;
		this.#inlineLimit = Math.min(options.inlineLimitBytes, MAX_INLINE_BYTES);
		this.#signal = options.signal;
	}

	/** A chunk added before, by content. */
	lookup(sha256: string): ChunkRef | undefined {
		return this.#known.get(sha256);
	}

	/** Copies the bytes. The ref's place is decided by `finish`. */
	async add(sha256: string, bytes: Buffer): Promise<ChunkRef> {
		if (this.#rawBytes + bytes.length > MAX_BLOCK_BYTES) await this.#seal();
		if (this.#rawBytes + bytes.length > this.#raw.length) this.#growRaw();
		bytes.copy(this.#raw, this.#rawBytes);
		const ref: ChunkRef = {
			sha256,
			block: this.#block,
			offset: this.#rawBytes,
			length: bytes.length,
		};
		this.#rawBytes += bytes.length;
		this.addedBytes += bytes.length;
		this.#blockChunks.push(ref);
		this.#known.set(sha256, ref);
		return ref;
	}

	/**
	 * The blocks that travel inside the commit; everything else is stored. @throws SidecarError as
	 * putPack
	 */
	async finish(): Promise<readonly PendingBlock[]> {
		await this.#seal();
		await this.#compressing.onIdle();
		await this.#fillPacks();
		this.#ship();
		await this.#uploading.onIdle();
		if (this.#failure !== undefined) throw this.#failure;
		return this.#sealed.map(({ block }) => block);
	}

	async #seal(): Promise<void> {
		if (this.#failure !== undefined) throw this.#failure;
		if (this.#rawBytes === 0) return;
		const buffer = this.#raw;
		const raw = buffer.subarray(0, this.#rawBytes);
		const ref = this.#block;
		const chunks = this.#blockChunks;
		this.#rawBytes = 0;
		this.#block = emptyBlockRef();
		this.#blockChunks = [];
		if (raw.length <= SYNC_BYTES) {
			// What does not shrink is stored as it is, so it needs bytes of its own: the buffer goes on.
			this.#take({ block: compressBlock(Buffer.from(raw), ref), chunks, raw: undefined });
		} else {
			this.#raw = this.#idleRaw.pop() ?? Buffer.allocUnsafeSlow(MAX_BLOCK_BYTES);
			this.#compressing
				.add(async () => {
					const compressed = await compress(raw, { chunkSize: zstdChunkSize(raw.length) });
					this.#take({ block: sealBlock(ref, raw, compressed), chunks, raw: buffer });
				})
				.catch((error: unknown) => {
					this.#failure ??= error;
				});
			await this.#compressing.onSizeLessThan(1);
		}
		await this.#fillPacks();
	}

	#take(sealed: Sealed): void {
		this.#sealed.push(sealed);
		this.#sealedBytes += sealed.block.stored.length;
	}

	/** Once there is too much for the commit, everything goes to packs. */
	async #fillPacks(): Promise<void> {
		if (this.#pack === undefined && this.#sealedBytes <= this.#inlineLimit) return;
		for (const { block, chunks, raw } of this.#sealed.splice(0)) {
			this.#sealedBytes -= block.stored.length;
			if (this.#pack?.add(block) !== true) {
				this.#ship();
				// No pack waits, so at most three are on their way and one buffer is free.
				await this.#uploading.onSizeLessThan(1);
				this.#packBuffer = this.#idlePacks.pop() ?? Buffer.allocUnsafeSlow(PACK_BYTES);
				this.#pack = new PackWriter(this.#packBuffer, this.#machine.randomBytes(16));
				this.#pack.add(block);
			}
			this.#packChunks.push(...chunks);
			if (raw?.length === MAX_BLOCK_BYTES && this.#idleRaw.length < COMPRESSING)
				this.#idleRaw.push(raw);
		}
	}

	/** Sends the pack that is being filled. */
	#ship(): void {
		const buffer = this.#packBuffer;
		if (this.#pack === undefined || buffer === undefined) return;
		const { key, bytes } = this.#pack.finish();
		const chunks = this.#packChunks;
		this.#pack = undefined;
		this.#packBuffer = undefined;
		this.#packChunks = [];
		this.uploadedBytes += bytes.length;
		this.#uploading
			.add(async () => {
				const put = now(this.#machine);
				try {
					await putPack(this.#store, key, bytes, this.#machine, this.#signal);
					this.#index.addRecent(chunks, put);
				} finally {
					this.#idlePacks.push(buffer);
				}
			})
			.catch((error: unknown) => {
				this.#failure ??= error;
			});
	}

	/** Small captures keep a small buffer; beyond it, one that holds a whole block. */
	#growRaw(): void {
		const grown = this.#idleRaw.pop() ?? Buffer.allocUnsafeSlow(MAX_BLOCK_BYTES);
		this.#raw.copy(grown, 0, 0, this.#rawBytes);
		this.#raw = grown;
	}
}
