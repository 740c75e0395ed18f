/** The table of users, as the tools see it. `lambda/state/allowed-users.ts` reads it. */
import {
	ConditionalCheckFailedException,
	DeleteItemCommand,
	type DynamoDBClient,
	GetItemCommand,
	PutItemCommand,
	paginateScan,
} from "@aws-sdk/client-dynamodb";
import type { Users } from "../lib/settings/users.ts";
import { ToolError } from "./tool-error.ts";

/** Requests at a time: the SDK has as many sockets. */
const AT_ONCE = 50;

export interface Added {
	readonly added: number;
	/** Already there, as the same person. */
	readonly unchanged: number;
}

export class UserTable {
	readonly #client: DynamoDBClient;
	readonly #name: string;

	constructor(client: DynamoDBClient, name: string) {
		this.#client = client;
		this.#name = name;
	}

	/**
	 * Never moves a sender to another person, because that opens one person's agent to another.
	 * @throws ToolError USERS_CONFLICT after all others were added
	 */
	async add(users: Users): Promise<Added> {
		const conflicts: string[] = [];
		let added = 0;
		await inParallel(Object.entries(users), async ([id, user]) => {
			try {
				await this.#client.send(
					new PutItemCommand({
						TableName: this.#name,
						Item: { id: { S: id }, user: { S: user } },
						ConditionExpression: "attribute_not_exists(id)",
					}),
				);
				added++;
			} catch (error) {
				if (!(error instanceof ConditionalCheckFailedException)) throw error;
				const { Item } = await this.#client.send(
					new GetItemCommand({
						TableName: this.#name,
						Key: { id: { S: id } },
						ConsistentRead: true,
					}),
				);
				if (Item?.user?.S !== user) conflicts.push(`${id} is ${Item?.user?.S}, not ${user}`);
			}
		});
		if (conflicts.length > 0)
			throw new ToolError(
				"USERS_CONFLICT",
				`${conflicts.length} users belong to other people already: ${conflicts.slice(0, 5).join("; ")}`,
				"remove them first (`pnpm infra:users remove`), or correct the list",
			);
		return { added, unchanged: Object.keys(users).length - added };
	}

	async list(): Promise<Users> {
		const users: [string, string][] = [];
		const pages = paginateScan(
			{ client: this.#client },
			{ TableName: this.#name, ConsistentRead: true },
		);
		for await (const { Items = [] } of pages)
			for (const { id, user } of Items)
				if (id?.S !== undefined && user?.S !== undefined) users.push([id.S, user.S]);
		return Object.fromEntries(users.sort(([a], [b]) => (a < b ? -1 : 1)));
	}

	/** The senders of these people, or of these senders. */
	async find(names: readonly string[]): Promise<readonly string[]> {
		const wanted = new Set(names);
		return Object.entries(await this.list())
			.filter(([id, user]) => wanted.has(id) || wanted.has(user))
			.map(([id]) => id);
	}

	/**
	 * The senders of one person.
	 * @throws ToolError USAGE if the name is a sender of a person with another name, whose workspace
	 * and machine have that other name
	 */
	async sendersOf(person: string): Promise<readonly string[]> {
		const users = await this.list();
		const owner = Object.hasOwn(users, person) ? users[person] : undefined;
		const senders = Object.keys(users).filter((id) => users[id] === person);
		if (owner === undefined || owner === person || senders.length > 0) return senders;
		throw new ToolError(
			"USAGE",
			`${person} is a sender of ${owner}, not a person`,
			`use the person's name: ${owner}`,
		);
	}

	async remove(senders: readonly string[]): Promise<void> {
		await inParallel(senders, async (id) => {
			await this.#client.send(
				new DeleteItemCommand({ TableName: this.#name, Key: { id: { S: id } } }),
			);
		});
	}
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
	const iterator = items.values();
	const worker = async () => {
		for (const item of iterator) await work(item);
	};
	await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
}
