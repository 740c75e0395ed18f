import { crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { SidecarError } from "../errors.ts";
import type { BlockRef } from "./types.ts";

/** A block whose bytes are here and whose place is not decided before its object is. */
export interface PendingBlock {
	/** Shared by every chunk in it; key and offset are set when the object is encoded. */
	readonly ref: { -readonly [K in keyof BlockRef]: BlockRef[K] };
	readonly stored: Buffer;
}

/**
 * zlib's output buffer: the default of 16 KiB costs 2-4x on large frames, a large one costs 4x on small frames (physics, section 3).
 */
export function zstdChunkSize(rawBytes: number): number {
	return Math.max(1024, rawBytes + 1024);
}

/** A block's ref before its bytes and its place are known; chunks may point at it already. */
export function emptyBlockRef(): PendingBlock["ref"] {
	return { key: "", offset: 0, storedBytes: 0, rawBytes: 0, codec: 0, crc32: 0 };
}

/** Fills a ref with what became of its bytes. Keeps the raw bytes where compression does not shrink them: `stored` may be `raw` itself. */
export function sealBlock(ref: PendingBlock["ref"], raw: Buffer, compressed: Buffer): PendingBlock {
	const shrinks = compressed.length < raw.length;
	const stored = shrinks ? compressed : raw;
	ref.storedBytes = stored.length;
	ref.rawBytes = raw.length;
	ref.codec = shrinks ? 1 : 0;
	ref.crc32 = crc32(stored);
	return { ref, stored };
}

export function compressBlock(raw: Buffer, ref = emptyBlockRef()): PendingBlock {
	return sealBlock(ref, raw, zstdCompressSync(raw, { chunkSize: zstdChunkSize(raw.length) }));
}

/**
 * The raw bytes of a block.
 * @param stored exactly `ref.storedBytes` bytes as read from the object
 * @throws SidecarError OBJECT_CORRUPT naming the object
 */
export function openBlock(ref: BlockRef, stored: Buffer): Buffer {
	const corrupt = (reason: string, cause?: unknown) =>
		new SidecarError("OBJECT_CORRUPT", { value: ref.key, reason: `${reason} in the block at byte ${ref.offset}`, cause });
	if (stored.length !== ref.storedBytes) throw corrupt(`${stored.length} of ${ref.storedBytes} bytes`);
	if (crc32(stored) !== ref.crc32) throw corrupt("wrong checksum");
	if (ref.codec === 0) return stored;
	let raw: Buffer;
	try {
		raw = zstdDecompressSync(stored, { chunkSize: zstdChunkSize(ref.rawBytes), maxOutputLength: ref.rawBytes });
	} catch (cause) {
		throw corrupt("zstd refuses the bytes", cause);
	}
	if (raw.length !== ref.rawBytes) throw corrupt(`${raw.length} raw bytes instead of ${ref.rawBytes}`);
	return raw;
}

/**
 * Gives the memory of a block's raw bytes back now, not when the collector looks; nobody may use them any more. The next block finds
 * the same pages, which in a VM are dear when new: 93 blocks of 1 MiB take 68 ms instead of 239.
 */
export function freeBlock(raw: Buffer): void {
	// What is smaller may lie in memory that Node shares out.
	if (raw.length > Buffer.poolSize && raw.buffer instanceof ArrayBuffer) raw.buffer.transfer(0);
}
