import { promisify } from "node:util";
import { crc32, zstdDecompress } from "node:zlib";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { compressBlock, freeBlock, openBlock, openBlockWith } from "./block.ts";
import { packKey } from "./keys.ts";

it("any bytes, damaged or not, open with the same result on either thread", async () => {
	const decompress = promisify(zstdDecompress);
	const said = async (open: () => Buffer | Promise<Buffer>) => {
		try {
			return (await open()).toString("hex");
		} catch (error) {
			return String(error);
		}
	};
	const outcomes = new Set<string>();
	const damages = fc.array(fc.record({ at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) }), {
		maxLength: 3,
	});
	await fc.assert(
		fc.asyncProperty(
			fc.nat(3_000),
			damages,
			fc.nat(40),
			fc.boolean(),
			async (size, flips, cut, isSeen) => {
				const { block, stored } = compressBlock(
					Buffer.alloc(size, "what is said again and again "),
				);
				const bytes = Buffer.from(
					stored.subarray(0, Math.max(0, stored.length - Math.max(0, cut - 30))),
				);
				for (const { at, xor } of flips)
					if (bytes.length > 0)
						bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ xor;
				// Damage that the checksum does not see could come from a hostile writer.
				const ref = { ...block, key: packKey("0".repeat(64)), offset: 0 };
				const claimed = isSeen ? ref : { ...ref, storedBytes: bytes.length, crc32: crc32(bytes) };
				const first = await said(() => openBlock(claimed, bytes));
				expect(await said(() => openBlockWith(claimed, bytes, decompress))).toBe(first);
				outcomes.add(first.startsWith("SidecarError") ? first.replace(/.*: /, "") : "opened");
			},
		),
		{ numRuns: 300 },
	);
	expect([...outcomes].some((each) => each.includes("zstd refuses"))).toBe(true);
	expect(outcomes).toContain("opened");
});

it("the memory of a block is released only if nothing else uses it", () => {
	for (const size of [1, 100, 3_000, 5_000, 8_192, 8_193, 1024 * 1024]) {
		const { block, stored } = compressBlock(Buffer.alloc(size, "text "));
		// Made before and after: from Node's shared memory, if the block were in it.
		const before = Buffer.from("before");
		const raw = openBlock({ ...block, key: packKey("0".repeat(64)), offset: 0 }, stored);
		const after = Buffer.from("after");
		freeBlock(raw === stored ? Buffer.from(raw) : raw);
		expect([before.toString(), after.toString(), Buffer.from("later").toString()]).toEqual([
			"before",
			"after",
			"later",
		]);
		if (size > Buffer.poolSize) expect(raw.length).toBe(0);
	}
});
