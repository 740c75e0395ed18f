import { expect, test } from "vitest";
import { summarise } from "./summarise.ts";

const notes = ["a", "b", "c"].map((name) => `workspace/notes/${name}.md`);

test.each([
	[[], ""],
	[["sessions.json"], "sessions.json"],
	[["a", "b/c", "b/d"], "a, b/c, b/d"],
	[[...notes, "sessions.json"], "3 in workspace/notes, sessions.json"],
	[["a", "b", "c", "d"], "4 at the top"],
	[[...notes, "workspace/x/1", "workspace/y/1", "agents/z/1"], "5 in workspace, agents/z/1"],
	[["a/1", "a/2", "a/3", "b/1", "b/2", "c/1", "d/1", "e"], "3 in a, 2 in b, 3 more"],
	[Array.from({ length: 1_234 }, (_, index) => `logs/${index}/x`), "1,234 in logs"],
])("%#. %s", (paths, words) => {
	expect(summarise(paths)).toBe(words);
});
