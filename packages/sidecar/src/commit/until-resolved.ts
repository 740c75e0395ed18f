import { SidecarError } from "../errors.ts";
import { S3Failure, undecidedRemedy } from "../store/s3-failure.ts";
import type { LogWriter, WriteOutcome } from "./log-writer.ts";
import type { Machine } from "./machine.ts";

const UNKNOWN_RETRIES = 3;
/** Doubles: 0.5, 1 and 2 s. */
const FIRST_PAUSE_MS = 500;

/**
 * Sends the same bytes again until the store reports what happened to them. For commits without
 * content of this disk, such as a fence.
 * @throws SidecarError STORE_UNREACHABLE
 */
export async function untilResolved(
	writer: LogWriter,
	machine: Machine,
	first: WriteOutcome,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Exclude<WriteOutcome, { kind: "unknown" }>> {
	const again = async (last: WriteOutcome) => (await writer.settle(signal)) ?? last;
	return await whileUnknown(first, again, { machine, code: "STORE_UNREACHABLE", signal });
}

interface Unknown {
	readonly kind: "unknown";
	readonly cause: unknown;
}

/**
 * Repeats `again` with pauses until its outcome is known.
 * @param code as for `undecided`
 * @throws SidecarError of this code
 */
export async function whileUnknown<T extends { readonly kind: string }>(
	first: T,
	again: (last: T) => Promise<T>,
	options: {
		readonly machine: Machine;
		readonly code: "NOT_DURABLE" | "STORE_UNREACHABLE";
		readonly signal?: AbortSignal | undefined;
	},
): Promise<Exclude<T, Unknown>> {
	const { machine, code, signal } = options;
	let outcome = first;
	for (let retry = 0; isUnknown(outcome) && retry < UNKNOWN_RETRIES; retry++) {
		await machine.sleep(FIRST_PAUSE_MS * 2 ** retry, signal);
		outcome = await again(outcome);
	}
	if (isUnknown(outcome)) throw undecided(outcome.cause, code);
	return outcome as Exclude<T, Unknown>;
}

function isUnknown(outcome: { readonly kind: string }): outcome is Unknown {
	return outcome.kind === "unknown";
}

const REMEDY =
	"check the endpoint, the region and the network; keep the disk and run `openclaw-sidecar flush`, which sends the same bytes again";

/**
 * The error for a commit that the store may or may not have.
 * @param cause of the last try; its message is the store's own
 * @param code NOT_DURABLE if the commit holds changes of this disk, STORE_UNREACHABLE if nothing on
 * this disk depends on it
 */
export function undecided(
	cause: unknown,
	code: "NOT_DURABLE" | "STORE_UNREACHABLE" = "NOT_DURABLE",
): SidecarError {
	const words =
		cause instanceof S3Failure
			? `: ${cause.summary}`
			: cause instanceof Error
				? `: ${cause.message}`
				: "";
	const byCause = cause instanceof S3Failure ? undecidedRemedy(cause) : undefined;
	const remedy = byCause ?? (code === "NOT_DURABLE" ? REMEDY : undefined);
	return new SidecarError(code, {
		reason: `the store did not say whether it took the commit${words}`,
		remedy,
		cause,
	});
}
