/**
 * Incidents in which a limit was exceeded silently: a reader meets each limit of the format.
 * Numbers: docs/reliability.md.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { listCommits } from "../../src/commit/list-commits.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { SidecarError } from "../../src/errors.ts";
import { ByteWriter } from "../../src/log/byte-writer.ts";
import { decodeCommit } from "../../src/log/commit-codec.ts";
import { encodeHeader } from "../../src/log/commit-header.ts";
import { logKey } from "../../src/log/keys.ts";
import * as limits from "../../src/log/limits.ts";
import { decodeManifest } from "../../src/log/manifest-decode.ts";
import { encodeManifest } from "../../src/log/manifest-encode.ts";
import { ENTRY, OBJECT } from "../../src/log/manifest-words.ts";
import type { CommitInfo } from "../../src/log/types.ts";
import { verify } from "../../src/maintenance/verify.ts";
import { noProgress } from "../../src/telemetry/progress.ts";

const KEY = logKey(1);
const INFO: CommitInfo = {
	seq: 1,
	kind: "full",
	flags: { fence: true },
	writer: "0".repeat(32),
	fenceSeq: 1,
	fullSeq: 1,
	previousId: "0".repeat(64),
	wallTimeMs: 0,
};
const DAY_MS = 86_400_000;

/** A manifest with the tables and paths that `write` makes. */
function manifest(write: (out: ByteWriter) => void): Buffer {
	const out = new ByteWriter();
	out.bytes(encodeManifest(INFO, KEY, [], []).subarray(0, -5));
	write(out);
	return Buffer.from(out.view());
}

function numbers(out: ByteWriter, ...values: number[]): void {
	for (const value of values) out.varint(value);
}

/** One entry at a path, after empty tables. */
function entry(path: string, write: (out: ByteWriter) => void): Buffer {
	return manifest((out) => {
		numbers(out, 0, 0, 0, 1, 0, Buffer.byteLength(path));
		out.bytes(Buffer.from(path));
		write(out);
		numbers(out, 0);
	});
}

function block(storedBytes: number, rawBytes: number): Buffer {
	return manifest((out) => {
		numbers(out, 1);
		out.u8(OBJECT.own);
		numbers(out, 1, 0, 0, storedBytes, rawBytes);
		out.u8(1);
		out.u32(0);
		numbers(out, 0, 0, 0);
	});
}

function file(size: number, chunkBits: number): Buffer {
	return entry("f", (out) => {
		out.u8(ENTRY.patch);
		numbers(out, 0o600);
		out.signedVarint(0);
		numbers(out, 0, size);
		out.u8(chunkBits);
		numbers(out, 0);
	});
}

function link(targetBytes: number, seconds = 0): Buffer {
	return entry("l", (out) => {
		out.u8(ENTRY.link);
		out.signedVarint(seconds);
		numbers(out, 0, targetBytes);
		out.bytes(Buffer.alloc(targetBytes, "x"));
	});
}

/** After empty tables. */
const annotation = (valueBytes: number) =>
	manifest((out) => {
		numbers(out, 0, 0, 0, 0, 0, 1, 0, 1);
		out.bytes(Buffer.from("n"));
		numbers(out, valueBytes);
		out.bytes(Buffer.alloc(valueBytes, "x"));
	});

const directory = (path: string) =>
	entry(path, (out) => {
		out.u8(ENTRY.dir);
		numbers(out, 0o700, 0, 0);
	});

/** Just beyond a limit: the code, and a number or path that the message names. */
const BEYOND: readonly (readonly [
	limit: keyof typeof limits,
	Buffer,
	code: string,
	named: string,
])[] = [
	["MAX_ENTRIES", manifest((out) => numbers(out, 0, 0, 0, 1_000_001)), "LIMIT_EXCEEDED", "1000001"],
	["MAX_CHUNKS", manifest((out) => numbers(out, 0, 0, 4_000_001)), "LIMIT_EXCEEDED", "4000001"],
	["MAX_PATH_BYTES", directory("p".repeat(250).concat("/p".repeat(2000))), "LIMIT_EXCEEDED", KEY],
	["MAX_NAME_BYTES", directory("n".repeat(256)), "TREE_UNSAFE", "n".repeat(256)],
	["MAX_LINK_BYTES", link(4096), "LIMIT_EXCEEDED", "4096"],
	["MAX_BLOCK_BYTES", block(10, 1024 * 1024 + 1), "LIMIT_EXCEEDED", "1048577"],
	[
		"MAX_STORED_BLOCK_BYTES",
		block(1024 * 1024 + 64 * 1024 + 1, 1024 * 1024),
		"LIMIT_EXCEEDED",
		"1114113",
	],
	["FILE_CHUNK_BITS", file(0, 21), "LIMIT_EXCEEDED", "2^21"],
	[
		"MAX_ANNOTATIONS",
		manifest((out) => numbers(out, 0, 0, 0, 0, 0, 1_001)),
		"LIMIT_EXCEEDED",
		"1001",
	],
	["MAX_ANNOTATION_BYTES", annotation(4_097), "LIMIT_EXCEEDED", "4097"],
	["MAX_TIME_SECONDS", link(1, 2 ** 40 + 1), "OBJECT_CORRUPT", KEY],
];

