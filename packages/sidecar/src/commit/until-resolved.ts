import { SidecarError } from "../errors.ts";
import { S3Failure, undecidedRemedy } from "../store/s3-failure.ts";
import type { Environment } from "./environment.ts";
import type { LogWriter, WriteOutcome } from "./log-writer.ts";

const RETRIES = 3;
/** Doubles: 0.5, 1 and 2 s. */
const FIRST_PAUSE_MS = 500;

/**
 * Tries again while the store does not report whether it took the commit.
 * @param attempt must send the same bytes again. `retry` is 0 for the first
 * @param options.code as for `undecided`
 * @throws SidecarError NOT_DURABLE, STORE_UNREACHABLE
 */
export async function retryUnknown<Outcome extends { kind: string; cause?: unknown }>(
	environment: Environment,
	attempt: (retry: number) => Promise<Outcome>,
	options: { readonly code?: UndecidedCode; readonly signal?: AbortSignal | undefined },
): Promise<Exclude<Outcome, { kind: "unknown" }>> {
	for (let retry = 0; ; retry++) {
		const outcome = await attempt(retry);
		if (isKnown(outcome)) return outcome;
		if (retry === RETRIES) throw undecided(outcome.cause, options.code);
		await environment.sleep(FIRST_PAUSE_MS * 2 ** retry, options.signal);
	}
}

function isKnown<Outcome extends { kind: string }>(
	outcome: Outcome,
): outcome is Exclude<Outcome, { kind: "unknown" }> {
	return outcome.kind !== "unknown";
}

/**
 * Sends the same bytes again until the store reports what happened to them. For commits without
 * content of this disk, such as a fence.
 * @throws SidecarError STORE_UNREACHABLE
 */
export async function untilResolved(
	writer: LogWriter,
	environment: Environment,
	first: WriteOutcome,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Exclude<WriteOutcome, { kind: "unknown" }>> {
	return await retryUnknown(
		environment,
		async (retry) => (retry > 0 ? await writer.resolveCommit(signal) : undefined) ?? first,
		{ code: "STORE_UNREACHABLE", signal },
	);
}

type UndecidedCode = "NOT_DURABLE" | "STORE_UNREACHABLE";

const REMEDY =
	"check the endpoint, the region and the network; keep the disk and run `openclaw-sidecar flush`: it commits whatever the log does not have";

/**
 * The error for a commit that the store may or may not have.
 * @param cause of the last try; its message is the store's own
 * @param code NOT_DURABLE if the commit holds changes of this disk, STORE_UNREACHABLE if nothing on
 * this disk depends on it
 */
export function undecided(cause: unknown, code: UndecidedCode = "NOT_DURABLE"): SidecarError {
	const words =
		cause instanceof S3Failure
			? `: ${cause.summary}`
			: cause instanceof Error
				? `: ${cause.message}`
				: "";
	const byCause = cause instanceof S3Failure ? undecidedRemedy(cause) : undefined;
	const remedy = byCause ?? (code === "NOT_DURABLE" ? REMEDY : undefined);
	return new SidecarError(code, {
		reason: `the store did not report whether it stored the commit${words}`,
		remedy,
		cause,
	});
}
