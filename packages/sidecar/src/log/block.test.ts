import { expect, it } from "vitest";
import { compressBlock, freeBlock, openBlock } from "./block.ts";

it("a block's memory is given back only where nothing else lies in it", () => {
	for (const size of [1, 100, 3_000, 5_000, 8_192, 8_193, 1024 * 1024]) {
		const { ref, stored } = compressBlock(Buffer.alloc(size, "text "));
		// Made before and after: of Node's shared memory, were the block in it.
		const before = Buffer.from("before");
		const raw = openBlock(ref, stored);
		const after = Buffer.from("after");
		freeBlock(raw === stored ? Buffer.from(raw) : raw);
		expect([before.toString(), after.toString(), Buffer.from("later").toString()]).toEqual(["before", "after", "later"]);
		if (size > Buffer.poolSize) expect(raw.length).toBe(0);
	}
});
