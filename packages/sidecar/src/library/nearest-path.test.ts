import { expect, test } from "vitest";
import { nearestPath } from "./nearest-path.ts";

const TREE = [
	"",
	"MEMORY.md",
	"workspace",
	"workspace/AGENTS.md",
	"workspace/notes",
	"a/x",
	"b/x",
	"c/x",
	"d/x",
];

test.each([
	["AGENTS.md", "; did you mean workspace/AGENTS.md?"],
	["workspace/AGENTS.MD", "; did you mean workspace/AGENTS.md?"],
	["MEMRY.md", "; did you mean MEMORY.md?"],
	["workspace/notez", "; did you mean workspace/notes?"],
	["workspace/memory", ""],
	["e/x", ""],
	["", ""],
])("%j%s", (typed, expected) => expect(nearestPath(TREE, typed)).toBe(expected));
