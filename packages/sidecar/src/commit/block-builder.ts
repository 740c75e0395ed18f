import { promisify } from "node:util";
import { zstdCompress, zstdCompressSync } from "node:zlib";
import PQueue from "p-queue";
import {
	compressBlock,
	freeBlock,
	type PendingBlock,
	sealBlock,
	unsealedBlock,
	zstdChunkSize,
} from "../log/block.ts";
import { MAX_BLOCK_BYTES, MAX_INLINE_BYTES } from "../log/limits.ts";
import { PackWriter } from "../log/pack-codec.ts";
import type { Chunk } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { ChunkIndex } from "./chunk-index.ts";
import { putPack } from "./commit-once.ts";
import { type Environment, now } from "./environment.ts";

const compress = promisify(zstdCompress);

/**
 * Below this size a synchronous compression is faster than the thread pool (8 KB: 0.07 GB/s async,
 * 0.33 GB/s sync).
 */
const SYNC_BYTES = 64 * 1024;
/** Blocks in the thread pool at once, for two cores. */
const COMPRESSING = 2;
/**
 * The size at which a pack is sent: eight incompressible blocks and the header. With three packs in
 * flight (124 MB/s at 100 ms and 85 MB/s each) and one being filled, that takes 32 MiB of memory.
 */
const PACK_BYTES = 8 * 1024 * 1024 + 64 * 1024;
const UPLOADING = 3;

/** A MiB of random bytes costs 2 ms in zstd, its four samples 0.1 ms. */
const SAMPLES = 4;
const SAMPLE_BYTES = 4 * 1024;

interface Sealed {
	readonly block: PendingBlock;
	readonly chunks: readonly Chunk[];
	/** The buffer that collected the raw bytes, for reuse. */
	readonly raw: Buffer | undefined;
}

/**
 * Collects new chunks into blocks of up to 1 MiB, small ones together. Blocks go inline or, beyond
 * 4 MiB, into packs that are put while the reads continue. Content before reference: `finish`
 * returns only when every pack is stored. Buffers are reused, so that memory does not grow with the
 * amount captured.
 */
export class BlockBuilder {
	readonly #store: ObjectStore;
	readonly #index: ChunkIndex;
	readonly #environment: Environment;
	readonly #inlineLimit: number;
	readonly #signal: AbortSignal | undefined;
	readonly #known = new Map<string, Chunk>();
	readonly #compressing = new PQueue({ concurrency: COMPRESSING });
	readonly #uploading = new PQueue({ concurrency: UPLOADING });
	readonly #idleRaw: Buffer[] = [];
	readonly #idlePacks: Buffer[] = [];
	#raw: Buffer = Buffer.allocUnsafeSlow(SYNC_BYTES);
	#rawBytes = 0;
	#block = unsealedBlock();
	#blockChunks: Chunk[] = [];
	#sealed: Sealed[] = [];
	#sealedBytes = 0;
	#pack: PackWriter | undefined;
	#packBuffer: Buffer | undefined;
	#failure: unknown;
	/** The last block that went through a whole compression: more like it follow. */
	#didNotShrink = false;
	/** Bytes of packs. */
	uploadedBytes = 0;
	/** New content, before compression. */
	addedBytes = 0;

	/**
	 * @param options.inlineLimitBytes how many bytes may go inside the commit; 0 when the segment's
	 * budget is spent
	 */
	constructor(options: {
		store: ObjectStore;
		index: ChunkIndex;
		environment: Environment;
		inlineLimitBytes: number;
		signal?: AbortSignal | undefined;
	}) {
		this.#store = options.store;
		this.#index = options.index;
		this.#environment = options.environment;
		this.#inlineLimit = Math.min(options.inlineLimitBytes, MAX_INLINE_BYTES);
		this.#signal = options.signal;
	}

	/** A chunk with this content that was added before. */
	lookup(sha256: string): Chunk | undefined {
		return this.#known.get(sha256);
	}

