/**
 * The one table in which the functions remember things: partition key `id` (a string), TTL
 * attribute `expiresAt` (seconds). DynamoDB deletes expired items up to two days later.
 *
 * `event#…` deliveries, `answer#…` outcomes of messages, `paste#…` and `last-paste#…` messages in
 * pieces and the pieces that joined them, `stopped#…` when users wrote `/stop`, `stranger#…` and
 * `edited#…` people who were told something, `proved#…` keys that a channel has signed with.
 */
import { createHash } from "node:crypto";
import {
	type AttributeValue,
	ConditionalCheckFailedException,
	DeleteItemCommand,
	DynamoDBClient,
	GetItemCommand,
	PutItemCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { QUICK } from "../shared/aws-limits.ts";
import { once, required } from "../shared/environment.ts";

export type Item = Readonly<Record<string, AttributeValue>>;

export interface Change {
	/** `SET … ADD … REMOVE …` */
	readonly expression: string;
	readonly values: Item;
	readonly names?: Readonly<Record<string, string>>;
	readonly condition?: string;
	/** Default: the item after the change. */
	readonly returns?: "ALL_OLD" | "ALL_NEW";
}

export class Table {
	readonly #client = new DynamoDBClient(QUICK);
	readonly #TableName = required("STATE_TABLE");

	async get(id: string): Promise<Item | undefined> {
		const { Item } = await this.#client.send(
			new GetItemCommand({ TableName: this.#TableName, Key: keyOf(id), ConsistentRead: true }),
		);
		return Item;
	}

	/** @returns false if the condition does not hold */
	async put(id: string, fields: Item, condition?: string): Promise<boolean> {
		const command = new PutItemCommand({
			TableName: this.#TableName,
			Item: { ...keyOf(id), ...fields },
			ConditionExpression: condition,
		});
		return (await ifHolds(this.#client.send(command))) !== undefined;
	}

	/** @returns the item, or {} if there was none; undefined if the condition does not hold */
	async update(id: string, change: Change): Promise<Item | undefined> {
		const { expression, values, names, condition, returns = "ALL_NEW" } = change;
		const command = new UpdateItemCommand({
			TableName: this.#TableName,
			Key: keyOf(id),
			UpdateExpression: expression,
			ExpressionAttributeValues: { ...values },
			ExpressionAttributeNames: names,
			ConditionExpression: condition,
			ReturnValues: returns,
		});
		const output = await ifHolds(this.#client.send(command));
		return output && (output.Attributes ?? {});
	}

	async delete(id: string): Promise<void> {
		await this.#client.send(new DeleteItemCommand({ TableName: this.#TableName, Key: keyOf(id) }));
	}
}

/** One connection for all that use it. */
export const openTable = once(() => new Table());

/** Reveals nothing about the keys, which are random and long. */
export function provedId(
	fields: readonly string[],
	secret: Readonly<Record<string, unknown>>,
): string {
	const keys = fields.map((field) => `${field}\n${secret[field]}`).join("\n");
	return `proved#${createHash("sha256").update(keys).digest("hex")}`;
}

/** The attribute with which DynamoDB deletes an item. */
export function keptFor(days: number, nowMs: number) {
	return { expiresAt: { N: String(Math.round(nowMs / 1_000 + days * 86_400)) } };
}

function keyOf(id: string) {
	return { id: { S: id } };
}

async function ifHolds<T>(request: Promise<T>): Promise<T | undefined> {
	try {
		return await request;
	} catch (error) {
		if (error instanceof ConditionalCheckFailedException) return undefined;
		throw error;
	}
}
