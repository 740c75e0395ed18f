import { describe, expect, test } from "vitest";
import { makeFilter } from "./filter.ts";
import { openclaw } from "./profiles/openclaw.ts";
import { plain } from "./profiles/plain.ts";

describe("makeFilter", () => {
	test("keeps the workspace itself, whatever the user ignores", () => {
		expect(makeFilter(openclaw, "*\n")("", "dir")).toBe("keep");
	});

	test("skips the sidecar's own directory, but no directory of a similar name elsewhere", () => {
		const filter = makeFilter(plain, "!.openclaw-sidecar\n!.openclaw-sidecar/**\n");
		expect(filter(".openclaw-sidecar", "dir")).toBe("skip");
		expect(filter(".openclaw-sidecar/staging/1", "file")).toBe("skip");
		expect(filter("a/.openclaw-sidecar", "dir")).toBe("keep");
		expect(filter(".openclaw-sidecar-ignore", "file")).toBe("keep");
	});

	test("skips everything except files, directories and links", () => {
		expect(makeFilter(plain)("agent.sock", "other")).toBe("skip");
	});

	test("skips everything below a skipped directory, in any order of questions", () => {
		const filter = makeFilter(openclaw);
		expect(filter("tmp/a/b/c.md", "file")).toBe("skip");
		expect(filter("tmp", "dir")).toBe("skip");
		expect(filter("sandbox/skills-workspaces/y/z/index.js", "file")).toBe("skip");
		expect(filter("sandbox/index.js", "file")).toBe("keep");
	});

	test("gives the same verdicts after its cache of directories was cleared", () => {
		const filter = makeFilter(openclaw);
		for (let i = 0; i < 20_000; i++) filter(`workspace/${i}/a`, "file");
		expect(filter("cache/1/a", "file")).toBe("skip");
		expect(filter("workspace/1/a", "file")).toBe("keep");
	});
});

describe("the ignore file", () => {
	const text = [
		"# built",
		"/dist/",
		"*.log",
		"!keep.log",
		"docs/**/draft.md",
		"Photo.JPG",
		"\\#literal",
		"trailing   ",
		"",
	].join("\n");
	test.each([
		["dist", "dir", "skip"],
		["dist/a/b.js", "file", "skip"],
		["dist", "file", "keep"],
		["a/dist", "dir", "keep"],
		["a/b/x.log", "file", "skip"],
		["a/keep.log", "file", "keep"],
		["docs/draft.md", "file", "skip"],
		["docs/a/b/draft.md", "file", "skip"],
		["Photo.JPG", "file", "skip"],
		["photo.jpg", "file", "keep"],
		["#literal", "file", "skip"],
		["trailing", "file", "skip"],
		["..odd", "file", "keep"],
		["...", "dir", "keep"],
		["a\udcff.log", "file", "skip"],
		["back\\slash.log", "file", "skip"],
	] as const)("%s (%s): %s", (path, type, verdict) => {
		expect(makeFilter(plain, text)(path, type)).toBe(verdict);
	});

	test("includes paths again like git: by a later pattern, in any directory, but not below an excluded directory", () => {
		const filter = makeFilter(
			plain,
			"/a/*\n!/a/b/\n/a/b/*\n!/a/b/keep.md\nout/\n!out/in.md\n**/deep/*.bin\n",
		);
		const kept = ["a", "a/b", "a/b/keep.md", "x/a/other.md", "x/deep/a/x.bin"];
		const skipped = ["a/x", "a/b/other.md", "out", "out/in.md", "x/out/in.md", "x/y/deep/x.bin"];
		const type = (path: string) => (path.includes(".") ? "file" : "dir");
		expect(kept.filter((path) => filter(path, type(path)) !== "keep")).toEqual([]);
		expect(skipped.filter((path) => filter(path, type(path)) !== "skip")).toEqual([]);
	});

	test("can include what the profile would leave out, and everything below it", () => {
		const filter = makeFilter(openclaw, "!/cache/\n/cache/*\n!/cache/mine/\n!*.pid\n");
		expect([
			filter("cache/mine/x", "file"),
			filter("cache/other/x", "file"),
			filter("gateway.pid", "file"),
		]).toEqual(["keep", "skip", "keep"]);
		expect(filter("tmp/gateway.pid", "file")).toBe("skip");
	});

	test("has the last word over the profile", () => {
		expect(makeFilter(openclaw)("logs/support/index.js", "file")).toBe("skip");
		const filter = makeFilter(openclaw, "!/logs/\nnode_modules/\n");
		expect(filter("logs/support/index.js", "file")).toBe("keep");
		expect(filter("logs/support/node_modules/x/index.js", "file")).toBe("skip");
		expect(filter("cache/x", "file")).toBe("skip");
	});

	test("gives the same verdict after any number of questions", () => {
		const filter = makeFilter(plain, "*.log\n");
		for (let i = 0; i < 25_000; i++) filter(`f${i}`, "file");
		expect([filter("f1", "file"), filter("f.log", "file")]).toEqual(["keep", "skip"]);
	});
});
