import { expect, test } from "vitest";
import { isTypedInterrupt } from "./terminal.ts";

const stat = (group: number, terminal: number, foreground: number) => () =>
	`7 (no) de) S 3 ${group} 5 ${terminal} ${foreground} 0 0`;

test("treats a SIGINT as typed if this process is in its terminal's foreground group", () => {
	expect(isTypedInterrupt("SIGINT", stat(7, 34816, 7))).toBe(true);
	expect(isTypedInterrupt("SIGINT", stat(7, 34816, 8))).toBe(false);
	expect(isTypedInterrupt("SIGINT", stat(7, 0, 7))).toBe(false);
	expect(isTypedInterrupt("SIGTERM", stat(7, 34816, 7))).toBe(false);
});
