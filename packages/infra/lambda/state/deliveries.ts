/**
 * Remembers deliveries, so that nothing is queued twice: channels retry unanswered requests, and
 * attackers replay captured ones. A delivery counts as accepted only once it is in the queue. One
 * that was interrupted earlier is accepted again. The queue's deduplication and the worker's memory
 * then remove the duplicate.
 */
import { Refusal } from "../shared/refusal.ts";
import { keptFor, type Table } from "./table.ts";

/** Telegram retries for 24 hours, Feishu for about 8, Slack for about one. */
const KEPT_DAYS = 2;

export type Admission = "first" | "repeated";

export class Deliveries {
	readonly #table: Table;

	constructor(table: Table) {
		this.#table = table;
	}

	/**
	 * @param proof unique to one request of the channel; undefined if the channel has no such value
	 * @returns `repeated` if it was queued before and the channel retries
	 * @throws Refusal REPLAYED if the identical request was queued before
	 */
	async admit(deliveryId: string, proof: string | undefined, nowMs: number): Promise<Admission> {
		const { expiresAt } = keptFor(KEPT_DAYS, nowMs);
		const before = await this.#table.update(idOf(deliveryId), {
			expression: `SET expiresAt = :end${proof === undefined ? "" : " ADD proofs :proofs"}`,
			values: {
				":end": expiresAt,
				...(proof !== undefined && { ":proof": { S: proof }, ":proofs": { SS: [proof] } }),
			},
			...(proof !== undefined && { condition: "NOT contains(proofs, :proof)" }),
			returns: "ALL_OLD",
		});
		if (before !== undefined) return before.queued === undefined ? "first" : "repeated";
		const item = await this.#table.get(idOf(deliveryId));
		if (item?.queued !== undefined) throw new Refusal("REPLAYED");
		return "first";
	}

	async markQueued(deliveryId: string): Promise<void> {
		await this.#table.update(idOf(deliveryId), {
			expression: "SET queued = :true",
			values: { ":true": { BOOL: true } },
		});
	}
}

function idOf(deliveryId: string): string {
	return `event#${deliveryId}`;
}
