import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyStep, deltaOf, fileOf, infoOf, WRITER } from "../../../testkit/arbitrary-log.ts";
import { SidecarError } from "../errors.ts";
import { type InlineChunk, openBlock } from "./block.ts";
import { ByteWriter } from "./byte-writer.ts";
import { decodeCommit, encodeCommit, neededBytes } from "./commit-codec.ts";
import { COMMIT_HEADER_BYTES, encodeHeader } from "./commit-header.ts";
import { advanceHead, EMPTY_HEAD, foldCommits, type Head, ownedHead } from "./fold.ts";
import { logKey } from "./keys.ts";
import { encodeManifest } from "./manifest-encode.ts";
import { planReads } from "./plan.ts";
import type { BlockRef, CommitInfo, Entry } from "./types.ts";

const codeOf = (work: () => unknown): string => {
	try {
		work();
		return "no error";
	} catch (error) {
		return error instanceof SidecarError ? error.code : `not a SidecarError: ${error}`;
	}
};

/** A commit object around a handmade manifest. */
const commitAround = (manifest: Buffer, seq: number, data = Buffer.alloc(0)): Buffer => {
	const stored = zstdCompressSync(manifest);
	const { header } = encodeHeader(
		COMMIT_HEADER_BYTES + stored.length + data.length,
		stored,
		manifest.length,
		seq,
	);
	return Buffer.concat([header, stored, data]);
};

const plainTree = (tree: ReadonlyMap<string, Entry>) =>
	[...tree].sort(([a], [b]) => (a < b ? -1 : 1));

