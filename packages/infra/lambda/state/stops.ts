/**
 * When a user last wrote `/stop`. The agent ends the turn that it works on; the worker answers
 * messages that were queued before and that the agent was not asked yet.
 */
import { keptFor, type Table } from "./table.ts";

/** As long as a message can come back from the dead-letter queue. */
const KEPT_DAYS = 16;

export class Stops {
	readonly #table: Table;

	constructor(table: Table) {
		this.#table = table;
	}

	async note(userId: string, nowMs: number): Promise<void> {
		const fields = { atMs: { N: String(nowMs) }, ...keptFor(KEPT_DAYS, nowMs) };
		await this.#table.put(`stopped#${userId}`, fields);
	}

	async isAfter(userId: string, queuedMs: number): Promise<boolean> {
		const item = await this.#table.get(`stopped#${userId}`);
		return Number(item?.atMs?.N) > queuedMs;
	}
}
