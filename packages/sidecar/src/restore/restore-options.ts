import type { LogRead } from "../commit/read-log.ts";
import type { Root } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { FileTimes } from "../workspace/file-times.ts";
import type { Profile } from "../workspace/profile.ts";
import type { PathSelection } from "./select-paths.ts";

export interface RestoreOptions {
	readonly store: ObjectStore;
	/** Absolute. A workspace, or a plain directory that receives the whole tree. */
	readonly root: Root;
	/** `root` is no workspace: nothing in it is the sidecar's, and no commit keeps what it had. */
	readonly isForeign?: boolean;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	readonly times: FileTimes;
	/** The xxh64 hash of the bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	/** Names this restore, its trash and what it quarantines; see `restoreId`. */
	readonly label: string;
	readonly logger: Logger;
	readonly progress: Progress;
	/** Makes the disk exactly this commit. By default the newest commit, with local changes kept. */
	readonly at?: number | undefined;
	/**
	 * Accepts whatever is mounted inside the workspace now and restores the log's content there. For
	 * a restore that the user requested.
	 */
	readonly acceptsMounts?: boolean;
	/** The log as just read, if the caller has read it. */
	readonly read?: LogRead;
	/** The user deleted what is missing on purpose: no deletion waits for a later sweep. */
	readonly deletionsAreMeant?: boolean | undefined;
	/** Touches only these paths; with `at`. */
	readonly only?: PathSelection | undefined;
	/** Also restores what superseded writers quarantined below `.recovered/`. */
	readonly withQuarantined?: boolean;
	readonly signal?: AbortSignal | undefined;
}
