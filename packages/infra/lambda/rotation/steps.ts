/**
 * The four steps of a rotation. The next secret is tested before it is promoted. If it cannot be
 * applied or fails its test, the change in the channel is undone and the pending label is removed.
 * So the current secret stays valid, and a later rotation can start again.
 *
 * With nothing to rotate, no version is made: the current secret is tested if it is complete, and
 * the rotation succeeds. An empty secret belongs to a channel that is not set up, which is no
 * failure either. Secrets Manager also runs the test step alone, when the schedule is deployed.
 *
 * Each step can be repeated. A version that an interrupted rotation left pending is used again if
 * it still says what would be proposed now; otherwise its label is removed. Not guaranteed: the
 * rollback itself, if the channel cannot be reached; the log then reports it.
 */
import type { SecretsManagerRotationEventStep } from "aws-lambda";
import type { SecretFields } from "../channels/channel.ts";
import { logger } from "../shared/log.ts";
import {
	changedFields,
	has,
	missingFields,
	type Replacement,
	RotationFailure,
	type Strategy,
} from "./strategy.ts";
import type { Versions } from "./versions.ts";

export interface Rotation {
	readonly channel: string;
	readonly strategy: Strategy;
	readonly versions: Versions;
	/** The id of the next version: Secrets Manager's ClientRequestToken. */
	readonly versionId: string;
}

export async function takeStep(
	step: SecretsManagerRotationEventStep,
	rotation: Rotation,
): Promise<void> {
	const { channel, versions, versionId } = rotation;
	if (await versions.isCurrent(versionId)) return logger.info("rotation.known", { channel, step });
	await STEPS[step](rotation);
	logger.info("rotation.step-done", { channel, step, versionId });
}

const STEPS: Readonly<
	Record<SecretsManagerRotationEventStep, (rotation: Rotation) => Promise<void>>
> = {
	async createSecret(rotation) {
		try {
			await create(rotation);
		} catch (error) {
			// Secrets Manager has reserved it, and refuses the next rotation while it is there.
			await rotation.versions.drop("AWSPENDING", rotation.versionId);
			throw error;
		}
	},
	async setSecret(rotation) {
		await orRollBack(rotation, async (replacement) => await rotation.strategy.apply?.(replacement));
	},
	async testSecret(rotation) {
		const { strategy } = rotation;
		const isRotating = await orRollBack(
			rotation,
			async (replacement) => await strategy.test(replacement, true),
		);
		if (!isRotating) await testCurrent(rotation);
	},
	async finishSecret({ versions, versionId }) {
		const current = await versions.current();
		if (isChange(current, await versions.read(versionId))) await versions.promote(versionId);
		else await versions.drop("AWSPENDING", versionId);
	},
};

/** @throws RotationFailure */
async function create({ channel, strategy, versions, versionId }: Rotation): Promise<void> {
	const current = await versions.current();
	const proposed = strategy.propose(current, await versions.staged());
	const made = await versions.read(versionId);
	if (made === undefined && !isChange(current, proposed))
		return logger.info("rotation.nothing-staged", { channel });
	const missing = missingFields(strategy, proposed);
	if (isChange(current, proposed) && missing.length > 0)
		throw new RotationFailure(
			"STAGED_REFUSED",
			`the secret would lack ${missing.join(", ")}: stage them too`,
		);
	if (made === undefined) return await versions.makePending(versionId, proposed);
	const { generated = "" } = strategy;
	// A random field differs in each proposal, so only its presence counts.
	const same = { ...proposed, ...(has(made, generated) && { [generated]: made[generated] }) };
	if (isChange(made, same) || isChange(same, made))
		throw new RotationFailure(
			"PENDING_STALE",
			"an interrupted rotation left other fields pending; they are dropped: rotate again",
		);
	await versions.markPending(versionId);
}

/** A bot or an app whose token was revoked should not wait for a user to notice. */
async function testCurrent({ channel, strategy, versions, versionId }: Rotation): Promise<void> {
	const current = await versions.current();
	const missing = missingFields(strategy, current);
	if (missing.length > 0) return logger.info("rotation.not-set-up", { channel, missing });
	try {
		await strategy.test({ current, next: current }, false);
	} catch (error) {
		await versions.drop("AWSPENDING", versionId);
		throw error;
	}
}

function isChange(current: SecretFields, next: SecretFields | undefined): next is SecretFields {
	return next !== undefined && changedFields({ current, next }).length > 0;
}

/** @returns whether the version changes something, so that there is something to do */
async function orRollBack(
	{ channel, strategy, versions, versionId }: Rotation,
	act: (replacement: Replacement) => Promise<void>,
): Promise<boolean> {
	const [current, next] = [await versions.current(), await versions.read(versionId)];
	if (!isChange(current, next)) return false;
	try {
		await act({ current, next });
		return true;
	} catch (error) {
		logger.error("rotation.rolled-back", { channel, versionId, error });
		await strategy.revert?.({ current, next }).catch((failure: unknown) => {
			logger.error("rotation.not-reverted", { channel, versionId, error: failure });
		});
		await versions.drop("AWSPENDING", versionId);
		throw error;
	}
}

/**
 * Proposes a secret, and runs the tests that change nothing unless fields are missing. @returns the
 * names of the fields that would change, and of those that are missing
 */
export async function rehearse({
	channel,
	strategy,
	versions,
}: Omit<Rotation, "versionId">): Promise<{
	readonly changes: readonly string[];
	readonly missing: readonly string[];
}> {
	const current = await versions.current();
	const replacement = { current, next: strategy.propose(current, await versions.staged()) };
	const missing = missingFields(strategy, replacement.next);
	if (missing.length === 0) await strategy.test(replacement, false);
	const changes = changedFields(replacement);
	logger.info("rotation.rehearsed", { channel, changes, missing });
	return { changes, missing };
}
