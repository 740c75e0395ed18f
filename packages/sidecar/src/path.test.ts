import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { testDirectory } from "../../testkit/workspace/test-directory.ts";
import { SidecarError } from "./errors.ts";
import {
	baseOf,
	compareBytes,
	decodeName,
	encodePath,
	fsPath,
	isEscaped,
	joinPath,
	parentOf,
} from "./path.ts";
import { scan } from "./workspace/scan.ts";

/**
 * Typical bytes of names: text, stray bytes, the beginnings and ends of sequences, encoded
 * surrogates, overlong forms.
 */
const fragment = fc.oneof(
	fc.string({ unit: "binary" }).map((text) => Buffer.from(text.toWellFormed(), "utf8")),
	fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
	fc
		.constantFrom(
			"eda080",
			"edb280",
			"c0af",
			"e08080",
			"f0808080",
			"f4908080",
			"f09f9880",
			"efbfbd",
			"e282",
			"f09f98",
			"80",
			"c3",
			"edb2",
			"f5",
		)
		.map((hex) => Buffer.from(hex, "hex")),
);
const bytes = fc.array(fragment, { maxLength: 6 }).map((parts) => Buffer.concat(parts));

describe("decodeName and encodePath", () => {
	test("return the original bytes, whatever they are", () => {
		fc.assert(
			fc.property(bytes, (name) => {
				expect(encodePath(decodeName(name)).equals(name)).toBe(true);
			}),
			{ numRuns: 3_000 },
		);
	});

	test("give different texts for different bytes", () => {
		fc.assert(
			fc.property(bytes, bytes, (a, b) => {
				expect(decodeName(a) === decodeName(b)).toBe(a.equals(b));
			}),
			{ numRuns: 1_000 },
		);
	});

	test("leave valid UTF-8 unchanged, also if it contains a U+FFFD", () => {
		fc.assert(
			fc.property(fc.string({ unit: "binary" }), (text) => {
				const valid = text.toWellFormed();
				expect(decodeName(Buffer.from(valid, "utf8"))).toBe(valid);
			}),
			{ numRuns: 1_000 },
		);
		expect(decodeName(Buffer.from("a\ufffdb"))).toBe("a\ufffdb");
	});

	test.each([
		["ff", "\udcff"],
		["61e962", "a\udce9b"],
		["eda080", "\udced\udca0\udc80"],
		["c080", "\udcc0\udc80"],
		["e28261", "\udce2\udc82a"],
		["f09f9281", "\u{1f481}"],
		["f09f928180", "\u{1f481}\udc80"],
		["efbfbdff", "\ufffd\udcff"],
	])("%s is %j", (hex, text) => {
		expect(decodeName(Buffer.from(hex, "hex"))).toBe(text);
		expect(encodePath(text).toString("hex")).toBe(hex);
	});

	test("rejects a text with half a character as a path", () => {
		for (const text of ["a\ud800", "\udc7f", "\udd00", "\ud83d/\ud83d"])
			expect(() => encodePath(text)).toThrow(SidecarError);
	});

	test("finds names of any bytes on the disk", async () => {
		const root = testDirectory();
		const names = new Set<string>();
		const name = bytes.filter(
			(raw) =>
				raw.length > 0 &&
				raw.length <= 255 &&
				!raw.includes(0) &&
				!raw.includes(0x2f) &&
				!/^\.\.?$/.test(raw.toString()),
		);
		for (const raw of fc.sample(name, 100)) {
			writeFileSync(Buffer.concat([Buffer.from(`${root}/`), raw]), "");
			names.add(decodeName(raw));
		}
		const { stats } = await scan(root, () => "keep");
		expect(new Set(stats.keys())).toEqual(names.add(""));
		for (const found of names) writeFileSync(fsPath(root, found === "" ? "again" : found), "");
	});
});

describe("compareBytes", () => {
	test("orders like the bytes", () => {
		fc.assert(
			fc.property(bytes, bytes, bytes, (start, a, b) => {
				const [x, y] = [Buffer.concat([start, a]), Buffer.concat([start, b])];
				expect(Math.sign(compareBytes(decodeName(x), decodeName(y)))).toBe(Buffer.compare(x, y));
			}),
			{ numRuns: 3_000 },
		);
	});

	test("differs from the order of strings beyond U+FFFF", () => {
		expect(compareBytes("\u{1f600}", "\uff01")).toBeGreaterThan(0);
		expect("\u{1f600}" < "\uff01").toBe(true);
	});

	test("encodes nothing for plain names", () => {
		const from = vi.spyOn(Buffer, "from");
		try {
			expect(compareBytes("workspace/a/b.md", "workspace/a/c.md")).toBeLessThan(0);
			expect(compareBytes("workspace/é", "workspace/z")).toBeGreaterThan(0);
			expect(from).not.toHaveBeenCalled();
		} finally {
			from.mockRestore();
		}
	});
});

test("fsPath returns bytes only if necessary", () => {
	expect(fsPath("/w", "")).toBe("/w");
	expect(fsPath("/w", "é/\u{1f480}")).toBe("/w/é/\u{1f480}");
	expect(fsPath("/w", "a\udcff")).toEqual(Buffer.from("2f7761ff".replace("77", "772f"), "hex"));
	expect([isEscaped("é"), isEscaped("a\udcff")]).toEqual([false, true]);
});

test("parts of paths", () => {
	expect(["", "a", "a/b", "a/b/c"].map(parentOf)).toEqual(["", "", "a", "a/b"]);
	expect(["", "a", "a/b", "a/b/c"].map(baseOf)).toEqual(["", "a", "b", "c"]);
	expect([joinPath("", "a"), joinPath("a/b", "c")]).toEqual(["a", "a/b/c"]);
});
