/** The checks that every channel's proof is made of. */
import { createHash, timingSafeEqual } from "node:crypto";
import { Refusal } from "./refusal.ts";

/** What Slack names; a clock may be wrong in either direction. */
const WINDOW_MS = 300_000;

/** Takes as long whatever differs and however long either is: digests are compared. */
export function isSame(given: string, expected: string): boolean {
	return timingSafeEqual(
		createHash("sha256").update(given).digest(),
		createHash("sha256").update(expected).digest(),
	);
}

/** @param given seconds since the epoch, as a header says it. @throws Refusal TIMESTAMP_INVALID */
export function checkWindow(given: string | undefined, nowMs: number): void {
	if (given === undefined || !/^\d{1,12}$/.test(given)) throw new Refusal("TIMESTAMP_INVALID");
	if (Math.abs(nowMs - Number(given) * 1_000) > WINDOW_MS) throw new Refusal("TIMESTAMP_INVALID");
}
