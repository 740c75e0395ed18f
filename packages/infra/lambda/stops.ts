/**
 * When a user last wrote `/stop`. The agent ends the turn that it works on; the worker answers
 * messages that were queued before and that the agent was not asked yet.
 */
import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { secondsFrom, type Table } from "./state-table.ts";

/** As long as a message can come back from the dead-letter queue. */
const KEPT_DAYS = 16;

export class Stops {
	readonly #table: Table;

	constructor(table: Table) {
		this.#table = table;
	}

	async note(userId: string, nowMs: number): Promise<void> {
		const { client, TableName } = this.#table;
		const Item = {
			...keyOf(userId),
			atMs: { N: String(nowMs) },
			expiresAt: secondsFrom(nowMs, KEPT_DAYS),
		};
		await client.send(new PutItemCommand({ TableName, Item }));
	}

	async isAfter(userId: string, queuedMs: number): Promise<boolean> {
		const { client, TableName } = this.#table;
		const { Item } = await client.send(
			new GetItemCommand({ TableName, Key: keyOf(userId), ConsistentRead: true }),
		);
		return Number(Item?.atMs?.N) > queuedMs;
	}
}

function keyOf(userId: string): { readonly id: { readonly S: string } } {
	return { id: { S: `stopped#${userId}` } };
}
