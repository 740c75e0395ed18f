/**
 * The format's stated limits. A writer refuses to exceed them (WORKSPACE_TOO_LARGE). A reader
 * refuses objects that do (LIMIT_EXCEEDED).
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Files, directories and links of one tree. */
export const MAX_ENTRIES = 1_000_000;
/** Chunks of one tree: 1,000,000 small files, and 48 GB of SQLite in 16 KiB chunks. */
export const MAX_CHUNKS = 4_000_000;
export const MAX_PATH_BYTES = 4096;
export const MAX_NAME_BYTES = 255;
export const MAX_LINK_BYTES = 4095;

/** Annotations of one commit, and bytes of the value of one. */
export const MAX_ANNOTATIONS = 1_000;
export const MAX_ANNOTATION_BYTES = 4_096;

/** Manifest before compression: 1,000,000 entries with 4,000,000 chunks fit (manifest-size.ts). */
export const MAX_MANIFEST_BYTES = 512 * MiB;
/**
 * Raw bytes of one block. Frames of 1 MiB decompress at the best measured rate and bound a reader's
 * memory.
 */
export const MAX_BLOCK_BYTES = MiB;
/** zstd's worst case adds 0.4 %; a larger block is not ours. */
export const MAX_STORED_BLOCK_BYTES = MAX_BLOCK_BYTES + 64 * KiB;
/** The maximum size of a pack, so that two or three in flight stay below 64 MiB of memory. */
export const MAX_PACK_BYTES = 16 * MiB;
/** Records up to this size go inside the commit: one request for an ordinary flush. */
export const MAX_INLINE_BYTES = 4 * MiB;
/**
 * Beyond this much inline data since the last FULL, content goes to packs, so that a restore reads
 * few scattered ranges.
 */
export const MAX_SEGMENT_INLINE_BYTES = 16 * MiB;
/** A whole commit object. */
export const MAX_COMMIT_BYTES = MAX_MANIFEST_BYTES + MAX_INLINE_BYTES + MAX_STORED_BLOCK_BYTES + 64;

/** A commit at a multiple of this SHOULD be FULL. */
export const SEGMENT_COMMITS = 64;

/**
 * log2 of the chunk size of ordinary files and of SQLite databases. Random writes of 1 % of the
 * pages amplify 4-fold at 16 KiB, 15-fold at 64 KiB.
 */
export const FILE_CHUNK_BITS = 20;
export const SQLITE_CHUNK_BITS = 14;

/** The largest seq: 2^48 - 2, because `log/{n}` counts down from 2^48 - 1 in twelve hex digits. */
export const MAX_SEQ = 2 ** 48 - 2;

/**
 * Either side of 1970, about 35,000 years: more than most file systems can store, and far less than a
 * time call accepts.
 */
export const MAX_TIME_SECONDS = 2n ** 40n;
