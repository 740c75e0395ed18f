import type { LogRead } from "../commit/read-log.ts";
import type { Root } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { FileTimes } from "../workspace/file-times.ts";
import type { Profile } from "../workspace/profile.ts";

export interface RestoreOptions {
	readonly store: ObjectStore;
	/** Absolute. A workspace, or a plain directory that gets the whole tree. */
	readonly root: Root;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	readonly times: FileTimes;
	/** xxh64 of some bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	/** Names this restore, see `restoreId`: its trash, and what is quarantined of it. */
	readonly label: string;
	readonly log: Logger;
	readonly progress: Progress;
	/** The disk shall be exactly this commit; by default the newest, with changes made here kept. */
	readonly at?: number | undefined;
	/**
	 * Whatever is mounted inside the workspace now is accepted: content of the log comes back there.
	 * For a restore that the user asked for.
	 */
	readonly acceptsMounts?: boolean;
	/** The log as just read, where the caller has read it. */
	readonly read?: LogRead;
	/** Also what superseded writers quarantined below `.recovered/`. */
	readonly withQuarantined?: boolean;
	readonly signal?: AbortSignal | undefined;
}
