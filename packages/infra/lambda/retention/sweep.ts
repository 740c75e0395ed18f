/**
 * Processes one namespace after the other until the time is over. The next run continues there, and
 * starts again after the last namespace.
 *
 * A failed namespace does not stop the others. One that is interrupted by the end of the time comes
 * first in the next run. If it had the whole time and was not done, it counts as failed. Otherwise
 * no later namespace would ever be reached.
 */
export interface SweepReport {
	readonly done: number;
	/** Failures by namespace. */
	readonly failures: Readonly<Record<string, string>>;
	/** The last namespace that this round has finished; undefined if the round is complete. */
	readonly stoppedAfter: string | undefined;
}

/**
 * @param names in order, from where the last run stopped
 * @param sweep returns the failure, or undefined; ends early if `signal` aborts
 * @param after where the last run stopped
 */
export async function sweepAll(
	names: AsyncIterable<string>,
	sweep: (namespace: string) => Promise<string | undefined>,
	after: string | undefined,
	signal: AbortSignal,
): Promise<SweepReport> {
	const failures: Record<string, string> = {};
	let done = 0;
	let last = after;
	for await (const namespace of names) {
		if (signal.aborted) return { done, failures, stoppedAfter: last };
		const failure = await sweep(namespace);
		const isCutShort = failure !== undefined && signal.aborted;
		if (isCutShort && last !== after) return { done, failures, stoppedAfter: last };
		if (failure === undefined) done++;
		else failures[namespace] = isCutShort ? "it takes longer than a complete run" : failure;
		last = namespace;
	}
	return { done, failures, stoppedAfter: undefined };
}
