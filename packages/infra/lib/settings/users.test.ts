import { expect, test } from "vitest";
import { usersFrom } from "./users.ts";

test("lines of a file name a sender, with or without a person", () => {
	const file =
		"\uFEFF# our team\r\ntelegram.1\r\n\r\ntelegram.2 anna # also in Slack\nslack.T1.U1=anna\n";
	expect(usersFrom(file)).toEqual({
		"telegram.1": "telegram.1",
		"telegram.2": "anna",
		"slack.T1.U1": "anna",
	});
});

test.each([
	["telegram.1 anna smith", /"telegram\.1 anna smith" has 3 words, at most 2/],
	["telegram.1 anna\ntelegram.1 ben", /telegram\.1 is both anna and ben/],
	["irc.anna", /"irc\.anna" is no user of a channel/],
	["toString.1", /is no user of a channel/],
	['{"telegram.1": "an na"}', /telegram\.1: "an na" is no name of a person/],
])("%j is refused", (text, message) => {
	expect(() => usersFrom(text)).toThrow(message);
});

test("100,000 lines are read", () => {
	const lines = Array.from({ length: 100_000 }, (_, index) => `telegram.${index} user-${index}`);
	expect(Object.keys(usersFrom(lines.join("\n")))).toHaveLength(100_000);
});
