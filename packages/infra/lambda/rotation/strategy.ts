/** The differences between channels in a rotation. */
import type { SecretFields } from "../channels/channel.ts";

export interface Replacement {
	readonly current: SecretFields;
	readonly next: SecretFields;
}

export interface Strategy {
	/** The fields without which the channel does not work. */
	readonly fields: readonly string[];
	/** The field for which each proposal generates a new random value. */
	readonly generated?: string;
	/**
	 * @param staged the operator's fields
	 * @returns `current` itself or its equal if there is nothing to rotate
	 * @throws RotationFailure if the change is not allowed
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
	readonly code: "STAGED_REFUSED" | "NOT_PROVED" | "PENDING_STALE" | "WEBHOOK_FAILED";

	constructor(code: RotationFailure["code"], reason: string) {
		super(`${code}: ${reason}`);
		this.name = "RotationFailure";
		this.code = code;
	}
}

export function changedFields({ current, next }: Replacement): string[] {
	return Object.keys(next).filter((name) => next[name] !== current[name]);
}

/** The fields that are absent or empty. */
export function missingFields({ fields }: Strategy, secret: SecretFields): string[] {
	return fields.filter((name) => !has(secret, name));
}

export function has(secret: SecretFields, name: string): boolean {
	return typeof secret[name] === "string" && secret[name] !== "";
}

/**
 * Merges the operator's fields into the current ones. @param fixed a field that must not change
 * once it is set. @throws RotationFailure
 */
export function merged(
	current: SecretFields,
	staged: SecretFields | undefined,
	fixed?: string,
): SecretFields {
	const next = { ...current, ...staged };
	// The ids that name users belong to one app of the channel.
	if (fixed !== undefined && has(current, fixed) && next[fixed] !== current[fixed])
		throw new RotationFailure(
			"STAGED_REFUSED",
			`${fixed} must stay: another app identifies users by other ids`,
		);
	return next;
}
