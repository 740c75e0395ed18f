import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, test } from "vitest";
import { startTable } from "../../../testkit/functions/table.ts";
import { usersFrom } from "../users.ts";
import { UserTable } from "./user-table.ts";

test("100,000 users are added from a file, listed, and found by name", async () => {
	await using table = await startTable();
	const users = new UserTable(new DynamoDBClient({ maxAttempts: 10 }), table.users);
	const lines = Array.from({ length: 100_000 }, (_, index) => `telegram.${index} user-${index}`);
	const given = usersFrom(lines.join("\n"));
	expect(await users.add(given)).toEqual({ added: 100_000, unchanged: 0 });
	expect(Object.keys(await users.list())).toHaveLength(100_000);
	expect(await users.find(["user-77777"])).toEqual(["telegram.77777"]);
});
