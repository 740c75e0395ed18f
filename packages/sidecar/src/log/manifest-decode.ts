import { SidecarError } from "../errors.ts";
import { decodeName } from "../path.ts";
import { compareAnnotations, isAnnotationName } from "./annotations.ts";
import { ByteReader } from "./byte-reader.ts";
import { logKey, packKey } from "./keys.ts";
import {
	FILE_CHUNK_BITS,
	MAX_ANNOTATION_BYTES,
	MAX_ANNOTATIONS,
	MAX_BLOCK_BYTES,
	MAX_CHUNKS,
	MAX_ENTRIES,
	MAX_LINK_BYTES,
	MAX_NAME_BYTES,
	MAX_PATH_BYTES,
	MAX_STORED_BLOCK_BYTES,
	MAX_TIME_SECONDS,
} from "./limits.ts";
import {
	ENTRY,
	FLAG_BITS,
	KIND,
	NANOS_PER_SECOND,
	OBJECT,
	SHA256_BYTES,
	WRITER_BYTES,
} from "./manifest-words.ts";
import { unsafePath } from "./safe-path.ts";
import type {
	Annotation,
	BlockRef,
	ChunkRef,
	CommitFlags,
	CommitInfo,
	DirEntry,
	FileEntry,
	LinkEntry,
	ObjectKey,
	Path,
} from "./types.ts";

/**
 * A file of which only the changed chunks are written; the rest is in the tree that the commit is
 * folded onto.
 */
export interface FilePatch extends Omit<FileEntry, "type" | "chunks"> {
	readonly type: "patch";
	readonly changed: ReadonlyMap<number, ChunkRef>;
}

export interface Manifest {
	readonly info: CommitInfo;
	readonly changed: ReadonlyMap<Path, FileEntry | FilePatch | DirEntry | LinkEntry>;
	readonly removed: ReadonlySet<Path>;
}

/**
 * Checks everything that can be checked without the tree: paths, order, places, sizes.
 * @throws SidecarError OBJECT_CORRUPT, FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE
 */
export function decodeManifest(
	key: ObjectKey,
	seq: number,
	raw: Buffer,
	dataStart: number,
	objectBytes: number,
): Manifest {
	const reader = new ByteReader(raw, key);
	const info = readInfo(reader, seq);
	const objects = readObjects(reader, key);
	const blocks = readBlocks(reader, objects, key, dataStart, objectBytes);
	const chunks = readChunks(reader, blocks);
	const changed = new Map<Path, FileEntry | FilePatch | DirEntry | LinkEntry>();
	readPaths(reader, key, (path) => {
		changed.set(path, readEntry(reader, chunks, path));
	});
	const removed = new Set<Path>();
	readPaths(reader, key, (path) => {
		if (changed.has(path)) reader.fail("a path is both changed and removed");
		removed.add(path);
	});
	const annotations = reader.left === 0 ? undefined : readAnnotations(reader);
	reader.end();
	if (info.kind === "full" && removed.size > 0) reader.fail("a FULL commit removes paths");
	return { info: annotations === undefined ? info : { ...info, annotations }, changed, removed };
}

function readInfo(reader: ByteReader, seq: number): CommitInfo {
	const kindWord = reader.u8();
	const kind =
		kindWord === KIND.full
			? "full"
			: kindWord === KIND.delta
				? "delta"
				: reader.fail("an unknown kind of commit", "FORMAT_UNKNOWN");
	let bits = reader.varint();
	const flags: { -readonly [K in keyof CommitFlags]: CommitFlags[K] } = {};
	for (const [name, bit] of FLAG_BITS) {
		if (Math.floor(bits / bit) % 2 === 0) continue;
		flags[name] = true;
		bits -= bit;
	}
	if (bits !== 0) reader.fail("an unknown flag", "FORMAT_UNKNOWN");
	const previousId = reader.hex(SHA256_BYTES);
	const writer = reader.hex(WRITER_BYTES);
	const fenceSeq = reader.varint();
	const fullSeq = reader.varint();
	const wallTimeMs = reader.varint();
	if (fenceSeq > seq || (flags.fence === true) !== (fenceSeq === seq))
		reader.fail("its fence is not possible for its number");
	if (kind === "full" ? fullSeq !== seq : fullSeq >= seq)
		reader.fail("its FULL commit is not before it");
	return { seq, kind, flags, writer, fenceSeq, fullSeq, previousId, wallTimeMs };
}

