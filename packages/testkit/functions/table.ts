/** The functions' tables in dynalite, which serves DynamoDB's API over HTTP in this process. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import {
	CreateTableCommand,
	DeleteItemCommand,
	DynamoDBClient,
	PutItemCommand,
	waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";

export interface LocalTable extends AsyncDisposable {
	readonly url: string;
	/** The table in which the functions remember things. */
	readonly name: string;
	/** The table of users. */
	readonly users: string;
	/** @param users by sender */
	allow(users: Readonly<Record<string, string>>): Promise<void>;
	refuse(sender: string): Promise<void>;
}

/** The SDK always requires credentials; nothing here checks signatures. */
export const FAKE_CREDENTIALS = {
	AWS_ACCESS_KEY_ID: "test",
	AWS_SECRET_ACCESS_KEY: "test",
	AWS_REGION: "eu-central-1",
};

export async function startTable(): Promise<LocalTable> {
	const server = dynalite({ createTableMs: 0 }).listen(0, "127.0.0.1");
	await once(server, "listening");
	const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
	Object.assign(process.env, FAKE_CREDENTIALS, {
		AWS_ENDPOINT_URL_DYNAMODB: url,
		STATE_TABLE: "state",
		USERS_TABLE: "users",
	});
	const client = new DynamoDBClient({});
	for (const TableName of ["state", "users"]) {
		await client.send(
			new CreateTableCommand({
				TableName,
				BillingMode: "PAY_PER_REQUEST",
				AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
				KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
			}),
		);
		await waitUntilTableExists(
			{ client, maxWaitTime: 10, minDelay: 0.02, maxDelay: 0.1 },
			{ TableName },
		);
	}
	return {
		url,
		name: "state",
		users: "users",
		async allow(users) {
			for (const [id, user] of Object.entries(users))
				await client.send(
					new PutItemCommand({ TableName: "users", Item: { id: { S: id }, user: { S: user } } }),
				);
		},
		async refuse(sender) {
			await client.send(new DeleteItemCommand({ TableName: "users", Key: { id: { S: sender } } }));
		},
		async [Symbol.asyncDispose]() {
			client.destroy();
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
}
