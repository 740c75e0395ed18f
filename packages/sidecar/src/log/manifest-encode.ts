import { compareBytes, encodePath } from "../path.ts";
import { ByteWriter } from "./byte-writer.ts";
import { seqOfKey, sha256OfPackKey } from "./keys.ts";
import { ENTRY, FLAG_BITS, KIND, NANOS_PER_SECOND, OBJECT } from "./manifest-words.ts";
import { samePlace } from "./same-entry.ts";
import type {
	Annotation,
	BlockRef,
	ChunkRef,
	CommitInfo,
	Entry,
	FileEntry,
	ObjectKey,
	Path,
} from "./types.ts";

export interface Change {
	readonly path: Path;
	readonly entry: Entry;
	/** The entry at this path in the tree that the commit is folded onto. */
	readonly base: Entry | undefined;
}

/**
 * The raw manifest; docs/format.md describes it byte by byte. @param removed paths' bytes, in any
 * order
 */
export function encodeManifest(
	info: CommitInfo,
	ownKey: ObjectKey,
	changes: readonly Change[],
	removed: readonly Buffer[],
): Buffer {
	const sorted = [...changes].sort((a, b) => compareBytes(a.path, b.path));
	const tables = new Tables(ownKey);
	const entries = new ByteWriter(64 * 1024);
	entries.varint(sorted.length);
	let before: Buffer = NO_PATH;
	for (const change of sorted) {
		before = writePath(entries, encodePath(change.path), before);
		writeEntry(entries, tables, change);
	}
	entries.varint(removed.length);
	before = NO_PATH;
	for (const path of [...removed].sort(Buffer.compare)) before = writePath(entries, path, before);
	writeAnnotations(entries, info.annotations ?? []);

	const out = new ByteWriter(entries.length + 64 * 1024);
	writeInfo(out, info);
	tables.write(out);
	out.bytes(entries.view());
	return out.view();
}

/** Nothing is written for none: such a manifest ends with its removed paths. */
function writeAnnotations(out: ByteWriter, annotations: readonly Annotation[]): void {
	if (annotations.length === 0) return;
	out.varint(annotations.length);
	for (const { path, name, value } of annotations) {
		for (const bytes of [encodePath(path), Buffer.from(name), Buffer.from(value)]) {
			out.varint(bytes.length);
			out.bytes(bytes);
		}
	}
}

function writeInfo(out: ByteWriter, info: CommitInfo): void {
	out.u8(KIND[info.kind]);
	let flags = 0;
	for (const [name, bit] of FLAG_BITS) if (info.flags[name] === true) flags |= bit;
	out.varint(flags);
	out.hex(info.previousId);
	out.hex(info.writer);
	out.varint(info.fenceSeq);
	out.varint(info.fullSeq);
	out.varint(info.wallTimeMs);
}

/** Objects, blocks and chunks, each written once and referred to by index. */
class Tables {
	readonly #ownKey: ObjectKey;
	readonly #objects = new Map<ObjectKey, number>();
	readonly #blocks = new Map<BlockRef, number>();
	readonly #chunks = new Map<ChunkRef, number>();
	/** The same chunk or block, reached through a different ChunkRef or BlockRef object. */
	readonly #chunkByName = new Map<string, number>();
	readonly #blockByName = new Map<string, number>();

	constructor(ownKey: ObjectKey) {
		this.#ownKey = ownKey;
	}

	chunk(ref: ChunkRef): number {
		const known = this.#chunks.get(ref);
		if (known !== undefined) return known;
		const block = this.#block(ref.block);
		const name = `${block}:${ref.offset}:${ref.sha256}`;
		const same = this.#chunkByName.get(name);
		if (same !== undefined) return same;
		const index = this.#chunks.size;
		this.#chunks.set(ref, index);
		this.#chunkByName.set(name, index);
		return index;
	}

	#block(ref: BlockRef): number {
		const known = this.#blocks.get(ref);
		if (known !== undefined) return known;
		const name = `${ref.key}:${ref.offset}`;
		const same = this.#blockByName.get(name);
		if (same !== undefined) return same;
		if (!this.#objects.has(ref.key)) this.#objects.set(ref.key, this.#objects.size);
		const index = this.#blocks.size;
		this.#blocks.set(ref, index);
		this.#blockByName.set(name, index);
		return index;
	}

