import { afterAll, beforeAll, expect, test } from "vitest";
import { asInOwnProcess } from "../../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../../testkit/functions/table.ts";
import { AllowedUsers } from "./allowed-users.ts";

asInOwnProcess();

let table: LocalTable;

beforeAll(async () => {
	table = await startTable();
});

afterAll(async () => await table[Symbol.asyncDispose]());

test("a sender is allowed as the user of its item, and nobody else is", async () => {
	const users = new AllowedUsers();
	await table.allow({ "telegram.1": "anna", "slack.T.U": "anna" });
	expect(
		await Promise.all(
			["telegram.1", "slack.T.U", "telegram.12", "anna", "toString"].map((sender) =>
				users.find(sender),
			),
		),
	).toEqual(["anna", "anna", undefined, undefined, undefined]);
});

test("an added user is allowed at once, and a removed one refused at once", async () => {
	const users = new AllowedUsers();
	expect(await users.find("telegram.2")).toBeUndefined();
	await table.allow({ "telegram.2": "ben" });
	expect(await users.find("telegram.2")).toBe("ben");
	await table.refuse("telegram.2");
	expect(await users.find("telegram.2")).toBeUndefined();
});

test("nobody is allowed if the table cannot be read", async () => {
	process.env.USERS_TABLE = "gone";
	await expect(new AllowedUsers().find("telegram.1")).rejects.toThrow("not found");
	process.env.USERS_TABLE = table.users;
});
