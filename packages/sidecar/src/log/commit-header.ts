import { createHash } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { SidecarError } from "../errors.ts";
import { zstdChunkSize } from "./block.ts";
import { seqOfKey } from "./keys.ts";
import { MAX_COMMIT_BYTES, MAX_MANIFEST_BYTES } from "./limits.ts";
import type { ObjectKey } from "./types.ts";

/**
 * The first 64 bytes of a commit.
 *
 *     0  4  magic "OCSC"
 *     4  2  format version, 1
 *     6  2  zero
 *     8  8  bytes of the whole object
 *    16  4  stored bytes of the manifest (one zstd frame)
 *    20  4  raw bytes of the manifest
 *    24  8  seq
 *    32 32  the commit's id: SHA-256 of bytes 0-31 and the stored manifest
 *
 * The manifest holds the SHA-256 of every chunk and the CRC-32 of every block it refers to. So the
 * id covers all of the commit's content, although only header and manifest are hashed. The chain
 * can be checked from the first bytes of each commit.
 */
export const COMMIT_HEADER_BYTES = 64;
const MAGIC = Buffer.from("OCSC", "latin1");
const VERSION = 1;

export interface CommitHeader {
	readonly objectBytes: number;
	readonly manifestStoredBytes: number;
	readonly manifestRawBytes: number;
	readonly seq: number;
	readonly id: string;
}

export function encodeHeader(
	objectBytes: number,
	manifest: Buffer,
	manifestRawBytes: number,
	seq: number,
): { header: Buffer; id: string } {
	const header = Buffer.alloc(COMMIT_HEADER_BYTES);
	MAGIC.copy(header);
	header.writeUInt16LE(VERSION, 4);
	header.writeBigUInt64LE(BigInt(objectBytes), 8);
	header.writeUInt32LE(manifest.length, 16);
	header.writeUInt32LE(manifestRawBytes, 20);
	header.writeBigUInt64LE(BigInt(seq), 24);
	const digest = createHash("sha256").update(header.subarray(0, 32)).update(manifest).digest();
	digest.copy(header, 32);
	return { header, id: digest.toString("hex") };
}

/**
 * @param start the object's first bytes: at least 64, or all of a shorter object
 * @param totalBytes the object's size as reported by the store
 * @throws SidecarError OBJECT_CORRUPT, FORMAT_UNKNOWN, LIMIT_EXCEEDED
 */
export function decodeHeader(key: ObjectKey, start: Buffer, totalBytes: number): CommitHeader {
	const corrupt = (reason: string) => new SidecarError("OBJECT_CORRUPT", { value: key, reason });
	if (start.length < COMMIT_HEADER_BYTES) throw corrupt("it ends within its header");
	if (!start.subarray(0, 4).equals(MAGIC)) throw corrupt("it is not a commit");
	const version = start.readUInt16LE(4);
	if (version !== VERSION)
		throw new SidecarError("FORMAT_UNKNOWN", { value: key, reason: `commit format ${version}` });
	if (start.readUInt16LE(6) !== 0) throw corrupt("reserved bytes are set");
	const objectBytes = Number(start.readBigUInt64LE(8));
	const manifestStoredBytes = start.readUInt32LE(16);
	const manifestRawBytes = start.readUInt32LE(20);
	const seq = Number(start.readBigUInt64LE(24));
	if (objectBytes !== totalBytes)
		throw corrupt(`it has ${totalBytes} bytes instead of ${objectBytes}`);
	if (seq !== seqOfKey(key)) throw corrupt(`it claims to be commit ${seq}`);
	if (objectBytes > MAX_COMMIT_BYTES || manifestRawBytes > MAX_MANIFEST_BYTES) {
		throw new SidecarError("LIMIT_EXCEEDED", {
			value: key,
			reason: `${objectBytes} bytes with a manifest of ${manifestRawBytes} bytes`,
		});
	}
	if (COMMIT_HEADER_BYTES + manifestStoredBytes > objectBytes)
		throw corrupt("its manifest is longer than the object");
	return {
		objectBytes,
		manifestStoredBytes,
		manifestRawBytes,
		seq,
		id: start.toString("hex", 32, 64),
	};
}

/**
 * The raw manifest, once its bytes are verified against the id. @throws SidecarError OBJECT_CORRUPT
 */
export function openManifest(key: ObjectKey, header: CommitHeader, start: Buffer): Buffer {
	const corrupt = (reason: string, cause?: unknown) =>
		new SidecarError("OBJECT_CORRUPT", { value: key, reason, cause });
	const stored = start.subarray(
		COMMIT_HEADER_BYTES,
		COMMIT_HEADER_BYTES + header.manifestStoredBytes,
	);
	if (stored.length !== header.manifestStoredBytes) throw corrupt("it ends within its manifest");
	const id = createHash("sha256").update(start.subarray(0, 32)).update(stored).digest("hex");
	if (id !== header.id) throw corrupt("the checksum of its header and manifest is wrong");
	try {
		const raw = zstdDecompressSync(stored, {
			chunkSize: zstdChunkSize(header.manifestRawBytes),
			maxOutputLength: Math.max(1, header.manifestRawBytes),
		});
		if (raw.length !== header.manifestRawBytes)
			throw corrupt("its manifest has another length than declared");
		return raw;
	} catch (cause) {
		throw cause instanceof SidecarError ? cause : corrupt("zstd refuses its manifest", cause);
	}
}
