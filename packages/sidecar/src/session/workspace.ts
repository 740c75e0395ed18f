import type { SecretPolicy } from "../capture/secret-guard.ts";
import type { Roots } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { Profile } from "../workspace/profile.ts";

/**
 * One workspace and its log, opened once. Verbs pass it on as a whole, so that none of them forgets
 * a field.
 */
export interface Workspace {
	/** The namespace's part. */
	readonly store: ObjectStore;
	/** Where the tree lies on this machine. */
	readonly root: Roots;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	/** What becomes of a file that holds a secret where none is expected. Default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	readonly log: Logger;
	readonly progress: Progress;
	readonly signal?: AbortSignal | undefined;
}
