/**
 * The stored format, byte by byte. Encoder, decoder and the other tests share their tables, so
 * without these bytes a swapped number would pass every test and make existing logs unreadable.
 *
 * If a test fails here, the change makes logs that exist unreadable, or writes logs that earlier
 * releases cannot read. docs/format.md says what a new format version takes.
 */
import { hash } from "node:crypto";
import { crc32, zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { InlineChunk } from "./block.ts";
import { decodeCommit, encodeCommit } from "./commit-codec.ts";
import { COMMIT_HEADER_BYTES, decodeHeader } from "./commit-header.ts";
import { logKey, packKey } from "./keys.ts";
import type { BlockRef, ChunkRef, CommitInfo, Delta, Entry, Tree } from "./types.ts";

const hex = (digit: string, bytes: number) => digit.repeat(2 * bytes);

const packBlock: BlockRef = {
	key: packKey(hex("a", 32)),
	offset: 28,
	storedBytes: 300,
	rawBytes: 5_000,
	codec: 1,
	crc32: 0xdeadbeef,
};
const earlierBlock: BlockRef = { ...packBlock, key: logKey(5), offset: 200, storedBytes: 400 };
const inlineBytes = Buffer.from("inline bytes");
const meta = { mode: 0o640, mtimeNs: 1_764_000_000_123_456_789n };
const chunk = (digit: string, block: BlockRef, length: number, offset = 0): ChunkRef => ({
	sha256: hex(digit, 32),
	block,
	offset,
	length,
});
const old = [4_096, 4_096, 808].map((length, i) => chunk(String(i + 1), earlierBlock, length));

/** Three chunks, of which the commit changes the last. */
const tree: Tree = new Map<string, Entry>([
	["", { type: "dir", mode: 0o700, mtimeNs: 0n }],
	["patched", { type: "file", ...meta, size: 9_000, chunkBits: 12, chunks: old }],
]);

const delta: Delta<ChunkRef | InlineChunk> = {
	changed: new Map<string, Entry<ChunkRef | InlineChunk>>([
		["", { type: "dir", mode: 0o1755, mtimeNs: -1n }],
		["link", { type: "link", mtimeNs: 0n, target: "../to\udcff" }],
		[
			"new",
			{
				type: "file",
				...meta,
				size: 12,
				chunkBits: 20,
				chunks: [
					{
						sha256: hash("sha256", inlineBytes, "hex"),
						block: {
							block: { storedBytes: 12, rawBytes: 12, codec: 0, crc32: crc32(inlineBytes) },
							stored: inlineBytes,
						},
						offset: 0,
						length: 12,
					},
				],
			},
		],
		[
			"patched",
			{
				type: "file",
				...meta,
				size: 9_000,
				chunkBits: 12,
				chunks: [...old.slice(0, 2), chunk("4", packBlock, 808, 100)],
			},
		],
	]),
	removed: new Set(["gone", "gone/too"]),
};

const info: CommitInfo = {
	seq: 7,
	kind: "delta",
	flags: { closed: true, alarm: true },
	writer: hex("b", 16),
	fenceSeq: 3,
	fullSeq: 2,
	previousId: hex("c", 32),
	wallTimeMs: 1_764_000_001_000,
	annotations: [{ path: "patched", name: "turn", value: "running" }],
};

/** As encoded by the first release that wrote annotations. */
const MANIFEST =
	"000accccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccbbbbbbbbbbbbbbbbbbbbbb" +
	"bbbbbbbbbb0302e8d7dfb4ab33020002aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" +
	"aaaaaa0200000c0c00e79e6f9b011cac02882701efbeadde0200000c734551d0c3e705d0426a279e2a12cc99d5" +
	"851f96ed0ae5347da4a7f565f82bb40164a8064444444444444444444444444444444444444444444444444444" +
	"44444444444404000000ed0701ff93ebdc0300046c696e6b030000062e2e2f746fff00036e657701a0038084a4" +
	"920d959aef3a0c140000077061746368656402a0038084a4920d959aef3aa8460c010201020004676f6e650404" +
	"2f746f6f010770617463686564047475726e0772756e6e696e67";
/** The same, as a whole object; zstd may compress in another way later. */
const COMMIT =
	"4f435343010000001001000000000000c4000000280100000700000000000000bc54b0a0dec0d3919bd9d29786" +
	"03ce5148c6e381ba680dfb91d03b4d762fe8ea28b52ffd602800d50500540a000accbb0302e8d7dfb4ab330200" +
	"02aa0200000c0c00e79e6f9b011cac02882701efbeadde734551d0c3e705d0426a279e2a12cc99d5851f96ed0a" +
	"e5347da4a7f565f82bb40164a8064404000000ed0701ff93ebdc0300046c696e6b030000062e2e2f746fff0003" +
	"6e657701a0038084a4920d959aef3a0c140000077061746368656402a8460c010201020004676f6e6504042f74" +
	"6f6f01047475726e0772756e6e696e67070096224c771ab0b87e71060c3409badb8021696e6c696e6520627974" +
	"6573";

describe("the stored format", () => {
	it("has these bytes in a manifest", () => {
		const { bytes } = encodeCommit(info, delta, tree);
		const header = decodeHeader(logKey(7), bytes, bytes.length);
		const end = COMMIT_HEADER_BYTES + header.manifestStoredBytes;
		const manifest = zstdDecompressSync(bytes.subarray(COMMIT_HEADER_BYTES, end));
		expect(manifest.toString("hex")).toBe(MANIFEST);
		expect(bytes.subarray(end)).toEqual(inlineBytes);
	});

	it("is read from these bytes of a commit", () => {
		const bytes = Buffer.from(COMMIT, "hex");
		const commit = decodeCommit(logKey(7), bytes, bytes.length);
		expect(commit.info).toEqual(info);
		expect([...commit.removed]).toEqual([...delta.removed]);
		const place = bytes.length - inlineBytes.length;
		const [[dir, link, file, patch] = []] = [[...commit.changed.values()]];
		expect([...commit.changed.keys()]).toEqual(["", "link", "new", "patched"]);
		expect(dir).toEqual(delta.changed.get(""));
		expect(link).toEqual(delta.changed.get("link"));
		expect(file).toMatchObject({
			...{ type: "file", ...meta, size: 12, chunkBits: 20 },
			chunks: [{ offset: 0, length: 12, block: { key: logKey(7), offset: place, codec: 0 } }],
		});
		expect(patch).toEqual({
			...{ type: "patch", ...meta, size: 9_000, chunkBits: 12 },
			changed: new Map([[2, chunk("4", packBlock, 808, 100)]]),
		});
	});
});
