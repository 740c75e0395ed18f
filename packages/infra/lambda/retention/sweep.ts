/**
 * One namespace after the other, until the time is over; the next run goes on where this one stopped, and begins anew after the last.
 *
 * A namespace that fails does not keep the others from their turn. One that is cut short by the end of the time comes first the next time;
 * if it had all the time and still was not done, it counts as failed, for else nothing after it would ever be reached.
 */
import { namespaces, retain, SidecarError } from "openclaw-sidecar";
import { log } from "../log.ts";

export interface SweepOptions {
	readonly store: string;
	/** Where an earlier run stopped. */
	readonly after: string | undefined;
	/** Ends the run. */
	readonly signal: AbortSignal;
}

export interface SweepReport {
	readonly done: number;
	/** By namespace, what went wrong. */
	readonly failures: Readonly<Record<string, string>>;
	/** The last namespace that need not be looked at again in this round; undefined: the round is complete. */
	readonly stoppedAfter: string | undefined;
}

/** @throws SidecarError where the store cannot be listed */
export async function sweepNamespaces({ store, after, signal }: SweepOptions): Promise<SweepReport> {
	const failures: Record<string, string> = {};
	let done = 0;
	let last = after;
	const report = (stoppedAfter: string | undefined): SweepReport => ({ done, failures, stoppedAfter });
	for await (const namespace of namespaces({ store, ...(after !== undefined && { after }) })) {
		if (signal.aborted) return report(last);
		const failure = await sweepOne(store, namespace, signal);
		const isCutShort = failure !== undefined && signal.aborted;
		if (isCutShort && done + Object.keys(failures).length > 0) return report(last);
		if (failure === undefined) done++;
		else failures[namespace] = isCutShort ? "it takes longer than a whole run" : failure;
		last = namespace;
	}
	return report(undefined);
}

/** @returns what went wrong */
async function sweepOne(store: string, namespace: string, signal: AbortSignal): Promise<string | undefined> {
	try {
		const { problem } = await retain({ store, namespace, signal, log: log.child({ namespace }) });
		return problem && `commit ${problem.seq} cannot be read: nothing older was deleted`;
	} catch (error) {
		if (!signal.aborted) log.error("retention.failed", { namespace, error });
		return error instanceof SidecarError ? `${error.code}: ${error.message}` : (error as Error).message;
	}
}
