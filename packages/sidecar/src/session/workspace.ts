import type { SecretPolicy } from "../capture/secret-guard.ts";
import type { Roots } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { Profile } from "../workspace/profile.ts";

/**
 * One workspace and its log, opened once. Verbs pass it on as a whole, so that no verb forgets a
 * field.
 */
export interface Workspace {
	/** The part of the store for the namespace. */
	readonly store: ObjectStore;
	/** The location of the tree on this machine. */
	readonly root: Roots;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	/** How to treat a file that holds a secret in an unexpected place. Default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	readonly logger: Logger;
	readonly progress: Progress;
	readonly signal?: AbortSignal | undefined;
}
