/** What differs between channels when a secret is replaced. */
import type { SecretFields } from "../channels/channel.ts";

export interface Replacement {
	readonly current: SecretFields;
	readonly next: SecretFields;
}

export interface Strategy {
	/**
	 * @param staged what an operator brought. @throws RotationFailure: there is nothing to rotate to,
	 * or it must not be
	 */
	propose(current: SecretFields, staged: SecretFields | undefined): SecretFields;
	/** Makes the channel use the next secret, where it can be told to. */
	apply?(replacement: Replacement): Promise<void>;
	/** Undoes `apply`. */
	revert?(replacement: Replacement): Promise<void>;
	/**
	 * Proves that the next secret works.
	 * @param isApplied false in a rehearsal
	 * @throws RotationFailure, ChannelFailure
	 */
	test(replacement: Replacement, isApplied: boolean): Promise<void>;
}

export class RotationFailure extends Error {
	readonly code: "NOTHING_STAGED" | "STAGED_REFUSED" | "NOT_PROVED" | "DOOR_CLOSED";

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
 * What an operator brought on top of what is there. @param fixed a field that must not change.
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
			"make the new value in the channel's console and store it in a version labelled STAGED",
		);
	}
	// Users are named by ids that the channel makes for one app.
	if (fixed !== undefined && next[fixed] !== current[fixed])
		throw new RotationFailure(
			"STAGED_REFUSED",
			`${fixed} must stay: another app knows users by other ids`,
		);
	return next;
}
