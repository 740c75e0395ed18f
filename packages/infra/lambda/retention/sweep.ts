/**
 * One namespace after the other, until the time is over; the next run goes on where this one
 * stopped, and begins anew after the last.
 *
 * A namespace that fails does not keep the others from their turn. One that is cut short by the end
 * of the time comes first the next time; if it had all the time and still was not done, it counts
 * as failed, for else nothing after it would ever be reached.
 */
export interface SweepReport {
	readonly done: number;
	/** By namespace, what went wrong. */
	readonly failures: Readonly<Record<string, string>>;
	/**
	 * The last namespace that need not be looked at again in this round; undefined: the round is
	 * complete.
	 */
	readonly stoppedAfter: string | undefined;
}

/**
 * @param names in their order, from where the last run stopped
 * @param sweep says what went wrong, undefined if nothing did; ends early where `signal` aborts
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
		else failures[namespace] = isCutShort ? "it takes longer than a whole run" : failure;
		last = namespace;
	}
	return { done, failures, stoppedAfter: undefined };
}
