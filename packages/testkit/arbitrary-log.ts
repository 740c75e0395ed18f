/**
 * Generators of trees and histories for property tests of the log. They use no disk: the SHA-256
 * stands for the content.
 */
import { hash } from "node:crypto";
import fc from "fast-check";
import { compressBlock, type InlineChunk } from "../sidecar/src/log/block.ts";
import type {
	ChunkRef,
	CommitInfo,
	Delta,
	Entry,
	FileEntry,
	Path,
	Tree,
} from "../sidecar/src/log/types.ts";

/**
 * Names as hostile as a file system accepts: both normal forms, quotes, newlines, stray bytes, long
 * names.
 */
export const anyName: fc.Arbitrary<string> = fc.oneof(
	fc.constantFrom(
		"a",
		"b",
		"c",
		"dir",
		"é",
		"e\u0301",
		'quo"te',
		"new\nline",
		" ",
		"..a",
		"\udc80\udcff",
		"😀",
		"ﬀ",
		"x".repeat(255),
		"a.jsonl",
	),
	fc
		.string({ minLength: 1, maxLength: 12 })
		.filter(
			(name) =>
				!name.includes("/") &&
				!name.includes("\0") &&
				name !== "." &&
				name !== ".." &&
				name.isWellFormed(),
		),
);

const anyTime = fc.bigInt({ min: -1_000_000_000_000_000_000n, max: 4_000_000_000_000_000_000n });

/**
 * A file whose content is `bytes`, in chunks of 2^bits. Each chunk is in a block of its own or
 * shares one with its neighbours.
 */
export function fileOf(
	bytes: Buffer,
	bits: number,
	meta: { mode: number; mtimeNs: bigint },
): FileEntry<InlineChunk> {
	const chunks: InlineChunk[] = [];
	for (let at = 0; at < bytes.length; at += 2 ** bits) {
		const raw = bytes.subarray(at, at + 2 ** bits);
		chunks.push({
			sha256: hash("sha256", raw, "hex"),
			block: compressBlock(Buffer.from(raw)),
			offset: 0,
			length: raw.length,
		});
	}
	return { type: "file", ...meta, size: bytes.length, chunkBits: bits, chunks };
}

const anyFile = fc
	.record({
		bytes: fc.oneof(
			fc.uint8Array({ maxLength: 64 }),
			fc.uint8Array({ minLength: 4000, maxLength: 20_000 }),
			fc.constant(new Uint8Array(9000)),
		),
		mode: fc.integer({ min: 0, max: 0o1777 }),
		mtimeNs: anyTime,
	})
	.map(({ bytes, ...meta }) => fileOf(Buffer.from(bytes), 12, meta));

const anyLeaf = fc.oneof(
	{ weight: 3, arbitrary: anyFile },
	{
		weight: 1,
		arbitrary: fc
			.record({ mtimeNs: anyTime, target: fc.oneof(anyName, fc.constant("../../outside")) })
			.map((link): Entry<InlineChunk> => ({ type: "link", ...link })),
	},
);

/** One step of a history: paths that change, and picks (0-1) among the existing ones to delete. */
export interface Step {
	readonly put: readonly { readonly path: Path; readonly entry: Entry<InlineChunk> }[];
	readonly drop: readonly number[];
}

export const anyStep: fc.Arbitrary<Step> = fc.record({
	put: fc.array(
		fc
			.record({ names: fc.array(anyName, { minLength: 1, maxLength: 4 }), leaf: anyLeaf })
			.map(({ names, leaf }) => ({ path: names.join("/"), entry: leaf })),
		{ maxLength: 8 },
	),
	drop: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
});

/**
 * Makes a step into a delta that keeps the tree restorable: adds parents, and removes anything that
 * blocks a path.
 */
export function deltaOf(tree: Tree, step: Step): Delta<ChunkRef | InlineChunk> {
	const changed = new Map<Path, Entry<ChunkRef | InlineChunk>>();
	const removed = new Set<Path>();
	const after = (path: Path) =>
		changed.get(path) ?? (removed.has(path) ? undefined : tree.get(path));
	const drop = (path: Path) => {
		for (const each of new Set([...tree.keys(), ...changed.keys()])) {
			if (each !== path && !each.startsWith(`${path}/`)) continue;
			changed.delete(each);
			if (tree.has(each)) removed.add(each);
		}
	};
	const paths = [...tree.keys()].filter((path) => path !== "");
	for (const pick of step.drop) {
		const path = paths[Math.floor(pick * paths.length)];
		if (path !== undefined) drop(path);
	}
	const put = (path: Path, entry: Entry<InlineChunk>) => {
		if (after(path)?.type === "dir" && entry.type !== "dir") drop(path);
		removed.delete(path);
		changed.set(path, entry);
	};
	if (after("") === undefined) put("", { type: "dir", mode: 0o700, mtimeNs: 0n });
	for (const { path, entry } of step.put) {
		const names = path.split("/");
		for (let count = 1; count < names.length; count++) {
			const parent = names.slice(0, count).join("/");
			if (after(parent)?.type !== "dir") put(parent, { type: "dir", mode: 0o755, mtimeNs: 5n });
		}
		put(path, entry);
	}
	return { changed, removed };
}

export const WRITER = "11".repeat(16);

export function infoOf(seq: number, rest: Partial<CommitInfo> = {}): CommitInfo {
	return {
		seq,
		kind: "delta",
		flags: {},
		writer: WRITER,
		fenceSeq: 1,
		fullSeq: 0,
		previousId: "0".repeat(64),
		wallTimeMs: 1_700_000_000_000,
		...rest,
	};
}
