/**
 * Remembers what has been delivered, so that nothing is queued twice: a channel repeats what it got
 * no answer to, and an attacker what they have seen. A delivery counts as taken only once it is in
 * the queue; one that broke off before is let in again, and the queue's own deduplication and the
 * worker's memory make it one.
 */
import {
	ConditionalCheckFailedException,
	GetItemCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { secondsFrom, type Table } from "../state-table.ts";
import { Refusal } from "./refusal.ts";

/** Telegram repeats for 24 hours, Feishu for about 8, Slack for about one. */
const KEPT_DAYS = 2;

export type Admission = "first" | "repeated";

export class Deliveries {
	readonly #table: Table;

	constructor(table: Table) {
		this.#table = table;
	}

	/**
	 * @param proof what no other request of the channel has; undefined: it does not say
	 * @returns `repeated`: queued before, and this is the channel trying again
	 * @throws Refusal REPLAYED: the very same request was queued before
	 */
	async admit(deliveryId: string, proof: string | undefined, nowMs: number): Promise<Admission> {
		const { client, TableName } = this.#table;
		const Key = { id: { S: `event#${deliveryId}` } };
		try {
			const { Attributes } = await client.send(
				new UpdateItemCommand({
					TableName,
					Key,
					UpdateExpression: `SET expiresAt = :end${proof === undefined ? "" : " ADD proofs :proofs"}`,
					ExpressionAttributeValues: {
						":end": secondsFrom(nowMs, KEPT_DAYS),
						...(proof !== undefined && { ":proof": { S: proof }, ":proofs": { SS: [proof] } }),
					},
					...(proof !== undefined && { ConditionExpression: "NOT contains(proofs, :proof)" }),
					ReturnValues: "ALL_OLD",
				}),
			);
			return Attributes?.queued === undefined ? "first" : "repeated";
		} catch (error) {
			if (!(error instanceof ConditionalCheckFailedException)) throw error;
			const { Item } = await client.send(
				new GetItemCommand({ TableName, Key, ConsistentRead: true }),
			);
			if (Item?.queued !== undefined) throw new Refusal("REPLAYED");
			return "first";
		}
	}

	async markQueued(deliveryId: string): Promise<void> {
		const { client, TableName } = this.#table;
		await client.send(
			new UpdateItemCommand({
				TableName,
				Key: { id: { S: `event#${deliveryId}` } },
				UpdateExpression: "SET queued = :true",
				ExpressionAttributeValues: { ":true": { BOOL: true } },
			}),
		);
	}
}
