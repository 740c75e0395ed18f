/**
 * The nouns of the log. Everything here is immutable data; nothing here knows a disk, a store or a
 * clock.
 */

/**
 * A path relative to the workspace, `/`-separated, "" for the workspace itself. Names that are not
 * UTF-8 carry each stray byte 0x80-0xff as a lone surrogate U+DC80-U+DCFF, so every byte string has
 * exactly one form. Never normalised or case-folded.
 */
export type Path = string;

/** A key below the namespace's prefix: `log/{12 hex}` or `packs/{64 hex}`. */
export type ObjectKey = string;

/** A run of stored bytes: one or more chunks, compressed together. It may have no place yet. */
export interface Block {
	readonly storedBytes: number;
	readonly rawBytes: number;
	/** 0 stored as is, 1 one zstd frame. */
	readonly codec: 0 | 1;
	/** CRC-32 of the stored bytes: detects what the decompressor would overlook. */
	readonly crc32: number;
}

/** A block in the log. Only this one can be read, and named in a manifest. */
export interface BlockRef extends Block {
	readonly key: ObjectKey;
	readonly offset: number;
}

/** One chunk of content, addressed by the SHA-256 of its raw bytes. Its block may have no place. */
export interface Chunk {
	/** 64 lower-case hex digits. */
	readonly sha256: string;
	readonly block: Block;
	/** Within the block's raw bytes. */
	readonly offset: number;
	readonly length: number;
}

/** The place of one chunk of content. */
export interface ChunkRef extends Chunk {
	readonly block: BlockRef;
}

export interface FileEntry<C = ChunkRef> {
	readonly type: "file";
	/** Permission bits, 0-0o1777 (setuid and setgid are not kept on files). */
	readonly mode: number;
	readonly mtimeNs: bigint;
	readonly size: number;
	/**
	 * log2 of the chunk size: 20 (1 MiB), 14 for SQLite. Chunk i covers bytes `i << chunkBits` on;
	 * the last may be short.
	 */
	readonly chunkBits: number;
	readonly chunks: readonly C[];
}

export interface DirEntry {
	readonly type: "dir";
	/** Permission bits, 0-0o3777. */
	readonly mode: number;
	readonly mtimeNs: bigint;
}

export interface LinkEntry {
	readonly type: "link";
	readonly mtimeNs: bigint;
	/**
	 * The target in the link; same byte rule as Path. May dangle, may point anywhere: it is never
	 * followed.
	 */
	readonly target: string;
}

export type Entry<C = ChunkRef> = FileEntry<C> | DirEntry | LinkEntry;
export type Tree = ReadonlyMap<Path, Entry>;

/**
 * The changes of one commit. `changed` holds whole entries; the codec shortens files whose base it
 * knows.
 */
export interface Delta<C = ChunkRef> {
	readonly changed: ReadonlyMap<Path, Entry<C>>;
	readonly removed: ReadonlySet<Path>;
}

export interface CommitFlags {
	/** The writer takes over the tree with this commit. */
	readonly fence?: boolean;
	/** The writer ended in an orderly way: it commits nothing more. */
	readonly closed?: boolean;
	/** Written by a superseded writer: only below `.recovered/`. */
	readonly recovered?: boolean;
	/** Most of the tree was rewritten with high-entropy bytes at once. */
	readonly alarm?: boolean;
}

/** A statement about an entry of the tree; the path `""` stands for the whole workspace. */
export interface Annotation {
	readonly path: Path;
	/** 1-64 characters of `a-z 0-9 -`, starting with a letter. */
	readonly name: string;
	/** At most 4,096 bytes. */
	readonly value: string;
}

/** The description of a commit that every commit contains. */
export interface CommitInfo {
	readonly seq: number;
	readonly kind: "full" | "delta";
	readonly flags: CommitFlags;
	/** 32 hex digits from the kernel's RNG. */
	readonly writer: string;
	/** The fence the writer holds: the seq of its own commit flagged `fence`. */
	readonly fenceSeq: number;
	/**
	 * The FULL commit that this one is folded onto; its own seq if it is FULL; 0 for the empty tree.
	 */
	readonly fullSeq: number;
	/** The id (hex) of commit seq - 1; 64 zeros for seq 1. */
	readonly previousId: string;
	/** The writer's clock, for display only. */
	readonly wallTimeMs: number;
	/** In the order of `compareAnnotations`; missing if there are none. */
	readonly annotations?: readonly Annotation[] | undefined;
}
