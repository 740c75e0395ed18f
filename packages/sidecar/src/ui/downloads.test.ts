import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { ZipFile } from "yazl";
import { archiveName, Tickets } from "./downloads.ts";

const body = { name: "x", size: 0, open: () => Readable.from([]) };

test("a ticket is good for one request, within a minute", () => {
	let nowMs = 0;
	const tickets = new Tickets(() => nowMs);
	const [first, second] = [tickets.issue(body), tickets.issue(body)];
	expect(first).not.toBe(second);
	expect(tickets.redeem(first)).toBe(body);
	expect(tickets.redeem(first)).toBeUndefined();
	nowMs = 60_000;
	expect(tickets.redeem(second)).toBeUndefined();
	expect(tickets.redeem("")).toBeUndefined();
});

test.each([
	["notes/ä b.md", "notes/ä b.md"],
	["a\\b", "a%5Cb"],
	["50%", "50%25"],
	["\udc80x", "%DC80x"],
	["C:/notes", "C%3A/notes"],
	["c:x", "c%3Ax"],
	["cc:x/d:", "cc:x/d:"],
])("an archive holds %j as %j", (path, name) => {
	expect(archiveName(path)).toBe(name);
	new ZipFile().addEmptyDirectory(archiveName(path));
});
