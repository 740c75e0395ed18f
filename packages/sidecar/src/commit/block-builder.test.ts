import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
import type { ObjectStore } from "../store/port.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { thisEnvironment } from "./environment.ts";

const MiB = 1024 * 1024;

/** Loads the module again: other files of this process have loaded it with the real compression. */
async function countingBuilder() {
	const compressed = { blocks: 0 };
	vi.resetModules();
	vi.doMock("node:zlib", async (original) => {
		const zlib = await original<typeof import("node:zlib")>();
		const zstdCompress = (...args: Parameters<typeof zlib.zstdCompress>) => {
			compressed.blocks++;
			zlib.zstdCompress(...args);
		};
		return { ...zlib, zstdCompress };
	});
	onTestFinished(() => {
		vi.doUnmock("node:zlib");
		vi.resetModules();
	});
	return { compressed, ...(await import("./block-builder.ts")) };
}

test("compresses only the first of many incompressible blocks, and those after them that shrink", async () => {
	const { compressed, BlockBuilder } = await countingBuilder();
	const builder = new BlockBuilder({
		// Everything fits in the commit.
		store: {} as ObjectStore,
		index: new ChunkIndex(thisEnvironment),
		environment: thisEnvironment,
		inlineLimitBytes: 4 * MiB,
	});
	const first = await builder.add("first", randomBytes(MiB));
	const random = [first, await builder.add("second", randomBytes(MiB))];
	await vi.waitFor(() => expect(first.block.rawBytes).toBe(MiB));
	random.push(await builder.add("third", randomBytes(MiB)));
	const text = await builder.add("text", Buffer.alloc(MiB, "some words, again and again"));
	const blocks = await builder.finish();
	expect(blocks.map(({ stored }) => stored.length)).toHaveLength(4);
	expect(random.map(({ block }) => block.codec)).toEqual([0, 0, 0]);
	expect(text.block.codec).toBe(1);
	// The first and the text.
	expect(compressed.blocks).toBe(2);
});
