import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import PQueue from "p-queue";
import { compressBlock, emptyBlockRef, type PendingBlock, sealBlock, zstdChunkSize } from "../log/block.ts";
import { MAX_BLOCK_BYTES, MAX_INLINE_BYTES, MAX_PACK_BYTES } from "../log/limits.ts";
import { encodePack, PACK_HEADER_BYTES } from "../log/pack-codec.ts";
import type { ChunkRef } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { ChunkIndex } from "./chunk-index.ts";
import { putPack } from "./commit-once.ts";
import type { Machine } from "./machine.ts";

const compress = promisify(zstdCompress);

/** Below this a synchronous compression beats a trip to the thread pool (physics: 8 KB async 0.07 GB/s, sync 0.33). */
const SYNC_BYTES = 64 * 1024;
/** Blocks in the thread pool at once: two cores. */
const COMPRESSING = 2;
/** Packs on their way at once: with the one being filled, 48 MiB of memory. */
const UPLOADING = 2;

/**
 * Collects new chunks into blocks of up to 1 MiB (small ones together), and blocks into what travels inline or, beyond 4 MiB, into
 * packs that are put while the reading goes on. Content before reference: `finish` returns only when every pack is stored.
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
	#raw = Buffer.allocUnsafeSlow(SYNC_BYTES);
	#rawBytes = 0;
	#block = emptyBlockRef();
	#blockChunks: ChunkRef[] = [];
	#sealed: { readonly block: PendingBlock; readonly chunks: readonly ChunkRef[] }[] = [];
	#sealedBytes = 0;
	#failure: unknown;
	/** Bytes of packs. */
	uploadedBytes = 0;
	packs = 0;

	/** @param inlineLimitBytes how much may travel inside the commit; 0 when the segment's budget is spent */
	constructor(options: { store: ObjectStore; index: ChunkIndex; machine: Machine; inlineLimitBytes: number; signal?: AbortSignal | undefined }) {
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
		if (this.#rawBytes + bytes.length > this.#raw.length) this.#growRaw(this.#rawBytes + bytes.length);
		bytes.copy(this.#raw, this.#rawBytes);
		const ref: ChunkRef = { sha256, block: this.#block, offset: this.#rawBytes, length: bytes.length };
		this.#rawBytes += bytes.length;
		this.#blockChunks.push(ref);
		this.#known.set(sha256, ref);
		return ref;
	}

	/** The blocks that travel inside the commit; everything else is stored. @throws SidecarError as putPack */
	async finish(): Promise<readonly PendingBlock[]> {
		await this.#seal();
		await this.#compressing.onIdle();
		if (this.#sealedBytes > this.#inlineLimit || this.packs > 0) this.#spill(0);
		await this.#uploading.onIdle();
		if (this.#failure !== undefined) throw this.#failure;
		return this.#sealed.map(({ block }) => block);
	}

	async #seal(): Promise<void> {
		if (this.#failure !== undefined) throw this.#failure;
		if (this.#rawBytes === 0) return;
		const raw = this.#raw.subarray(0, this.#rawBytes);
		const ref = this.#block;
		const chunks = this.#blockChunks;
		this.#rawBytes = 0;
		this.#block = emptyBlockRef();
		this.#blockChunks = [];
		if (raw.length <= SYNC_BYTES) {
			this.#take(compressBlock(Buffer.from(raw), ref), chunks);
		} else {
			this.#raw = Buffer.allocUnsafeSlow(MAX_BLOCK_BYTES);
			this.#compressing
				.add(async () => {
					const compressed = await compress(raw, { chunkSize: zstdChunkSize(raw.length) });
					this.#take(sealBlock(ref, raw, compressed), chunks);
				})
				.catch((error: unknown) => {
					this.#failure ??= error;
				});
			await this.#compressing.onSizeLessThan(COMPRESSING);
		}
		if (this.#sealedBytes > MAX_PACK_BYTES) {
			this.#spill(MAX_PACK_BYTES);
			await this.#uploading.onSizeLessThan(1);
		}
	}

	#take(block: PendingBlock, chunks: readonly ChunkRef[]): void {
		this.#sealed.push({ block, chunks });
		this.#sealedBytes += block.stored.length;
	}

	/** Puts packs until at most `keepBytes` of sealed blocks are left. */
	#spill(keepBytes: number): void {
		while (this.#sealedBytes > keepBytes && this.#sealed.length > 0) {
			let bytes = PACK_HEADER_BYTES;
			let count = 0;
			for (const { block } of this.#sealed) {
				if (bytes + block.stored.length > MAX_PACK_BYTES) break;
				bytes += block.stored.length;
				count++;
			}
			const taken = this.#sealed.splice(0, Math.max(1, count));
			this.#sealedBytes -= taken.reduce((sum, { block }) => sum + block.stored.length, 0);
			this.packs++;
			const pack = encodePack(
				taken.map(({ block }) => block),
				this.#machine.randomBytes(16),
			);
			this.uploadedBytes += pack.bytes.length;
			this.#uploading
				.add(() => putPack(this.#store, pack.key, pack.bytes, this.#machine, this.#signal))
				.then(() => this.#index.addRecent(taken.flatMap(({ chunks }) => chunks)))
				.catch((error: unknown) => {
					this.#failure ??= error;
				});
		}
	}

	#growRaw(needed: number): void {
		const grown = Buffer.allocUnsafeSlow(Math.min(MAX_BLOCK_BYTES, Math.max(needed, this.#raw.length * 2)));
		this.#raw.copy(grown, 0, 0, this.#rawBytes);
		this.#raw = grown;
	}
}

