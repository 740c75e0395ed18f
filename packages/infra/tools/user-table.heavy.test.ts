import { BatchWriteItemCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { startTable } from "../../testkit/functions/table.ts";
import { usersFrom } from "../lib/settings/users.ts";
import { UserTable } from "./user-table.ts";

test("among 100,000 users, others are added, all are listed, and one is found and removed", async () => {
	await using table = await startTable();
	const client = new DynamoDBClient({ maxAttempts: 10 });
	// The tool adds one user in a request, of which this emulator takes a few hundred a second.
	for (let first = 0; first < 100_000; first += 25) {
		const puts = Array.from({ length: 25 }, (_, index) => ({
			PutRequest: {
				Item: { id: { S: `telegram.${first + index}` }, user: { S: `user-${first + index}` } },
			},
		}));
		await client.send(new BatchWriteItemCommand({ RequestItems: { [table.users]: puts } }));
	}
	const users = new UserTable(client, table.users);
	const lines = Array.from(
		{ length: 2_000 },
		(_, index) => `telegram.${99_000 + index} user-${99_000 + index}`,
	);
	const startedMs = Date.now();
	expect(await users.add(usersFrom(lines.join("\n")))).toEqual({ added: 1_000, unchanged: 1_000 });
	const addedMs = Date.now();
	expect(Object.keys(await users.list())).toHaveLength(101_000);
	console.log(`add 2,000: ${addedMs - startedMs} ms; list 101,000: ${Date.now() - addedMs} ms`);
	expect(await users.find(["user-77777"])).toEqual(["telegram.77777"]);
	await users.remove(["telegram.77777"]);
	expect(await users.find(["user-77777"])).toEqual([]);
});
