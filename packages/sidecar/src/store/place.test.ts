import { describe, expect, it } from "vitest";
import { overlapsLogs, parsePlace } from "./place.ts";

describe("a place", () => {
	it.each([
		["s3://bucket", "bucket", ""],
		["s3://bucket/", "bucket", ""],
		["s3://bucket/a b/ü", "bucket", "a b/ü/"],
		["s3://bucket/a/", "bucket", "a/"],
	])("is %s", (text, bucket, prefix) => {
		expect(parsePlace(text)).toEqual({ kind: "s3", bucket, prefix });
	});

	it("is a directory", () => {
		expect(parsePlace("/a/b/../c/")).toEqual({ kind: "directory", path: "/a/c" });
		expect(parsePlace("file:///a%20b")).toEqual({ kind: "directory", path: "/a b" });
		expect(parsePlace("x")).toEqual({ kind: "directory", path: `${process.cwd()}/x` });
	});

	it.each([
		"",
		"s3://",
		"s3://B",
		"s3://bucket//a",
		"s3://bucket/a//b",
		"s3://bucket/a/../b",
		"https://bucket/a",
		"a\0",
	])("is not %j", (text) => {
		expect(() => parsePlace(text)).toThrow(expect.objectContaining({ code: "STORE_URL_INVALID" }));
	});

	it.each([
		["s3://bbb", "s3://bbb/users/", true],
		["s3://bbb", "s3://bbb/users/anna/x", true],
		["s3://bbb", "s3://bbb", true],
		["s3://bbb", "s3://bbb/backup", false],
		["s3://bbb", "s3://bbb/users-backup", false],
		["s3://bbb", "s3://ccc/users/anna", false],
		["s3://bbb/agents", "s3://bbb/agents/backup", false],
		["s3://bbb/agents", "s3://bbb/agents/users/anna", true],
		["s3://bbb/agents", "s3://bbb", true],
		["s3://bbb/agents", "s3://bbb/users/anna", false],
		["file:///store", "s3://bbb/users", false],
	])("of %s: %s lies among logs: %s", (store, text, overlaps) => {
		expect(overlapsLogs(parsePlace(text) as Parameters<typeof overlapsLogs>[0], store)).toBe(
			overlaps,
		);
	});
});
