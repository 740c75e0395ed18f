import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attributesOf, parseAttributes } from "./object-attributes.ts";
import type { Entry } from "./types.ts";

describe("attributes of an object", () => {
	it("restore those of the entry", () => {
		const entry = fc.record({
			type: fc.constantFrom("file" as const, "dir" as const, "link" as const),
			mode: fc.nat(0o1777),
			mtimeNs: fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
		});
		fc.assert(
			fc.property(entry, ({ type, mode, mtimeNs }) => {
				const metadata = attributesOf({
					type,
					mode,
					mtimeNs,
					target: "t",
					size: 0,
					chunkBits: 20,
					chunks: [],
				} as Entry);
				expect(parseAttributes(metadata)).toEqual({
					type,
					mode: type === "link" ? 0o777 : mode,
					mtimeNs,
				});
			}),
		);
	});

	it("are written in the form of rclone", () => {
		const file: Entry = {
			type: "file",
			mode: 0o640,
			mtimeNs: 1_354_040_105_123_456_789n,
			size: 0,
			chunkBits: 20,
			chunks: [],
		};
		expect(attributesOf(file)).toEqual({ mode: "100640", mtime: "1354040105.123456789" });
		expect(attributesOf({ type: "dir", mode: 0o755, mtimeNs: -1n })).toEqual({
			mode: "40755",
			mtime: "-0.000000001",
		});
		expect(attributesOf({ type: "link", mtimeNs: 0n, target: "t" })).toEqual({
			mode: "120777",
			mtime: "0.000000000",
		});
	});

	it.each([
		[{}],
		[{ mode: "rw-r--r--", mtime: "2026-11-24T10:00:00Z" }],
		// s3fs: decimal. Read as octal it would be a device.
		[{ mode: "33152", mtime: "1e9" }],
		[{ mode: "20644", mtime: "." }],
		[{ mode: "140644", mtime: "99999999999999" }],
		[{ mode: "0", mtime: "1234567890123" }],
	])("count as not given in another form: %j", (metadata) => {
		expect(parseAttributes(metadata)).toEqual({
			type: undefined,
			mode: undefined,
			mtimeNs: undefined,
		});
	});

	it("may be partial", () => {
		expect(parseAttributes({ mtime: "5" })).toEqual({
			type: undefined,
			mode: undefined,
			mtimeNs: 5_000_000_000n,
		});
		expect(parseAttributes({ mode: "0100644", mtime: "-1.5" })).toEqual({
			type: "file",
			mode: 0o644,
			mtimeNs: -1_500_000_000n,
		});
	});
});
