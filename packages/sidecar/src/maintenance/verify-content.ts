import { readBlocks } from "../commit/read-content.ts";
import { SidecarError } from "../errors.ts";
import { checkChunk, openBlock } from "../log/block.ts";
import { MAX_PACK_BYTES } from "../log/limits.ts";
import { checkPackHeader, checkWholePack, PACK_HEADER_BYTES } from "../log/pack-codec.ts";
import type { StoredObject } from "../log/plan-retention.ts";
import type { BlockRef, ChunkRef } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";

/** Blocks of one object by their place, with the content that commits say is in each. */
export type Blocks = ReadonlyMap<
	string,
	{ readonly block: BlockRef; readonly chunks: ReadonlyMap<string, ChunkRef> }
>;

/** Reads content and checks every SHA-256. */
export class ContentCheck {
	readonly #store: ObjectStore;
	readonly #signal: AbortSignal | undefined;
	/** Buffers that are not in use by a pack. */
	readonly #idle: Buffer[] = [];
	/** Raw bytes that were hashed. Bytes that are read again to find all damage count again. */
	checkedBytes = 0;

	constructor(store: ObjectStore, signal: AbortSignal | undefined) {
		this.#store = store;
		this.#signal = signal;
	}

	/**
	 * Checks the whole pack against its name, and every block in it. @throws SidecarError STORE_*,
	 * OBJECT_*, LIMIT_EXCEEDED
	 */
	async checkPack({ key, sizeBytes }: StoredObject, blocks: Blocks): Promise<void> {
		if (sizeBytes > MAX_PACK_BYTES)
			throw new SidecarError("LIMIT_EXCEEDED", {
				value: key,
				reason: `a pack of ${sizeBytes} bytes`,
			});
		const buffer = this.#idle.pop() ?? Buffer.allocUnsafeSlow(MAX_PACK_BYTES);
		try {
			const { body } = await this.#store.get(key, {
				into: buffer,
				signal: this.#signal,
			});
			// The `doctor` command races for one key with an empty pack of another name. It holds
			// nothing, and nothing refers to it.
			if (body.length === PACK_HEADER_BYTES && blocks.size === 0) checkPackHeader(key, body);
			else checkWholePack(key, body);
			for (const { block, chunks } of blocks.values())
				this.#checkBlock(
					chunks,
					openBlock(block, body.subarray(block.offset, block.offset + block.storedBytes)),
				);
		} finally {
			this.#idle.push(buffer);
		}
	}

	/**
	 * Checks the blocks of some objects, by ranges. @throws SidecarError STORE_*, OBJECT_*: the first
	 * one found
	 */
	async checkInline(objects: readonly Blocks[]): Promise<void> {
		let left = objects.flatMap((blocks) => [...blocks.values()]);
		while (left.length > 0) {
			// Reads are planned by place, and two commits may claim different content at one place.
			const round = new Map(left.map((each) => [placeOf(each.block), each]));
			left = left.filter((each) => round.get(placeOf(each.block)) !== each);
			const chunksOf = new Map([...round.values()].map(({ block, chunks }) => [block, chunks]));
			const take = async (block: BlockRef, raw: Buffer) =>
				this.#checkBlock(chunksOf.get(block) ?? new Map(), raw);
			await readBlocks(this.#store, chunksOf.keys(), new Map(), take, this.#signal);
		}
	}

	#checkBlock(chunks: ReadonlyMap<string, ChunkRef>, raw: Buffer): void {
		for (const chunk of chunks.values()) this.checkedBytes += checkChunk(chunk, raw).length;
	}
}

function placeOf({ key, offset }: BlockRef): string {
	return `${key}:${offset}`;
}
