import type { ObjectKey } from "./types.ts";

export const LOG_PREFIX = "log/";
export const PACK_PREFIX = "packs/";
export const SWEEP_PREFIX = "sweeps/";
export const TAG_PREFIX = "tags/";

const TOP = 2 ** 48 - 1;

/**
 * `log/` + 12 hex digits of 2^48 - 1 - seq: S3's ascending listing then returns the newest commit
 * first.
 */
export function logKey(seq: number): ObjectKey {
	return LOG_PREFIX + (TOP - seq).toString(16).padStart(12, "0");
}

/** The seq of a commit's key; undefined for anything else. */
export function seqOfKey(key: ObjectKey): number | undefined {
	const digits = /^log\/([0-9a-f]{12})$/.exec(key)?.[1];
	if (digits === undefined) return undefined;
	const seq = TOP - Number.parseInt(digits, 16);
	return seq >= 1 ? seq : undefined;
}

export function packKey(sha256: string): ObjectKey {
	return PACK_PREFIX + sha256;
}

/** The SHA-256 in a pack's key; undefined for anything else. */
export function sha256OfPackKey(key: ObjectKey): string | undefined {
	return /^packs\/([0-9a-f]{64})$/.exec(key)?.[1];
}

/** The key of the packs that one run of retention condemned, by the SHA-256 of the list. */
export function sweepKey(sha256: string): ObjectKey {
	return SWEEP_PREFIX + sha256;
}

export function sha256OfSweepKey(key: ObjectKey): string | undefined {
	return /^sweeps\/([0-9a-f]{64})$/.exec(key)?.[1];
}
