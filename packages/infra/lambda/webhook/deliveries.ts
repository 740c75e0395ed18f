/**
 * Remembers deliveries, so that nothing is queued twice: channels retry unanswered requests, and
 * attackers replay captured ones. A delivery counts as accepted only once it is in the queue. One
 * that was interrupted earlier is accepted again. The queue's deduplication and the worker's memory
 * then remove the duplicate.
 */
import {
	ConditionalCheckFailedException,
	GetItemCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { secondsFrom, type Table } from "../state-table.ts";
import { Refusal } from "./refusal.ts";

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
