import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { SidecarError } from "../errors.ts";
import type { PendingBlock } from "./block.ts";
import { packKey, sha256OfPackKey } from "./keys.ts";
import type { Block, Chunk, ChunkRef, ObjectKey } from "./types.ts";

/**
 * A pack: 28 bytes of header, then blocks back to back. Only manifests record the place of each
 * block.
 *
 *     0  4  magic "OCSP"
 *     4  2  format version, 1
 *     6  2  zero
 *     8 16  nonce from the kernel's RNG: the same content put twice makes two objects, so that
 *           deleting one cannot delete the other
 *    24  4  CRC-32 of bytes 0-23
 */
export const PACK_HEADER_BYTES = 28;
const MAGIC = Buffer.from("OCSP", "latin1");
const VERSION = 1;

/**
 * Puts blocks into one pack, in a buffer that the caller lends and may reuse once the pack is
 * stored.
 */
export class PackWriter {
	readonly #buffer: Buffer;
	readonly #held: { block: Block; chunks: readonly Chunk[]; offset: number }[] = [];
	#length = PACK_HEADER_BYTES;

	/** @param buffer as large as the pack may become @param nonce 16 bytes from the kernel's RNG */
	constructor(buffer: Buffer, nonce: Buffer) {
		this.#buffer = buffer;
		MAGIC.copy(buffer);
		buffer.writeUInt16LE(VERSION, 4);
		buffer.writeUInt16LE(0, 6);
		nonce.copy(buffer, 8, 0, 16);
		buffer.writeUInt32LE(crc32(buffer.subarray(0, 24)), 24);
	}

	/** Copies the block of these chunks in; false if it does not fit. */
	add({ block, stored }: PendingBlock, chunks: readonly Chunk[]): boolean {
		if (this.#length + stored.length > this.#buffer.length) return false;
		this.#held.push({ block, chunks, offset: this.#length });
		stored.copy(this.#buffer, this.#length);
		this.#length += stored.length;
		return true;
	}

	/** Names the pack, which gives every chunk its place. */
	finish(): {
		readonly key: ObjectKey;
		readonly bytes: Buffer;
		readonly chunks: readonly ChunkRef[];
	} {
		const bytes = this.#buffer.subarray(0, this.#length);
		const key = packKey(createHash("sha256").update(bytes).digest("hex"));
		const chunks = this.#held.flatMap(({ block, chunks, offset }) => {
			const ref = { ...block, key, offset };
			return chunks.map((chunk) => ({ ...chunk, block: ref }));
		});
		return { key, bytes, chunks };
	}
}

/** @param start the pack's first bytes. @throws SidecarError OBJECT_CORRUPT, FORMAT_UNKNOWN */
export function checkPackHeader(key: ObjectKey, start: Buffer): void {
	const corrupt = (reason: string) => new SidecarError("OBJECT_CORRUPT", { value: key, reason });
	if (start.length < PACK_HEADER_BYTES) throw corrupt("it ends within its header");
	if (!start.subarray(0, 4).equals(MAGIC)) throw corrupt("it is not a pack");
	if (crc32(start.subarray(0, 24)) !== start.readUInt32LE(24))
		throw corrupt("its header's checksum is wrong");
	const version = start.readUInt16LE(4);
	if (version !== VERSION)
		throw new SidecarError("FORMAT_UNKNOWN", { value: key, reason: `pack format ${version}` });
	if (start.readUInt16LE(6) !== 0) throw corrupt("reserved bytes are set");
}

/**
 * Checks every byte of a pack against its name. @throws SidecarError OBJECT_CORRUPT, FORMAT_UNKNOWN
 */
export function checkWholePack(key: ObjectKey, bytes: Buffer): void {
	checkPackHeader(key, bytes);
	if (createHash("sha256").update(bytes).digest("hex") !== sha256OfPackKey(key)) {
		throw new SidecarError("OBJECT_CORRUPT", {
			value: key,
			reason: "its content does not match its name",
		});
	}
}
