import { expect, test } from "vitest";
import { mayCreate } from "./new-store.ts";
import { COMMANDS } from "./program.ts";

test("only commands that can be the first to use a store offer to create it", () => {
	expect(COMMANDS.filter(mayCreate).map(({ name }) => name)).toEqual([
		"run",
		"restore",
		"flush",
		"import",
		"doctor",
	]);
});
