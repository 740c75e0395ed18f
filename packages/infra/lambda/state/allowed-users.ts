/**
 * The users who may talk to the agents: a table with one item for each sender of a channel. `id` is
 * the sender (`telegram.4711`), `user` the person. One person may write from several channels.
 *
 * Nothing is cached: a read takes about 5 ms, and a removed user is refused at once. If the table
 * cannot be read, nobody is allowed and the channel sends its message again.
 *
 * Environment: `USERS_TABLE` (partition key `id`, a string; get).
 */
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { QUICK } from "../shared/aws-limits.ts";
import { required } from "../shared/environment.ts";

export class AllowedUsers {
	readonly #client = new DynamoDBClient(QUICK);
	readonly #table = required("USERS_TABLE");

	/**
	 * The user's id, from which namespace and session are made; undefined if not allowed. @throws
	 * Error if the table cannot be read
	 */
	async find(sender: string): Promise<string | undefined> {
		const { Item } = await this.#client.send(
			new GetItemCommand({
				TableName: this.#table,
				Key: { id: { S: sender } },
				ConsistentRead: true,
			}),
		);
		return Item?.user?.S;
	}
}
