/**
 * The state of each message, so that a message that the queue delivers again is neither asked nor
 * answered twice.
 *
 * The record is written before the agent is asked, and deleted if the agent certainly was not
 * asked. It keeps the answer until all parts are sent. A message that was asked and has no answer
 * has an unknown outcome. Not guaranteed: a part is sent twice if the function dies between sending
 * it and recording that.
 */
import {
	type AttributeValue,
	ConditionalCheckFailedException,
	DeleteItemCommand,
	GetItemCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { secondsFrom, type Table } from "../state-table.ts";

/** A message can stay in the queue and in the dead-letter queue for 14 days each. */
const KEPT_DAYS = 29;
/** A DynamoDB item can hold 400 KB. */
const MAX_ANSWER_BYTES = 300_000;

export type Progress =
	| { readonly kind: "new" }
	| ((
			| { readonly kind: "asked" | "done" }
			| { readonly kind: "answered"; readonly answer: string; readonly sentParts: number }
	  ) & {
			/** The sign of progress that an earlier attempt may have left. */
			readonly shown: string | undefined;
	  });

export class Answers {
	readonly #table: Table;

	constructor(table: Table) {
		this.#table = table;
	}

	/**
	 * Records that the message is about to be asked, unless it already was. @returns the earlier
	 * record
	 */
	async begin(deliveryId: string, nowMs: number): Promise<Progress> {
		try {
			await this.#update(deliveryId, "SET askedAt = :now, expiresAt = :end", {
				values: { ":now": { N: String(nowMs) }, ":end": secondsFrom(nowMs, KEPT_DAYS) },
				condition: "attribute_not_exists(id)",
			});
			return { kind: "new" };
		} catch (error) {
			if (!(error instanceof ConditionalCheckFailedException)) throw error;
			return await this.#read(deliveryId);
		}
	}

	async #read(deliveryId: string): Promise<Progress> {
		const { client, TableName } = this.#table;
		const { Item } = await client.send(
			new GetItemCommand({ TableName, Key: keyOf(deliveryId), ConsistentRead: true }),
		);
		const shown = Item?.shown?.S;
		if (Item?.done !== undefined) return { kind: "done", shown };
		if (Item?.answer?.S === undefined) return { kind: "asked", shown };
		const sentParts = Number(Item.sentParts?.N ?? 0);
		return { kind: "answered", answer: Item.answer.S, sentParts, shown };
	}

	/** The message was not asked. */
	async forget(deliveryId: string): Promise<void> {
		const { client, TableName } = this.#table;
		await client.send(new DeleteItemCommand({ TableName, Key: keyOf(deliveryId) }));
	}

	/**
	 * An answer that exceeds an item is not kept. If sending its parts is interrupted, the user is
	 * told that the outcome is unknown.
	 */
	async keep(deliveryId: string, answer: string): Promise<void> {
		if (Buffer.byteLength(answer) > MAX_ANSWER_BYTES) return;
		await this.#update(deliveryId, "SET answer = :answer", {
			values: { ":answer": { S: answer } },
		});
	}

	async noteSent(deliveryId: string, parts: number): Promise<void> {
		await this.#update(deliveryId, "SET sentParts = :parts", {
			values: { ":parts": { N: String(parts) } },
		});
	}

	/** So that a later attempt removes it if the function dies. */
	async noteShown(deliveryId: string, shown: string): Promise<void> {
		await this.#update(deliveryId, "SET shown = :shown", {
			values: { ":shown": { S: shown } },
			// A record that was deleted meanwhile must not come back: the message was not asked.
			condition: "attribute_exists(id)",
		});
	}

	/** All parts are sent, so the text is deleted. */
	async finish(deliveryId: string): Promise<void> {
		await this.#update(deliveryId, "SET done = :true REMOVE answer", {
			values: { ":true": { BOOL: true } },
		});
	}

	async #update(
		deliveryId: string,
		expression: string,
		{
			values,
			condition,
		}: { readonly values: Record<string, AttributeValue>; readonly condition?: string },
	): Promise<void> {
		const { client, TableName } = this.#table;
		await client.send(
			new UpdateItemCommand({
				TableName,
				Key: keyOf(deliveryId),
				UpdateExpression: expression,
				ExpressionAttributeValues: values,
				...(condition !== undefined && { ConditionExpression: condition }),
			}),
		);
	}
}

function keyOf(deliveryId: string): { readonly id: { readonly S: string } } {
	return { id: { S: `answer#${deliveryId}` } };
}