describe("commit codec", () => {
	it("decodes what it encoded, commit after commit, DELTA and FULL, into the writer's own head", () => {
		fc.assert(
			fc.property(
				fc.array(anyStep, { minLength: 1, maxLength: 6 }),
				fc.integer({ min: 1, max: 8 }),
				(steps, fullEvery) => {
					let written: Head = EMPTY_HEAD;
					let read: Head = EMPTY_HEAD;
					for (const [index, step] of steps.entries()) {
						const seq = index + 1;
						const isFull = seq % fullEvery === 0 && seq > 1;
						const delta = deltaOf(written.tree, step);
						const info: CommitInfo = infoOf(seq, {
							kind: isFull ? "full" : "delta",
							flags: seq === 1 ? { fence: true } : {},
							fullSeq: isFull ? seq : written.fullSeq,
							previousId: written.id,
						});
						const commit = encodeCommit(info, delta, written.tree);
						const decoded = decodeCommit(commit.key, commit.bytes, commit.bytes.length);
						expect(decoded.info).toEqual(info);
						expect(decoded.id).toBe(commit.id);
						for (const [path, entry] of delta.changed) {
							const placed = commit.delta.changed.get(path);
							if (entry.type !== "file" || placed?.type !== "file") continue;
							for (const [index, chunk] of entry.chunks.entries()) {
								const ref = placed.chunks[index]?.block as BlockRef;
								if ("stored" in chunk.block)
									expect(
										commit.bytes
											.subarray(ref.offset, ref.offset + ref.storedBytes)
											.equals(chunk.block.stored),
									).toBe(true);
							}
						}
						expect(commit.inlineBytes).toBe(decoded.inlineBytes);
						written = advanceHead(
							ownedHead(written),
							info,
							commit.id,
							commit.delta,
							commit.inlineBytes,
						);
						read = foldCommits(isFull && index % 2 === 1 ? EMPTY_HEAD : read, [decoded]);
						expect(plainTree(read.tree)).toEqual(plainTree(written.tree));
						expect({ ...read, tree: 0 }).toEqual({ ...written, tree: 0 });
					}
				},
			),
			{ numRuns: 60 },
		);
	});

	it("reports the new place of content when the same content was stored again", () => {
		const content = Buffer.alloc(20_000, 7);
		const rootEntry: Entry = { type: "dir", mode: 0o700, mtimeNs: 0n };
		let written: Head = EMPTY_HEAD;
		let read: Head = EMPTY_HEAD;
		for (const seq of [1, 2]) {
			const entry = fileOf(content, 12, { mode: 0o600, mtimeNs: BigInt(seq) });
			const delta = {
				changed: new Map<string, Entry<InlineChunk>>([
					["", rootEntry],
					["a", entry],
				]),
				removed: new Set<string>(),
			};
			const info = infoOf(seq, {
				previousId: written.id,
				...(seq === 1 && { flags: { fence: true } }),
			});
			const commit = encodeCommit(info, delta, written.tree);
			const decoded = decodeCommit(commit.key, commit.bytes, commit.bytes.length);
			written = advanceHead(ownedHead(written), info, commit.id, commit.delta, decoded.inlineBytes);
			read = foldCommits(read, [decoded]);
		}
		expect(plainTree(read.tree)).toEqual(plainTree(written.tree));
	});

	it("answers every truncation and every flipped bit with an integrity error", () => {
		const entry = fileOf(Buffer.from("memory of the agent ".repeat(500)), 12, {
			mode: 0o600,
			mtimeNs: 123n,
		});
		const delta = {
			changed: new Map<string, Entry<InlineChunk>>([
				["", { type: "dir", mode: 0o700, mtimeNs: 0n }],
				["MEMORY.md", entry],
			]),
			removed: new Set<string>(),
		};
		const { key, bytes } = encodeCommit(infoOf(2), delta, new Map());
		const readAll = (object: Buffer) => {
			const start = object.subarray(
				0,
				Math.min(object.length, neededBytes(key, object, object.length)),
			);
			const decoded = decodeCommit(key, start, object.length);
			for (const change of decoded.changed.values()) {
				if (change.type !== "file") continue;
				for (const { block } of change.chunks)
					openBlock(block, object.subarray(block.offset, block.offset + block.storedBytes));
			}
		};
		readAll(bytes);
		for (let length = 0; length < bytes.length; length++) {
			expect(
				codeOf(() => readAll(bytes.subarray(0, length))),
				`cut to ${length} bytes`,
			).toMatch(/^(OBJECT_CORRUPT|LIMIT_EXCEEDED|FORMAT_UNKNOWN)$/);
		}
		for (let bit = 0; bit < bytes.length * 8; bit++) {
			const flipped = Buffer.from(bytes);
			flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
			expect(
				codeOf(() => readAll(flipped)),
				`bit ${bit}`,
			).toMatch(/^(OBJECT_CORRUPT|LIMIT_EXCEEDED|FORMAT_UNKNOWN)$/);
		}
	});

	it("answers any manifest, even with a right checksum, with a tree or a typed error", () => {
		const file = fileOf(Buffer.alloc(20_000, 7), 12, { mode: 0o600, mtimeNs: 123n });
		const chunks = file.chunks.map(({ block, ...chunk }) => ({
			...chunk,
			block: { ...block.block, key: logKey(2), offset: 0 },
		}));
		const entry: Entry = { ...file, chunks };
		const changes = ["", "a", "a/b"].map((path) => ({
			path,
			entry: path === "a/b" ? entry : ({ type: "dir", mode: 0o700, mtimeNs: 1n } as Entry),
			base: undefined,
		}));
		const valid = encodeManifest(infoOf(2), logKey(2), changes, [Buffer.from("z")]);
		fc.assert(
			fc.property(
				fc.oneof(
					fc.uint8Array({ maxLength: 300 }),
					fc
						.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
						.map((edits) => {
							const bytes = Buffer.from(valid);
							for (const [at, value] of edits) bytes[at] = value;
							return bytes;
						}),
				),
				(manifest) => {
					const object = commitAround(Buffer.from(manifest), 2, Buffer.alloc(64));
					expect(
						codeOf(() =>
							foldCommits({ ...EMPTY_HEAD, seq: 1 }, [
								decodeCommit(logKey(2), object, object.length),
							]),
						),
					).toMatch(/^(no error|OBJECT_CORRUPT|LIMIT_EXCEEDED|FORMAT_UNKNOWN|TREE_UNSAFE)$/);
				},
			),
			{ numRuns: 2000 },
		);
	});

	it("refuses paths that escape, repeat or pass through a link", () => {
		const file: Entry = {
			type: "file",
			mode: 0o600,
			mtimeNs: 0n,
			size: 0,
			chunkBits: 20,
			chunks: [],
		};
		const dir: Entry = { type: "dir", mode: 0o700, mtimeNs: 0n };
		const link: Entry = { type: "link", mtimeNs: 0n, target: "/etc" };
		const outcome = (entries: readonly [string, Entry][]) => {
			const changes = entries.map(([path, entry]) => ({
				path,
				entry,
				base: undefined,
			}));
			const object = commitAround(
				encodeManifest(infoOf(1, { flags: { fence: true } }), logKey(1), changes, []),
				1,
			);
			return codeOf(() =>
				foldCommits(EMPTY_HEAD, [decodeCommit(logKey(1), object, object.length)]),
			);
		};
		expect(
			outcome([
				["", dir],
				["ok", file],
			]),
		).toBe("no error");
		for (const path of [
			"/etc/passwd",
			"../up",
			"a/../../up",
			".",
			"a//b",
			"a/",
			"nul\0",
			"x".repeat(256),
			".openclaw-sidecar/x",
			"a/./b",
		]) {
			expect(
				outcome([
					["", dir],
					["a", dir],
					[path, file],
				]),
				path,
			).toBe("TREE_UNSAFE");
		}
		expect(
			outcome([
				["", dir],
				["twice", file],
				["twice", file],
			]),
		).toBe("TREE_UNSAFE");
		expect(
			outcome([
				["", dir],
				["l", link],
				["l/passwd", file],
			]),
		).toBe("TREE_UNSAFE");
		expect(
			outcome([
				["", dir],
				["f", file],
				["f/below", file],
			]),
		).toBe("TREE_UNSAFE");
		expect(outcome([["orphan", file]])).toBe("TREE_UNSAFE");
		expect(outcome([["", link]])).toBe("TREE_UNSAFE");
	});

	it("refuses a chunk of 10 GB before it allocates anything", () => {
		const out = new ByteWriter();
		out.u8(0);
		out.varint(1);
		out.hex("0".repeat(64));
		out.hex(WRITER);
		for (const value of [1, 0, 0]) out.varint(value);
		out.varint(1);
		out.u8(0);
		out.varint(1);
		for (const value of [0, 0, 10_000_000_000, 10_000_000_000]) out.varint(value);
		out.u8(1);
		out.u32(0);
		for (const value of [0, 0, 0]) out.varint(value);
		const object = commitAround(Buffer.from(out.view()), 1);
		expect(codeOf(() => decodeCommit(logKey(1), object, object.length))).toBe("LIMIT_EXCEEDED");
	});

	it("refuses a newer format as unknown, not as damaged", () => {
		const { key, bytes } = encodeCommit(
			infoOf(1, { flags: { fence: true } }),
			{ changed: new Map(), removed: new Set() },
			new Map(),
		);
		bytes.writeUInt16LE(2, 4);
		expect(codeOf(() => decodeCommit(key, bytes, bytes.length))).toBe("FORMAT_UNKNOWN");
	});

	it("covers all content with the id: another byte of content gives another id", () => {
		const idOf = (content: string) => {
			const entry = fileOf(Buffer.from(content), 12, { mode: 0o600, mtimeNs: 0n });
			return encodeCommit(
				infoOf(1, { flags: { fence: true } }),
				{
					changed: new Map<string, Entry<InlineChunk>>([
						["", { type: "dir", mode: 0, mtimeNs: 0n }],
						["f", entry],
					]),
					removed: new Set(),
				},
				new Map(),
			).id;
		};
		expect(idOf("one")).not.toBe(idOf("two"));
		expect(idOf("one")).toBe(idOf("one"));
	});
});

