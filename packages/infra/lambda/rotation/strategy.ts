/** The differences between channels in a rotation. */
import type { SecretFields } from "../channels/channel.ts";

export interface Replacement {
	readonly current: SecretFields;
	readonly next: SecretFields;
}

export interface Strategy {
	/**
	 * @param staged the operator's fields. @throws RotationFailure if there is nothing to rotate, or
	 * the change is not allowed
	 */
	propose(current: SecretFields, staged: SecretFields | undefined): SecretFields;
	/** Makes the channel use the next secret, if it has an API for that. */
	apply?(replacement: Replacement): Promise<void>;
	/** Undoes `apply`. */
	revert?(replacement: Replacement): Promise<void>;
	/**
	 * Tests that the next secret works.
	 * @param isApplied false in a rehearsal
	 * @throws RotationFailure, ChannelFailure
	 */
	test(replacement: Replacement, isApplied: boolean): Promise<void>;
}

export class RotationFailure extends Error {
	readonly code: "NOTHING_STAGED" | "STAGED_REFUSED" | "NOT_PROVED" | "WEBHOOK_FAILED";

	constructor(code: RotationFailure["code"], reason: string) {
		super(`${code}: ${reason}`);
		this.name = "RotationFailure";
		this.code = code;
	}
}

export function changedFields({ current, next }: Replacement): string[] {
	return Object.keys(next).filter((name) => next[name] !== current[name]);
}

/**
 * Merges the operator's fields into the current ones. @param fixed a field that must not change.
 * @throws RotationFailure
 */
export function merged(
	current: SecretFields,
	staged: SecretFields | undefined,
	fixed?: string,
): SecretFields {
	const next = { ...current, ...staged };
	if (staged === undefined || changedFields({ current, next }).length === 0) {
		throw new RotationFailure(
			"NOTHING_STAGED",
			"create the new value in the channel's console and store it in a version labelled STAGED",
		);
	}
	// The ids that name users belong to one app of the channel.
	if (fixed !== undefined && next[fixed] !== current[fixed])
		throw new RotationFailure(
			"STAGED_REFUSED",
			`${fixed} must stay: another app identifies users by other ids`,
		);
	return next;
}