	write(out: ByteWriter): void {
		out.varint(this.#objects.size);
		for (const key of this.#objects.keys()) this.#writeObject(out, key);
		out.varint(this.#blocks.size);
		for (const block of this.#blocks.keys()) {
			out.varint(this.#objects.get(block.key) as number);
			out.varint(block.offset);
			out.varint(block.storedBytes);
			out.varint(block.rawBytes);
			out.u8(block.codec);
			out.u32(block.crc32);
		}
		out.varint(this.#chunks.size);
		for (const chunk of this.#chunks.keys()) {
			out.varint(this.#block(chunk.block));
			out.varint(chunk.offset);
			out.varint(chunk.length);
			out.hex(chunk.sha256);
		}
	}

	#writeObject(out: ByteWriter, key: ObjectKey): void {
		if (key === this.#ownKey) return out.u8(OBJECT.own);
		const seq = seqOfKey(key);
		if (seq !== undefined) {
			out.u8(OBJECT.commit);
			return out.varint(seq);
		}
		out.u8(OBJECT.pack);
		out.hex(sha256OfPackKey(key) as string);
	}
}

const NO_PATH: Buffer = Buffer.alloc(0);

/**
 * One of several sorted paths, as (bytes shared with the previous one, its own bytes). @returns the
 * previous one of the next
 */
function writePath(out: ByteWriter, path: Buffer, before: Buffer): Buffer {
	let shared = 0;
	while (shared < before.length && shared < path.length && before[shared] === path[shared])
		shared++;
	out.varint(shared);
	out.varint(path.length - shared);
	out.bytes(path.subarray(shared));
	return path;
}

function writeEntry(out: ByteWriter, tables: Tables, { entry, base }: Change): void {
	if (entry.type === "file") return writeFile(out, tables, entry, base);
	if (entry.type === "dir") {
		out.u8(ENTRY.dir);
		out.varint(entry.mode);
		return writeTime(out, entry.mtimeNs);
	}
	out.u8(ENTRY.link);
	writeTime(out, entry.mtimeNs);
	const target = encodePath(entry.target);
	out.varint(target.length);
	out.bytes(target);
}

function writeFile(
	out: ByteWriter,
	tables: Tables,
	entry: FileEntry,
	base: Entry | undefined,
): void {
	const patch =
		base?.type === "file" && base.chunkBits === entry.chunkBits && entry.chunks.length > 1
			? changedChunks(entry, base)
			: undefined;
	const asPatch = patch !== undefined && patch.length < entry.chunks.length;
	out.u8(asPatch ? ENTRY.patch : ENTRY.file);
	out.varint(entry.mode);
	writeTime(out, entry.mtimeNs);
	out.varint(entry.size);
	out.u8(entry.chunkBits);
	if (!asPatch) {
		for (const chunk of entry.chunks) out.varint(tables.chunk(chunk));
		return;
	}
	out.varint(patch.length);
	let next = 0;
	for (const index of patch) {
		out.varint(index - next);
		out.varint(tables.chunk(entry.chunks[index] as ChunkRef));
		next = index + 1;
	}
}

/**
 * The indexes at which the entry differs from the base in content or place. The omitted chunks
 * equal the base exactly.
 */
function changedChunks(entry: FileEntry, base: FileEntry): number[] {
	const changed: number[] = [];
	for (const [index, chunk] of entry.chunks.entries()) {
		const before = base.chunks[index];
		if (before?.sha256 !== chunk.sha256 || !samePlace(before, chunk)) changed.push(index);
	}
	return changed;
}

function writeTime(out: ByteWriter, timeNs: bigint): void {
	let seconds = timeNs / NANOS_PER_SECOND;
	let nanos = timeNs % NANOS_PER_SECOND;
	if (nanos < 0n) {
		seconds -= 1n;
		nanos += NANOS_PER_SECOND;
	}
	out.signedVarint(Number(seconds));
	out.varint(Number(nanos));
}
