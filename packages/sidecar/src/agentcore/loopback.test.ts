import { expect, test } from "vitest";
import { isLoopback, isLoopbackHost } from "./loopback.ts";

test.each(["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])(
	"%s is this machine",
	(address) => {
		expect(isLoopback(address)).toBe(true);
	},
);

test.each([
	undefined,
	"",
	"169.254.0.2",
	"::ffff:10.0.0.1",
	"128.0.0.1",
	"127.0.0.1.evil",
	"1127.0.0.1",
])("%s is not", (address) => {
	expect(isLoopback(address)).toBe(false);
});

test.each([
	["localhost:8080", true],
	["127.0.0.1", true],
	["[::1]:8080", true],
	["localhost.evil.example", false],
	["evil.example:8080", false],
	[undefined, false],
])("Host %s: %s", (host, expected) => expect(isLoopbackHost(host)).toBe(expected));
