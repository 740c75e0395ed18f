import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { type LogRead, readLog } from "../commit/read-log.ts";
import type { Entry, FileEntry } from "../log/types.ts";
import { cat, findPath, listTree } from "./inspect.ts";

const MiB = 1024 * 1024;

async function logWith(
	bench: Workbench,
	files: Readonly<Record<string, Buffer>>,
): Promise<LogRead> {
	const session = await bench.open("writer");
	for (const [path, bytes] of Object.entries(files))
		writeFileSync(join(bench.workspace("writer"), path), bytes);
	await session.flush({ sweep: true });
	return await readLog(bench.store);
}

/** A slow stream that keeps no chunk longer than the callback allows. */
class Hashing extends Writable {
	readonly #hash = createHash("sha256");
	readonly sizes: number[] = [];

	override _write(chunk: Buffer, _encoding: string, done: () => void): void {
		this.sizes.push(chunk.length);
		nextTurn().then(() => {
			this.#hash.update(chunk);
			done();
		});
	}

	digest(): string {
		return this.#hash.digest("hex");
	}
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe("cat", () => {
	test("writes a file larger than its window in order, in pieces no larger than the window", async () => {
		await using bench = await workbench();
		const large = Buffer.concat([
			randomBytes(20 * MiB),
			Buffer.alloc(30 * MiB),
			randomBytes(20 * MiB + 17),
		]);
		const read = await logWith(bench, {
			large,
			empty: Buffer.alloc(0),
			small: Buffer.from("small"),
		});
		const to = new Hashing();
		expect(await cat(bench.store, read, "large", to)).toBe(large.length);
		expect(Math.max(...to.sizes)).toBeLessThanOrEqual(32 * MiB);
		expect(to.digest()).toBe(sha256(large));
		const none = new Hashing();
		expect([await cat(bench.store, read, "empty", none), none.sizes]).toEqual([0, []]);
	});

	test("writes nothing of a chunk whose content does not match its hash", async () => {
		await using bench = await workbench();
		const read = await logWith(bench, { file: Buffer.from("the file's content") });
		const entry = read.head.tree.get("file") as FileEntry;
		const tree = new Map([
			[
				"file",
				{ ...entry, chunks: entry.chunks.map((chunk) => ({ ...chunk, sha256: "0".repeat(64) })) },
			],
		]);
		const to = new Hashing();
		await expect(
			cat(bench.store, { ...read, head: { ...read.head, tree } }, "file", to),
		).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
		expect(to.sizes).toEqual([]);
	});

	test("fails with the error of the stream", async () => {
		await using bench = await workbench();
		const read = await logWith(bench, { file: Buffer.from("x") });
		const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error("full")) });
		full.on("error", () => {});
		await expect(cat(bench.store, read, "file", full)).rejects.toThrow("full");
	});
});

describe("listTree and findPath", () => {
	const file: Entry = {
		type: "file",
		mode: 0o644,
		mtimeNs: 0n,
		size: 0,
		chunkBits: 20,
		chunks: [],
	};
	const dir: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };
	// U+1F600 comes after U+FF01 in bytes, before it in UTF-16; a lone U+DC80 is the byte 0x80.
	const tree = new Map<string, Entry>([
		["", dir],
		["a/b", file],
		["ab", file],
		["a", dir],
		["a-b", file],
		["\u{1f600}", file],
		["\uff01", file],
		["\udc80\n", file],
		["\\u0041", file],
	]);

	test("paths are ordered by their bytes", () => {
		expect(listTree(tree, "").map(([path]) => path)).toEqual(
			["\\u0041", "a", "a-b", "a/b", "ab", "\uff01", "\u{1f600}", "\udc80\n"].sort(
				(a, b) => order(a) - order(b),
			),
		);
		function order(path: string): number {
			return ["\\u0041", "a", "a-b", "a/b", "ab", "\udc80\n", "\uff01", "\u{1f600}"].indexOf(path);
		}
	});

	test("a path selects itself and what is below it, but no other path with the same prefix", () => {
		expect(listTree(tree, "a").map(([path]) => path)).toEqual(["a", "a/b"]);
		expect(listTree(tree, "ab").map(([path]) => path)).toEqual(["ab"]);
		expect(() => listTree(tree, "b")).toThrow(expect.objectContaining({ code: "PATH_NOT_FOUND" }));
	});

	test("a path may be typed as shells and listings write it, and a literal match wins", () => {
		const typed: [string, string | undefined][] = [
			["a/b", "a/b"],
			["./a/", "a"],
			[".//a", "a"],
			[".", ""],
			["/", ""],
			["\\udc80\\u000a", "\udc80\n"],
			["\\u0041", "\\u0041"],
			["\\u0061", "a"],
			["/a", undefined],
			["../a", undefined],
			["nope", undefined],
		];
		for (const [text, path] of typed) expect([text, findPath(tree, text)]).toEqual([text, path]);
	});
});

test("listing finds what the log holds", async () => {
	await using bench = await workbench();
	mkdirSync(join(bench.workspace("writer"), "d"), { recursive: true });
	const { head } = await logWith(bench, { "d/f": Buffer.from("x") });
	expect(listTree(head.tree, "").map(([path, { type }]) => [path, type])).toEqual([
		["d", "dir"],
		["d/f", "file"],
	]);
});
