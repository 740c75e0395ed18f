/** README.md shows every room, and a newcomer can read what is deployed. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { linesOfFirstReading, withRooms } from "./rooms.ts";

const HOME = new URL("..", import.meta.url);
const readme = readFileSync(new URL("README.md", HOME), "utf8");

test("README.md has every room with its size", () => {
	expect(withRooms(readme)).toBe(readme);
	const rooms = ["lib", "lambda"].flatMap((parent) =>
		readdirSync(new URL(parent, HOME), { withFileTypes: true })
			.filter((entry) => entry.isDirectory())
			.map(({ name }) => `${parent}/${name}`),
	);
	expect(rooms.filter((name) => !readme.includes(`| \`${name}\` |`))).toEqual([]);
});

test("a first reading of what is deployed and runs there has 5,000 lines", () => {
	expect(linesOfFirstReading()).toBeLessThanOrEqual(5_000);
});
