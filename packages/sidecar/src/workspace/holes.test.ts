import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { hashingZerosOnce, isZeros, loadNextData, ZEROS } from "./holes.ts";
import { readStable } from "./stable-read.ts";

const MiB = 1 << 20;

/** 300 MiB of holes except for a few bytes at the given offsets. */
function sparseFile(...offsets: readonly number[]): { root: string; size: number } {
	const root = testDirectory();
	const fd = openSync(join(root, "sparse"), "w");
	for (const offset of offsets) writeSync(fd, "data", offset);
	const size = 300 * MiB + 5;
	ftruncateSync(fd, size);
	closeSync(fd);
	return { root, size };
}

describe("a sparse file", () => {
	// @id holes
	it("is read without its holes, and every byte is delivered", async () => {
		expect(await loadNextData(), "koffi is not installed").toBeDefined();
		const { root, size } = sparseFile(100, 70 * MiB + MiB - 2, 299 * MiB);
		const found: number[] = [];
		let bytesRead = 0;
		let holes = 0;
		const read = await readStable(root, "sparse", MiB, (_index, bytes, offset) => {
			if (bytes.buffer === ZEROS.buffer) holes++;
			for (let at = bytes.indexOf("d"); at >= 0; at = bytes.indexOf("d", at + 1))
				found.push(offset + at);
			bytesRead += bytes.length;
			return true;
		});
		expect(read).toMatchObject({ kind: "stable", size });
		expect(bytesRead).toBe(size);
		expect(found).toEqual([100, 70 * MiB + MiB - 2, 299 * MiB]);
		expect(holes).toBeGreaterThan(290);
	});

	it("is read to its end if it is one single hole, however small its last chunk", async () => {
		const { root, size } = sparseFile();
		const lengths = new Set<number>();
		const read = await readStable(root, "sparse", MiB, (_index, bytes) => {
			expect(isZeros(bytes)).toBe(true);
			lengths.add(bytes.length);
			return true;
		});
		expect(read).toMatchObject({ kind: "stable", size });
		expect([...lengths]).toEqual([MiB, 5]);
	});
});

describe("zeros", () => {
	it("are hashed once for each run of equal lengths, and no other bytes are mistaken for them", () => {
		const hashed: number[] = [];
		const hash = hashingZerosOnce((bytes) => {
			hashed.push(bytes.length);
			return bytes.reduce((sum, byte) => sum + byte, bytes.length);
		});
		const almost = Buffer.alloc(MiB);
		almost[1000] = 1;
		expect([ZEROS, Buffer.alloc(MiB), almost, ZEROS, Buffer.alloc(7)].map(hash)).toEqual([
			MiB,
			MiB,
			MiB + 1,
			MiB,
			7,
		]);
		expect(hashed).toEqual([MiB, MiB, 7]);
	});
});