describe("planReads", () => {
	it("covers every block once, within its object, joins small gaps and keeps the range limit", () => {
		const anyBlock = fc.record({
			key: fc.constantFrom("packs/a", "packs/b"),
			slot: fc.nat(200),
			storedBytes: fc.integer({ min: 1, max: 1024 * 1024 }),
		});
		fc.assert(
			fc.property(fc.array(anyBlock, { maxLength: 60 }), (drafts) => {
				const taken = new Set<string>();
				const blocks = drafts
					.filter(({ key, slot }) => !taken.has(`${key}${slot}`) && taken.add(`${key}${slot}`))
					.map(({ key, slot, storedBytes }) => ({
						key,
						offset: 28 + slot * 1024 * 1100,
						storedBytes,
						rawBytes: 1,
						codec: 0 as const,
						crc32: 0,
					}));
				const reads = planReads(blocks);
				expect(reads.flatMap((read) => read.blocks)).toHaveLength(blocks.length);
				for (const read of reads) {
					expect(read.length).toBeLessThanOrEqual(4 * 1024 * 1024 + 64 * 1024);
					for (const block of read.blocks) {
						expect(block.key).toBe(read.key);
						expect(block.offset).toBeGreaterThanOrEqual(read.offset);
						expect(block.offset + block.storedBytes).toBeLessThanOrEqual(read.offset + read.length);
					}
				}
			}),
		);
	});
});
