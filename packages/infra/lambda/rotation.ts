/**
 * Rotates one channel's secret in Secrets Manager's four steps.
 *
 * Environment: `CHANNEL` (`feishu`, `telegram`, `slack`), `NONCE_TABLE` (read: which staged keys the channel has signed with), `DRY_RUN`
 * (`true`: nothing is changed).
 */
import type { SecretsManagerRotationEvent } from "aws-lambda";

/** An event without a step rehearses all of them. */
export type RotationEvent = SecretsManagerRotationEvent | { readonly SecretId: string };

export async function handler(_event: RotationEvent): Promise<unknown> {
	throw new Error("not written yet");
}
