/** Checks that the channels' proofs share. */
import { createHash, timingSafeEqual } from "node:crypto";
import { Refusal } from "../shared/refusal.ts";

/** Slack's recommendation; a clock may be wrong in either direction. */
const WINDOW_MS = 300_000;

/** Constant time for any difference and length, because it compares digests. */
export function isSame(given: string, expected: string): boolean {
	return timingSafeEqual(
		createHash("sha256").update(given).digest(),
		createHash("sha256").update(expected).digest(),
	);
}

/** @param given seconds since the epoch, from a header. @throws Refusal TIMESTAMP_INVALID */
export function checkWindow(given: string | undefined, nowMs: number): void {
	if (given === undefined || !/^\d{1,12}$/.test(given)) throw new Refusal("TIMESTAMP_INVALID");
	if (Math.abs(nowMs - Number(given) * 1_000) > WINDOW_MS) throw new Refusal("TIMESTAMP_INVALID");
}