for (const [limit, raw, code, named] of BEYOND) {
	it(`fastagent #489: a reader refuses more than ${limit} and names the object and the value`, () => {
		const error = errorOf(() => decodeManifest(KEY, 1, raw, 0, 10));
		expect(error).toMatchObject({ code, exitStatus: 5 });
		expect(error?.message).toContain(KEY);
		expect(error?.message).toContain(named.slice(0, 250));
	});
}

for (const [limit, objectBytes, manifestBytes] of [
	["MAX_MANIFEST_BYTES", 100, limits.MAX_MANIFEST_BYTES + 1],
	["MAX_COMMIT_BYTES", limits.MAX_COMMIT_BYTES + 1, 100],
] as const) {
	it(`fastagent #489: a reader refuses more than ${limit} before it reads any of it`, () => {
		const { header } = encodeHeader(objectBytes, Buffer.alloc(10), manifestBytes, 1);
		const error = errorOf(() => decodeCommit(KEY, header, objectBytes));
		expect(error).toMatchObject({ code: "LIMIT_EXCEEDED", value: KEY });
		expect(error?.message).toContain(String(Math.max(objectBytes, manifestBytes)));
	});
}

// @id max-pack-bytes
it("fastagent #489: verify names a pack beyond MAX_PACK_BYTES and continues with the others", async () => {
	const store = new AgingStore();
	const key = `packs/${"a".repeat(64)}`;
	await store.putIfAbsent(key, Buffer.alloc(limits.MAX_PACK_BYTES + 1));
	await store.putIfAbsent(`packs/${"b".repeat(64)}`, Buffer.alloc(10));
	const { damaged } = await verify(store, {
		policy: { keepAllMs: DAY_MS, keepDailyMs: DAY_MS },
		deep: true,
		progress: noProgress,
	});
	expect(damaged.map((damage) => [damage.key, damage.error.code])).toEqual([
		[key, "LIMIT_EXCEEDED"],
		[`packs/${"b".repeat(64)}`, "OBJECT_CORRUPT"],
	]);
	expect(damaged[0]?.error.message).toContain(String(limits.MAX_PACK_BYTES + 1));
});

// @id max-seq
it("fastagent #489: garbage at MAX_SEQ keeps the gate shut, and verify names it", async () => {
	const store = new AgingStore();
	const key = logKey(limits.MAX_SEQ);
	await store.putIfAbsent(key, Buffer.from("garbage"));
	await expect(readLog(store)).rejects.toMatchObject({ exitStatus: 5 });
	const { damaged } = await verify(store, {
		policy: { keepAllMs: DAY_MS, keepDailyMs: DAY_MS },
		progress: noProgress,
	});
	expect(damaged).toMatchObject([{ key, error: { code: "OBJECT_CORRUPT" } }]);
	const seqs: number[] = [];
	for await (const { seq } of listCommits(store, { from: limits.MAX_SEQ })) seqs.push(seq);
	expect(seqs).toEqual([limits.MAX_SEQ]);
});

// @id every-limit-met
it("fastagent #489: every limit of the format has a test", () => {
	const tests = ["caps.test.ts", "caps-lowered.heavy.test.ts"]
		.map((name) => readFileSync(new URL(name, import.meta.url), "utf8"))
		.join("\n");
	const unmet = Object.keys(limits).filter(
		(name) =>
			!new RegExp(`(\\[\\s*"${name}",|^it\\("fastagent #489: [^"\\n]*\\b${name}\\b)`, "m").test(
				tests,
			),
	);
	expect(unmet).toEqual([]);
});

function errorOf(act: () => unknown): SidecarError | undefined {
	try {
		act();
		return undefined;
	} catch (error) {
		expect(error).toBeInstanceOf(SidecarError);
		return error as SidecarError;
	}
}
