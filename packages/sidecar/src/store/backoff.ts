/**
 * How long a read waits before it is repeated, and how many reads there are at once. Pure: the model
 * behind docs/scale.md runs it too.
 */

/**
 * Pauses after the first, second, … failure of one kind. A kind without a further pause ends the
 * read.
 */
export interface Backoff {
	/** No answer, or none that can be used. */
	readonly fault: readonly number[];
	/** The store answers that it gets too many requests. */
	readonly throttled: readonly number[];
}

/**
 * `fault`: at most 1,250 ms in all. A restore waits, but a drain's budget of 8 s still holds.
 *
 * `throttled`: three minutes in all. A start that gives up has to send all of its requests again, and
 * so keeps others from theirs: docs/scale.md has the times of 100,000 starts on one prefix of S3. No
 * pause is longer than 2 s, so that a drain has several attempts.
 */
export const BACKOFF: Backoff = {
	fault: [250, 1_000],
	throttled: [250, 1_000, ...Array<number>(120).fill(2_000)],
};

/**
 * The pause after the `failures`-th failure of its kind, shortened at random to between half and all
 * of it. Undefined: give up.
 * @param roll in [0, 1)
 */
export function pauseMs(
	pauses: readonly number[],
	failures: number,
	roll: number,
): number | undefined {
	const longest = pauses[failures - 1];
	return longest === undefined ? undefined : longest * (0.5 + roll / 2);
}

/** Reads at once, with their pauses. Far more than a restore on 2 cores keeps busy. */
export const MOST_READS = 64;

/**
 * Reads at once after the store asked to slow down. A store that is busy serves each machine about as
 * much whether it asks once or 32 times, so more requests only take the place of others.
 */
export function fewer(atOnce: number): number {
	return Math.max(1, Math.floor(atOnce / 2));
}

/** Reads at once after an answer. */
export function more(atOnce: number): number {
	return Math.min(MOST_READS, atOnce + 1);
}
