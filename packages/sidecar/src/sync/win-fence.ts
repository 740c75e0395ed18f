import { SidecarError } from "../errors.ts";
import type { LogWriter } from "./log-writer.ts";
import type { Machine } from "./machine.ts";

/** Tries to take the tree over; an unanswered fence is settled first. @throws SidecarError STORE_UNREACHABLE where it stays undecided */
export async function winFence(writer: LogWriter, machine: Machine, signal: AbortSignal | undefined): Promise<"won" | "lost"> {
	let outcome = await writer.fence(signal);
	for (let attempt = 0; outcome.kind === "unknown" && attempt < 3; attempt++) {
		await machine.sleep(500 * 2 ** attempt, signal);
		outcome = (await writer.settle(signal)) ?? outcome;
	}
	if (outcome.kind === "unknown")
		throw new SidecarError("STORE_UNREACHABLE", { reason: "the store did not say whether it took the fence", cause: outcome.cause });
	return outcome.kind === "committed" ? "won" : "lost";
}