function readObjects(reader: ByteReader, ownKey: ObjectKey): ObjectKey[] {
	const objects: ObjectKey[] = [];
	for (let left = reader.count(MAX_CHUNKS, "objects"); left > 0; left--) {
		const word = reader.u8();
		if (word === OBJECT.own) objects.push(ownKey);
		else if (word === OBJECT.commit) objects.push(logKey(reader.varint()));
		else if (word === OBJECT.pack) objects.push(packKey(reader.hex(SHA256_BYTES)));
		else reader.fail("an unknown kind of object", "FORMAT_UNKNOWN");
	}
	return objects;
}

/** A block entry is at least 9 bytes: four varints, codec, CRC. */
function readBlocks(
	reader: ByteReader,
	objects: readonly ObjectKey[],
	ownKey: ObjectKey,
	dataStart: number,
	objectBytes: number,
): BlockRef[] {
	const blocks: BlockRef[] = [];
	for (let left = reader.count(MAX_CHUNKS, "blocks", 9); left > 0; left--) {
		const key =
			objects[reader.varint()] ?? reader.fail("a block is in an object that is not listed");
		const written = reader.varint();
		const storedBytes = reader.varint();
		const rawBytes = reader.varint();
		const codec = reader.u8();
		const crc32 = reader.u32();
		if (codec !== 0 && codec !== 1) reader.fail("an unknown compression", "FORMAT_UNKNOWN");
		if (rawBytes > MAX_BLOCK_BYTES || storedBytes > MAX_STORED_BLOCK_BYTES)
			reader.fail(`a block of ${Math.max(rawBytes, storedBytes)} bytes`, "LIMIT_EXCEEDED");
		if (codec === 0 && rawBytes !== storedBytes)
			reader.fail("an uncompressed block with two sizes");
		const own = key === ownKey;
		const offset = own ? dataStart + written : written;
		if (own && offset + storedBytes > objectBytes)
			reader.fail("a block reaches past the object's end");
		blocks.push({ key, offset, storedBytes, rawBytes, codec: codec === 0 ? 0 : 1, crc32 });
	}
	return blocks;
}

/** A chunk entry is at least 35 bytes: three varints and a SHA-256. */
function readChunks(reader: ByteReader, blocks: readonly BlockRef[]): ChunkRef[] {
	const chunks: ChunkRef[] = [];
	for (let left = reader.count(MAX_CHUNKS, "chunks", 35); left > 0; left--) {
		const block =
			blocks[reader.varint()] ?? reader.fail("a chunk is in a block that is not listed");
		const offset = reader.varint();
		const length = reader.varint();
		const sha256 = reader.hex(SHA256_BYTES);
		if (offset + length > block.rawBytes) reader.fail("a chunk reaches past its block");
		chunks.push({ sha256, block, offset, length });
	}
	return chunks;
}

/** Strictly ascending by path and name. An annotation is at least 4 bytes: two lengths of 1, a name. */
function readAnnotations(reader: ByteReader): Annotation[] {
	const annotations: Annotation[] = [];
	const text = (limit: number, what: string) => reader.bytes(reader.count(limit, what));
	for (let left = reader.count(MAX_ANNOTATIONS, "annotations", 4); left > 0; left--) {
		const path = decodeName(text(MAX_PATH_BYTES, "bytes of an annotation's path"));
		const name = text(MAX_NAME_BYTES, "bytes of an annotation's name").toString("latin1");
		const value = text(MAX_ANNOTATION_BYTES, "bytes of an annotation").toString();
		if (!isAnnotationName(name)) reader.fail("an annotation's name is not one");
		const annotation = { path, name, value };
		const last = annotations.at(-1);
		if (last !== undefined && compareAnnotations(last, annotation) >= 0)
			reader.fail("its annotations are not in order or come twice");
		annotations.push(annotation);
	}
	if (annotations.length === 0) reader.fail("it declares annotations and holds none");
	return annotations;
}

