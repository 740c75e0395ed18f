import { zstdCompressSync } from "node:zlib";
import { SidecarError } from "../errors.ts";
import { encodePath } from "../path.ts";
import { type InlineChunk, type PendingBlock, zstdChunkSize } from "./block.ts";
import { COMMIT_HEADER_BYTES, decodeHeader, encodeHeader, openManifest } from "./commit-header.ts";
import { logKey } from "./keys.ts";
import { MAX_MANIFEST_BYTES } from "./limits.ts";
import { decodeManifest, type Manifest } from "./manifest-decode.ts";
import { type Change, encodeManifest } from "./manifest-encode.ts";
import type {
	BlockRef,
	ChunkRef,
	CommitInfo,
	Delta,
	Entry,
	ObjectKey,
	Path,
	Tree,
} from "./types.ts";

export interface EncodedCommit {
	readonly key: ObjectKey;
	readonly bytes: Buffer;
	/** The commit's id, see commit-header.ts. */
	readonly id: string;
	/** The delta, with the place of its inline blocks. */
	readonly delta: Delta;
	/** Bytes of inline blocks. */
	readonly inlineBytes: number;
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
 * @param tree the head's. A DELTA is folded onto it: files whose chunks are mostly in it are written
 * as patches. A FULL commit holds all of it.
 * @throws SidecarError WORKSPACE_TOO_LARGE
 */
export function encodeCommit(
	info: CommitInfo,
	delta: Delta<ChunkRef | InlineChunk>,
	tree: Tree,
): EncodedCommit {
	const key = logKey(info.seq);
	// Manifests count inline offsets from the manifest's end, whose place is only known after its
	// compression.
	const inline: Buffer[] = [];
	let inlineBytes = 0;
	const relative = place(delta, ({ block, stored }) => {
		const ref = { ...block, key, offset: inlineBytes };
		inline.push(stored);
		inlineBytes += stored.length;
		return ref;
	});
	const isFull = info.kind === "full";
	const whole = isFull ? wholeTree(tree, relative) : relative.changed;
	const changes: Change[] = [];
	for (const [path, entry] of whole)
		changes.push({ path, entry, base: isFull ? undefined : tree.get(path) });
	const removed = isFull ? [] : [...delta.removed].map((path) => encodePath(path));
	const raw = encodeManifest(info, key, changes, removed);
	if (raw.length > MAX_MANIFEST_BYTES) {
		throw new SidecarError("WORKSPACE_TOO_LARGE", {
			reason: `the manifest has ${raw.length} bytes, the limit is ${MAX_MANIFEST_BYTES}`,
		});
	}
	const manifest = zstdCompressSync(raw, { chunkSize: zstdChunkSize(raw.length) });
	const dataStart = COMMIT_HEADER_BYTES + manifest.length;
	const { header, id } = encodeHeader(dataStart + inlineBytes, manifest, raw.length, info.seq);
	let offset = dataStart;
	const placed = place(delta, ({ block, stored }) => {
		const ref = { ...block, key, offset };
		offset += stored.length;
		return ref;
	});
	const bytes = Buffer.concat([header, manifest, ...inline]);
	return { key, bytes, id, delta: placed, inlineBytes };
}

/** The entries after a delta. */
export function wholeTree<C>(tree: Tree, delta: Delta<C>): Map<Path, Entry<C | ChunkRef>> {
	const whole = new Map<Path, Entry<C | ChunkRef>>(tree);
	for (const path of delta.removed) whole.delete(path);
	for (const [path, entry] of delta.changed) whole.set(path, entry);
	return whole;
}

/** @param refOf called once for each inline block, in an order that depends only on the delta */
function place(
	{ changed, removed }: Delta<ChunkRef | InlineChunk>,
	refOf: (block: PendingBlock) => BlockRef,
): Delta {
	const refs = new Map<PendingBlock, BlockRef>();
	const placed = (chunk: ChunkRef | InlineChunk): ChunkRef => {
		if (!isInline(chunk)) return chunk;
		const ref = refs.get(chunk.block) ?? refOf(chunk.block);
		refs.set(chunk.block, ref);
		return { ...chunk, block: ref };
	};
	const entries = new Map<Path, Entry>();
	for (const [path, entry] of changed)
		entries.set(path, isPlaced(entry) ? entry : { ...entry, chunks: entry.chunks.map(placed) });
	return { changed: entries, removed };
}

/** True of most entries of a large commit, which are then used as they are. */
function isPlaced(entry: Entry<ChunkRef | InlineChunk>): entry is Entry {
	return entry.type !== "file" || !entry.chunks.some(isInline);
}

function isInline(chunk: ChunkRef | InlineChunk): chunk is InlineChunk {
	return "stored" in chunk.block;
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
