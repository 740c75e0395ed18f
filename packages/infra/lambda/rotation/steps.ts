/**
 * The four steps of a rotation. The next secret is tested before it is promoted. If it cannot be
 * applied or fails its test, the change in the channel is undone and the pending label is removed.
 * So the current secret stays valid, and a later rotation can start again.
 *
 * Each step can be repeated. Not guaranteed: the rollback itself, if the channel cannot be reached;
 * the log then reports it.
 */
import type { SecretsManagerRotationEventStep } from "aws-lambda";
import { logger } from "../log.ts";
import { changedFields, type Strategy } from "./strategy.ts";
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
	async createSecret({ strategy, versions, versionId }) {
		if ((await versions.read(versionId)) !== undefined)
			return await versions.markPending(versionId);
		await versions.makePending(
			versionId,
			strategy.propose(await versions.current(), await versions.staged()),
		);
	},
	async setSecret(rotation) {
		await orRollBack(rotation, async (replacement) => await rotation.strategy.apply?.(replacement));
	},
	async testSecret(rotation) {
		await orRollBack(
			rotation,
			async (replacement) => await rotation.strategy.test(replacement, true),
		);
	},
	async finishSecret({ versions, versionId }) {
		await versions.promote(versionId);
	},
};

type Replacing = Parameters<Strategy["test"]>[0];

async function orRollBack(
	rotation: Rotation,
	act: (replacement: Replacing) => Promise<void>,
): Promise<void> {
	const { channel, strategy, versions, versionId } = rotation;
	const [current, next] = [await versions.current(), await versions.read(versionId)];
	if (next === undefined)
		throw new Error(
			`version ${versionId} of the secret of ${channel} is empty: run createSecret first`,
		);
	try {
		await act({ current, next });
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
 * Proposes a secret and runs the tests that change nothing. @returns the names of the fields that
 * would change
 */
export async function rehearse({
	channel,
	strategy,
	versions,
}: Omit<Rotation, "versionId">): Promise<readonly string[]> {
	const current = await versions.current();
	const replacement = { current, next: strategy.propose(current, await versions.staged()) };
	await strategy.test(replacement, false);
	const changes = changedFields(replacement);
	logger.info("rotation.rehearsed", { channel, changes });
	return changes;
}
