/**
 * Rotates one channel's secret in Secrets Manager's four steps. A schedule, or an operator, calls
 * RotateSecret, which calls this function once for each step. An event without a step
 * (`{"SecretId": "…"}`) is a rehearsal: it reports which fields would change, and changes nothing.
 *
 * Some values can be made only in the channel's console. An operator puts them into a version of
 * the secret with the label `STAGED`, which holds only the new fields. All other fields are kept.
 *
 * Environment: `CHANNEL` (`feishu`, `telegram`, `slack`), `STATE_TABLE` (get: which staged keys the
 * channel has signed with), `WEBHOOK_URL` and `PROBE_KEY` (telegram), `DRY_RUN` (`true` makes every rotation a
 * rehearsal).
 */
import type { SecretsManagerRotationEvent } from "aws-lambda";
import { isChannelName } from "./channels/by-name.ts";
import type { ChannelName } from "./channels/channel.ts";
import { feishu } from "./rotation/feishu.ts";
import { slack } from "./rotation/slack.ts";
import { rehearse, takeStep } from "./rotation/steps.ts";
import type { Strategy } from "./rotation/strategy.ts";
import { telegram } from "./rotation/telegram.ts";
import { Versions } from "./rotation/versions.ts";
import { required } from "./shared/environment.ts";

export type RotationEvent = SecretsManagerRotationEvent | { readonly SecretId: string };

export interface Rehearsal {
	readonly dryRun: true;
	readonly channel: string;
	/** Names of fields, never their values. */
	readonly changes: readonly string[];
	/** Fields that the channel needs and the secret would lack. */
	readonly missing: readonly string[];
}

const STRATEGIES: Readonly<Record<ChannelName, Strategy>> = { feishu, slack, telegram };

/** @throws RotationFailure, ChannelFailure, Error; then nothing was promoted */
export async function handler(event: RotationEvent): Promise<Rehearsal | undefined> {
	const channel = required("CHANNEL");
	if (!isChannelName(channel))
		throw new Error(
			`CHANNEL is ${channel}, but must be one of ${Object.keys(STRATEGIES).join(", ")}`,
		);
	const rotation = {
		channel,
		strategy: STRATEGIES[channel],
		versions: new Versions(event.SecretId),
	};
	const step = "Step" in event ? event : undefined;
	if (step !== undefined && process.env.DRY_RUN !== "true") {
		await takeStep(step.Step, { ...rotation, versionId: step.ClientRequestToken });
		return undefined;
	}
	// In a rehearsal, the first of the four steps does everything, and the last removes the label
	// that Secrets Manager has reserved.
	if (step === undefined || step.Step === "createSecret") {
		return { dryRun: true, channel, ...(await rehearse(rotation)) };
	}
	if (step.Step === "finishSecret")
		await rotation.versions.drop("AWSPENDING", step.ClientRequestToken);
	return undefined;
}