/** Strictly ascending by bytes, so that no path comes twice. */
function readPaths(reader: ByteReader, key: ObjectKey, take: (path: Path) => void): void {
	// The previous path; each next path is written into the same buffer.
	const bytes = Buffer.allocUnsafe(MAX_PATH_BYTES);
	let length: number | undefined;
	for (let left = reader.count(MAX_ENTRIES, "entries", 2); left > 0; left--) {
		const shared = reader.varint();
		if (shared > (length ?? 0)) reader.fail("a path shares more bytes than the previous path has");
		const ownBytes = reader.varint();
		if (shared + ownBytes > MAX_PATH_BYTES) reader.fail("a path is too long", "LIMIT_EXCEEDED");
		const own = reader.bytes(ownBytes);
		if (length !== undefined && bytes.compare(own, 0, ownBytes, shared, length) >= 0)
			reader.fail("its paths are not in order or come twice", "TREE_UNSAFE");
		own.copy(bytes, shared);
		length = shared + ownBytes;
		const path = decodeName(bytes.subarray(0, length));
		const reason = unsafePath(path);
		if (reason !== undefined)
			throw new SidecarError("TREE_UNSAFE", { value: path, reason: `${reason} (in ${key})` });
		take(path);
	}
}

function readEntry(
	reader: ByteReader,
	chunks: readonly ChunkRef[],
	path: Path,
): FileEntry | FilePatch | DirEntry | LinkEntry {
	const word = reader.u8();
	if (path === "" && word !== ENTRY.dir)
		reader.fail("the workspace itself is not a directory", "TREE_UNSAFE");
	if (word === ENTRY.dir) {
		const mode = reader.varint();
		if (mode > 0o3777) reader.fail("a directory's mode has unsupported bits");
		return { type: "dir", mode, mtimeNs: readTime(reader) };
	}
	if (word === ENTRY.link) {
		const mtimeNs = readTime(reader);
		const target = reader.bytes(reader.count(MAX_LINK_BYTES, "bytes of link target"));
		if (target.length === 0 || target.includes(0))
			reader.fail("a link's target is empty or holds a NUL", "TREE_UNSAFE");
		return { type: "link", mtimeNs, target: decodeName(target) };
	}
	if (word === ENTRY.file || word === ENTRY.patch)
		return readFile(reader, chunks, word === ENTRY.patch);
	return reader.fail("an unknown kind of entry", "FORMAT_UNKNOWN");
}

function readFile(
	reader: ByteReader,
	table: readonly ChunkRef[],
	isPatch: boolean,
): FileEntry | FilePatch {
	const mode = reader.varint();
	if (mode > 0o1777) reader.fail("a file's mode has unsupported bits");
	const mtimeNs = readTime(reader);
	const size = reader.varint();
	const chunkBits = reader.u8();
	if (chunkBits < 12 || chunkBits > FILE_CHUNK_BITS)
		reader.fail(`a chunk size of 2^${chunkBits} bytes`, "LIMIT_EXCEEDED");
	const count = chunkCount(size, chunkBits);
	if (count > MAX_CHUNKS) reader.fail(`a file of ${count} chunks`, "LIMIT_EXCEEDED");
	const take = (index: number): ChunkRef => {
		const chunk =
			table[reader.varint()] ?? reader.fail("a file refers to a chunk that is not listed");
		if (chunk.length !== chunkLength(size, chunkBits, index))
			reader.fail("a chunk has another length than its place in the file");
		return chunk;
	};
	if (!isPatch) {
		if (count > reader.left) reader.fail("it declares more chunks than it holds");
		// Of its final length: an array that grows by one gets room for 17.
		const chunks = new Array<ChunkRef>(count);
		for (let index = 0; index < count; index++) chunks[index] = take(index);
		return { type: "file", mode, mtimeNs, size, chunkBits, chunks };
	}
	const changed = new Map<number, ChunkRef>();
	let next = 0;
	for (let left = reader.count(count, "changed chunks", 2); left > 0; left--) {
		const index = next + reader.varint();
		if (index >= count) reader.fail("a changed chunk is past the file's end");
		changed.set(index, take(index));
		next = index + 1;
	}
	return { type: "patch", mode, mtimeNs, size, chunkBits, changed };
}

function readTime(reader: ByteReader): bigint {
	const seconds = reader.signedVarint();
	const nanos = reader.varint();
	if (Math.abs(seconds) > MAX_TIME_SECONDS) reader.fail("a time outside the range of file systems");
	if (nanos >= 1e9) reader.fail("a time has too many nanoseconds");
	return BigInt(seconds) * NANOS_PER_SECOND + BigInt(nanos);
}

export function chunkCount(size: number, chunkBits: number): number {
	return Math.ceil(size / 2 ** chunkBits);
}

/** Length of chunk `index` of a file of `size` bytes. */
export function chunkLength(size: number, chunkBits: number, index: number): number {
	return Math.min(2 ** chunkBits, size - index * 2 ** chunkBits);
}
