import { describe, expect, test } from "vitest";
import { compilePatterns } from "./patterns.ts";

describe("compilePatterns", () => {
	test.each([
		["/tmp/", "tmp", "dir", true],
		["/tmp/", "tmp", "link", true],
		["/tmp/", "tmp", "file", false],
		["/tmp/", "a/tmp", "dir", false],
		["*.lock", "a/b/x.lock", "file", true],
		["*.lock", "x.lock.txt", "file", false],
		["*.lock", ".lock", "file", true],
		["*.tmp.*", "a/sessions.json.tmp.12", "file", true],
		["/a/*/c", "a/b/c", "file", true],
		["/a/*/c", "a/b/b/c", "file", false],
		["/a/**/c", "a/c", "file", true],
		["/a/**/c", "a/b/b/c", "file", true],
		["/a/**", "a", "dir", false],
		["/a/**", "a/b/c", "file", true],
		["/{a,b*}/x", "bcd/x", "file", true],
		["/{a,b*}/x", "c/x", "file", false],
		["*.sqlite.{p,q}.sqlite", "s/x.sqlite.q.sqlite", "file", true],
		["a.b", "aXb", "file", false],
		["a+(b)", "x/a+(b)", "file", true],
		["*.lock", "line\nbreak.lock", "file", true],
	] as const)("%s on %s (%s): %s", (pattern, path, type, expected) => {
		expect(compilePatterns([pattern])(path, type)).toBe(expected);
		expect(compilePatterns(["/never", "never*", pattern, "/never/*"])(path, type)).toBe(expected);
	});
});
