import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeAws } from "../../../testkit/functions/fake-aws.ts";
import { asInOwnProcess } from "../../../testkit/functions/own-process.ts";
import { FAKE_CREDENTIALS } from "../../../testkit/functions/table.ts";
import { AllowedUsers, parseUsers } from "./allowed-users.ts";

asInOwnProcess();

let aws: FakeAws;

beforeAll(async () => {
	Object.assign(process.env, FAKE_CREDENTIALS);
	aws = await FakeAws.start();
});

afterAll(async () => await aws[Symbol.asyncDispose]());

test("a list allows its users as themselves; an object maps them to names", async () => {
	expect(await new AllowedUsers('["telegram.1"]').find("telegram.1")).toBe("telegram.1");
	expect(await new AllowedUsers('["telegram.1"]').find("telegram.12")).toBeUndefined();
	const users = new AllowedUsers('{"telegram.1": "anna", "slack.T.U": "anna"}');
	expect([
		await users.find("telegram.1"),
		await users.find("slack.T.U"),
		await users.find("anna"),
	]).toEqual(["anna", "anna", undefined]);
	expect(await new AllowedUsers("[]").find("toString")).toBeUndefined();
});

test("a parameter is read again after a minute, and then refuses removed users", async () => {
	aws.parameters.set("/openclaw/users", '["telegram.1"]');
	const users = new AllowedUsers("/openclaw/users");
	expect(await users.find("telegram.1", 0)).toBe("telegram.1");
	aws.parameters.set("/openclaw/users", "[]");
	expect(await users.find("telegram.1", 60_000)).toBe("telegram.1");
	expect(await users.find("telegram.1", 60_001)).toBeUndefined();
	aws.parameters.set("/openclaw/users", "not JSON");
	await expect(users.find("telegram.1", 200_000)).rejects.toThrow("ALLOWED_USERS must be JSON");
});

test.each(['"telegram.1"', "[1]", '[""]', '{"telegram.1": 2}', '{"telegram.1": ""}', "*"])(
	"%s is refused",
	(text) => {
		expect(() => parseUsers(text)).toThrow("ALLOWED_USERS must be JSON");
	},
);