	/** Copies the bytes. The chunk has no place until it is in a commit or in a stored pack. */
	async add(sha256: string, bytes: Buffer): Promise<Chunk> {
		if (this.#rawBytes + bytes.length > MAX_BLOCK_BYTES) await this.#seal();
		if (this.#rawBytes + bytes.length > this.#raw.length) this.#growRaw();
		bytes.copy(this.#raw, this.#rawBytes);
		const chunk: Chunk = {
			sha256,
			block: this.#block,
			offset: this.#rawBytes,
			length: bytes.length,
		};
		this.#rawBytes += bytes.length;
		this.addedBytes += bytes.length;
		this.#blockChunks.push(chunk);
		this.#known.set(sha256, chunk);
		return chunk;
	}

	/**
	 * The blocks that go inside the commit; everything else is stored. @throws SidecarError as
	 * putPack
	 */
	async finish(): Promise<readonly PendingBlock[]> {
		await this.#seal();
		await this.#compressing.onIdle();
		await this.#fillPacks();
		this.#ship();
		await this.#uploading.onIdle();
		// 32 MiB, just before the commit's encoding needs the most memory of a flush.
		for (const buffer of this.#idlePacks.splice(0)) freeBlock(buffer);
		if (this.#failure !== undefined) throw this.#failure;
		return this.#sealed.map(({ block }) => block);
	}

	async #seal(): Promise<void> {
		if (this.#failure !== undefined) throw this.#failure;
		if (this.#rawBytes === 0) return;
		const buffer = this.#raw;
		const raw = buffer.subarray(0, this.#rawBytes);
		const block = this.#block;
		const chunks = this.#blockChunks;
		this.#rawBytes = 0;
		this.#block = unsealedBlock();
		this.#blockChunks = [];
		if (raw.length <= SYNC_BYTES) {
			// Incompressible bytes are stored as they are, so they need their own copy: the buffer is
			// reused.
			this.#take({ block: compressBlock(Buffer.from(raw), block), chunks, raw: undefined });
		} else {
			this.#raw = this.#idleRaw.pop() ?? Buffer.allocUnsafeSlow(MAX_BLOCK_BYTES);
			if (this.#didNotShrink && !shrinksInSamples(raw)) {
				this.#take({ block: sealBlock(block, raw, raw), chunks, raw: buffer });
			} else {
				this.#compressing
					.add(async () => {
						const compressed = await compress(raw, { chunkSize: zstdChunkSize(raw.length) });
						this.#didNotShrink = compressed.length >= raw.length;
						this.#take({ block: sealBlock(block, raw, compressed), chunks, raw: buffer });
					})
					.catch((error: unknown) => {
						this.#failure ??= error;
					});
				await this.#compressing.onSizeLessThan(1);
			}
		}
		await this.#fillPacks();
	}

	#take(sealed: Sealed): void {
		this.#sealed.push(sealed);
		this.#sealedBytes += sealed.block.stored.length;
	}

	/** Sends everything in packs once there is too much for the commit. */
	async #fillPacks(): Promise<void> {
		if (this.#pack === undefined && this.#sealedBytes <= this.#inlineLimit) return;
		for (const { block, chunks, raw } of this.#sealed.splice(0)) {
			this.#sealedBytes -= block.stored.length;
			if (this.#pack?.add(block, chunks) !== true) {
				this.#ship();
				// No pack waits, so at most three are in flight and one buffer is free.
				await this.#uploading.onSizeLessThan(1);
				this.#packBuffer = this.#idlePacks.pop() ?? Buffer.allocUnsafeSlow(PACK_BYTES);
				this.#pack = new PackWriter(this.#packBuffer, this.#environment.randomBytes(16));
				this.#pack.add(block, chunks);
			}
			if (raw?.length === MAX_BLOCK_BYTES && this.#idleRaw.length < COMPRESSING)
				this.#idleRaw.push(raw);
		}
	}

	/** Sends the current pack. */
	#ship(): void {
		const buffer = this.#packBuffer;
		if (this.#pack === undefined || buffer === undefined) return;
		const { key, bytes, chunks } = this.#pack.finish();
		this.#pack = undefined;
		this.#packBuffer = undefined;
		this.uploadedBytes += bytes.length;
		this.#uploading
			.add(async () => {
				const put = now(this.#environment);
				try {
					await putPack(this.#store, key, bytes, this.#environment, this.#signal);
					this.#index.addRecent(chunks, put);
				} finally {
					this.#idlePacks.push(buffer);
				}
			})
			.catch((error: unknown) => {
				this.#failure ??= error;
			});
	}

	/** Small captures keep a small buffer. Beyond it, the buffer holds a whole block. */
	#growRaw(): void {
		const grown = this.#idleRaw.pop() ?? Buffer.allocUnsafeSlow(MAX_BLOCK_BYTES);
		this.#raw.copy(grown, 0, 0, this.#rawBytes);
		this.#raw = grown;
	}
}

/**
 * Would compression shrink these bytes? Asked only after a block that did not shrink: samples miss
 * what repeats at a distance, such as two versions of one archive.
 */
function shrinksInSamples(raw: Buffer): boolean {
	const step = Math.floor(raw.length / SAMPLES);
	const samples = Array.from({ length: SAMPLES }, (_, i) =>
		raw.subarray(i * step, i * step + SAMPLE_BYTES),
	);
	const joined = Buffer.concat(samples);
	return (
		zstdCompressSync(joined, { chunkSize: zstdChunkSize(joined.length) }).length < joined.length
	);
}
