/** The functions' table in dynalite, which serves DynamoDB's API over HTTP in this process. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";

export interface LocalTable extends AsyncDisposable {
	readonly url: string;
	readonly name: string;
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
	});
	const client = new DynamoDBClient({});
	await client.send(
		new CreateTableCommand({
			TableName: "state",
			BillingMode: "PAY_PER_REQUEST",
			AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
			KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
		}),
	);
	await waitUntilTableExists(
		{ client, maxWaitTime: 10, minDelay: 0.02, maxDelay: 0.1 },
		{ TableName: "state" },
	);
	client.destroy();
	return {
		url,
		name: "state",
		async [Symbol.asyncDispose]() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};
}
