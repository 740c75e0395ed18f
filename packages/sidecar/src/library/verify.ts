import { type Verification, verify as verifyLog } from "../maintenance/verify.ts";
import { noProgress } from "../telemetry/progress.ts";
import type { Progress } from "../telemetry/types.ts";
import { type LogOptions, withLog } from "./options.ts";
import { type PolicyOptions, policyOf } from "./retain.ts";

export interface VerifyOptions extends LogOptions, PolicyOptions {
	/**
	 * Read all content and check every SHA-256. Default false: manifests, the chain, sizes and
	 * headers.
	 */
	readonly deep?: boolean;
	/** Default: none. */
	readonly progress?: Progress;
}

/**
 * Checks a whole log; writes nothing. Pass the policy that retention uses: anything missing within
 * it is damage, and older commits are past retention. Damage is in the result, not thrown.
 * @throws SidecarError STORE_*, and for a wrong option
 */
export async function verify(options: VerifyOptions = {}): Promise<Verification> {
	const { deep = false, progress = noProgress, signal } = options;
	return await withLog(options, async ({ store }) =>
		verifyLog(store, { policy: policyOf(options), deep, progress, signal }),
	);
}
