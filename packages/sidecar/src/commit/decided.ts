import { SidecarError } from "../errors.ts";
import { S3Failure, undecidedRemedy } from "../store/s3-failure.ts";
import type { LogWriter, WriteOutcome } from "./log-writer.ts";
import type { Machine } from "./machine.ts";

const UNKNOWN_RETRIES = 3;
/** Doubles: 0.5, 1 and 2 s. */
const FIRST_PAUSE_MS = 500;

/** The same bytes again until the store says what became of them. @throws SidecarError STORE_UNREACHABLE */
export async function decided(
	writer: LogWriter,
	machine: Machine,
	first: WriteOutcome,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Exclude<WriteOutcome, { kind: "unknown" }>> {
	let outcome = first;
	for (let retry = 0; outcome.kind === "unknown" && retry < UNKNOWN_RETRIES; retry++) {
		await machine.sleep(FIRST_PAUSE_MS * 2 ** retry, signal);
		outcome = (await writer.settle(signal)) ?? outcome;
	}
	if (outcome.kind !== "unknown") return outcome;
	throw undecided(outcome.cause);
}

/** @param cause of the last try; its words are the store's own */
export function undecided(cause: unknown): SidecarError {
	const words = cause instanceof S3Failure ? `: ${cause.summary}` : cause instanceof Error ? `: ${cause.message}` : "";
	const remedy = cause instanceof S3Failure ? undecidedRemedy(cause) : undefined;
	return new SidecarError("STORE_UNREACHABLE", { reason: `the store did not say whether it took the commit${words}`, remedy, cause });
}
