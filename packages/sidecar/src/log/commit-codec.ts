import { zstdCompressSync } from "node:zlib";
import { SidecarError } from "../errors.ts";
import { encodePath } from "../path.ts";
import type { PendingBlock } from "./block.ts";
import { zstdChunkSize } from "./block.ts";
import { COMMIT_HEADER_BYTES, decodeHeader, encodeHeader, openManifest } from "./commit-header.ts";
import { logKey } from "./keys.ts";
import { MAX_MANIFEST_BYTES } from "./limits.ts";
import { decodeManifest, type Manifest } from "./manifest-decode.ts";
import { type Change, encodeManifest } from "./manifest-encode.ts";
import type { CommitInfo, Delta, ObjectKey, Tree } from "./types.ts";

export interface EncodedCommit {
	readonly key: ObjectKey;
	readonly bytes: Buffer;
	/** The commit's id, see commit-header.ts. */
	readonly id: string;
}

/** A commit as read: its manifest, and the place of its inline blocks. */
export interface DecodedCommit extends Manifest {
	readonly key: ObjectKey;
	readonly id: string;
	readonly objectBytes: number;
	/** Bytes of inline blocks. */
	readonly inlineBytes: number;
}

/**
 * Encodes a whole commit and gives its inline blocks their place.
 * @param base the tree a DELTA is folded onto: files whose chunks are mostly in it are written as
 * patches
 * @param inline blocks that go inside this commit; their refs are set
 * @throws SidecarError WORKSPACE_TOO_LARGE
 */
export function encodeCommit(
	info: CommitInfo,
	delta: Delta,
	base: Tree,
	inline: readonly PendingBlock[],
): EncodedCommit {
	const key = logKey(info.seq);
	// Manifests count inline offsets from the manifest's end, whose place is only known after its
	// compression.
	let inlineBytes = 0;
	for (const { ref, stored } of inline) {
		ref.key = key;
		ref.offset = inlineBytes;
		inlineBytes += stored.length;
	}
	const changes: Change[] = [...delta.changed].map(([path, entry]) => ({
		path,
		bytes: encodePath(path),
		entry,
		base: base.get(path),
	}));
	const removed = [...delta.removed].map((path) => encodePath(path));
	const raw = encodeManifest(info, key, changes, removed);
	if (raw.length > MAX_MANIFEST_BYTES) {
		throw new SidecarError("WORKSPACE_TOO_LARGE", {
			reason: `the manifest has ${raw.length} bytes, the limit is ${MAX_MANIFEST_BYTES}`,
		});
	}
	const manifest = zstdCompressSync(raw, { chunkSize: zstdChunkSize(raw.length) });
	const dataStart = COMMIT_HEADER_BYTES + manifest.length;
	const { header, id } = encodeHeader(dataStart + inlineBytes, manifest, raw.length, info.seq);
	for (const { ref } of inline) ref.offset += dataStart;
	return {
		key,
		bytes: Buffer.concat([header, manifest, ...inline.map((block) => block.stored)]),
		id,
	};
}

/**
 * How many of the object's first bytes `decodeCommit` needs. @throws SidecarError OBJECT_CORRUPT,
 * FORMAT_UNKNOWN, LIMIT_EXCEEDED
 */
export function neededBytes(key: ObjectKey, start: Buffer, totalBytes: number): number {
	return COMMIT_HEADER_BYTES + decodeHeader(key, start, totalBytes).manifestStoredBytes;
}

/**
 * @param start the object's first bytes, at least `neededBytes`
 * @param totalBytes the object's size as reported by the store
 * @throws SidecarError OBJECT_CORRUPT, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE
 */
export function decodeCommit(key: ObjectKey, start: Buffer, totalBytes: number): DecodedCommit {
	const header = decodeHeader(key, start, totalBytes);
	const raw = openManifest(key, header, start);
	const dataStart = COMMIT_HEADER_BYTES + header.manifestStoredBytes;
	const manifest = decodeManifest(key, header.seq, raw, dataStart, header.objectBytes);
	return {
		...manifest,
		key,
		id: header.id,
		objectBytes: header.objectBytes,
		inlineBytes: header.objectBytes - dataStart,
	};
}
