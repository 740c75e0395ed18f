import type { ChunkIndex } from "../commit/chunk-index.ts";
import type { LocalTree } from "../disk/local-tree.ts";
import type { UnsetMetadata } from "../disk/unset-metadata.ts";
import type { Path } from "../log/types.ts";
import type { Root } from "../path.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Filter } from "../workspace/filter.ts";
import type { Profile } from "../workspace/profile.ts";
import type { LargeFiles } from "./large-files.ts";
import type { Room } from "./room.ts";
import type { SecretGuard } from "./secret-guard.ts";

/** The inputs of a capture. Only `local` changes, and only between captures. */
export interface CaptureContext {
	readonly root: Root;
	readonly filter: Filter;
	readonly profile: Profile;
	/** Private, outside the workspace. Database snapshots are here only while they are read. */
	readonly tempDir: string;
	readonly local: LocalTree;
	readonly index: ChunkIndex;
	/** The xxh64 hash of the bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly logger: Logger;
	/** Whether to keep the raw bytes of this database if no consistent copy of it can be made. */
	readonly keepsRaw: (path: Path) => boolean;
	readonly secrets: SecretGuard;
	/** Modes and times in the log that this disk refused in the last restore. Default: none. */
	readonly unset?: () => UnsetMetadata;
	/** Larger files are left for a later capture. Default: no limit. */
	readonly maxFileBytes?: number;
	/** Room left in the tree. Default: unlimited. */
	readonly room?: Room;
	/** Takes large or slow files, independently of this capture. Default: this capture takes them. */
	readonly large?: LargeFiles | undefined;
	/** A file with more new content than this is large. */
	readonly maxNewBytes?: number;
	/** Another thread waits for the disk in reads: for files that may be slow. */
	readonly isAside?: boolean;
	readonly signal?: AbortSignal | undefined;
}

export function readOptions({ signal, isAside }: CaptureContext) {
	return { signal, isAside };
}

/** A file turned out to be large while it was read. What was sent of it need not be sent again. */
export class TooMuchNew extends Error {}
