import { expect, test } from "vitest";
import { displayOf } from "./display.ts";

const RED = "\u001b[31mx\u001b[39m";

test.each([
	["auto", true, {}, RED],
	["auto", false, {}, "x"],
	["auto", true, { NO_COLOR: "1" }, "x"],
	["auto", true, { NO_COLOR: "" }, RED],
	["auto", true, { TERM: "dumb" }, "x"],
	["auto", false, { FORCE_COLOR: "1" }, RED],
	["auto", false, { FORCE_COLOR: "" }, RED],
	["auto", true, { FORCE_COLOR: "0" }, "x"],
	["auto", false, { FORCE_COLOR: "3", NO_COLOR: "1" }, RED],
	["always", false, { NO_COLOR: "1" }, RED],
	["never", true, { FORCE_COLOR: "1" }, "x"],
] as const)("--color %s, a terminal: %s, %j gives %j", (color, isTTY, env, expected) => {
	expect(displayOf({ color }, { isTTY, columns: 100 }, env).style("red", "x")).toBe(expected);
});

test("only a terminal has a width, 80 if it does not tell", () => {
	const columns = (stream: { isTTY?: boolean; columns?: number }) =>
		displayOf({ color: "auto" }, stream, {}).columns;
	expect(columns({ isTTY: true, columns: 132 })).toBe(132);
	expect(columns({ isTTY: true, columns: 0 })).toBe(80);
	expect(columns({ columns: 132 })).toBe(undefined);
});
