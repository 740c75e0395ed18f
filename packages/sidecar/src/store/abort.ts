import { SidecarError } from "../errors.ts";

/**
 * Ends a read that its caller aborted. The caller knows that from its own signal; the error only
 * ensures that nothing except a SidecarError leaves the room.
 *
 * @throws SidecarError STORE_UNREACHABLE, its cause the signal's reason
 */
export function throwIfAborted(value: string, signal: AbortSignal | undefined): void {
	if (signal?.aborted)
		throw new SidecarError("STORE_UNREACHABLE", {
			value,
			reason: "aborted by the caller",
			cause: signal.reason,
		});
}
