/**
 * Deletes what is past retention, one namespace after the other; on a schedule.
 *
 * Environment: `STORE_URL`, `NONCE_TABLE` (get, put and delete: where the last run stopped).
 */
import type { Context } from "aws-lambda";

export async function handler(_event: unknown, _context: Pick<Context, "getRemainingTimeInMillis">): Promise<unknown> {
	throw new Error("not written yet");
}
