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

/**
 * What capturing needs to know; nothing of it changes during one capture but `local` between
 * captures.
 */
export interface CaptureContext {
	readonly root: Root;
	readonly filter: Filter;
	readonly profile: Profile;
	/** Private, outside the workspace: database snapshots live here for the length of one read. */
	readonly tempDir: string;
	readonly local: LocalTree;
	readonly index: ChunkIndex;
	/** xxh64 of some bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly log: Logger;
	/** Shall the raw bytes of this database be kept, where no consistent copy of it can be had? */
	readonly keepsRaw: (path: Path) => boolean;
	readonly secrets: SecretGuard;
	/**
	 * Modes and times of the log that this disk could not be given, as of the last restore. Default:
	 * none.
	 */
	readonly unset?: () => UnsetMetadata;
	/** Files larger than this are left for a later capture; default: none. */
	readonly maxFileBytes?: number;
	/** What the tree has room for; default: for everything. */
	readonly room?: Room;
	/** Takes what is large or slow, beside this capture; default: this capture takes it. */
	readonly large?: LargeFiles | undefined;
	/** New content of one file beyond which it is large. */
	readonly maxNewBytes?: number;
	/** Reads wait for the disk on another thread: for files that may be slow. */
	readonly isAside?: boolean;
	readonly signal?: AbortSignal | undefined;
}

export function readOptions(context: CaptureContext): {
	readonly signal?: AbortSignal;
	readonly isAside?: boolean;
} {
	const { signal, isAside } = context;
	return { ...(signal && { signal }), ...(isAside === true && { isAside }) };
}

/** A file turned out to be large while it was read. What was sent of it need not be sent again. */
export class TooMuchNew extends Error {}
