import type { Path } from "../log/types.ts";
import type { Root } from "../path.ts";
import type { Log } from "../telemetry/types.ts";
import type { Filter } from "../workspace/filter.ts";
import type { Profile } from "../workspace/profile.ts";
import type { ChunkIndex } from "./chunk-index.ts";
import type { LocalTree } from "./local-tree.ts";
import type { SecretGuard } from "./secret-guard.ts";

/** What capturing needs to know; nothing of it changes during one capture but `local` between captures. */
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
	readonly log: Log;
	/** Shall the raw bytes of this database be kept, where no consistent copy of it can be had? */
	readonly keepsRaw: (path: Path) => boolean;
	readonly secrets: SecretGuard;
	/** Files larger than this are left for a later capture; default: none. */
	readonly maxFileBytes?: number;
	readonly signal?: AbortSignal | undefined;
}

export function readOptions(context: CaptureContext): { readonly signal?: AbortSignal } {
	return context.signal === undefined ? {} : { signal: context.signal };
}
