import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { fsPath } from "../path.ts";
import { pin } from "./guarded-open.ts";
import {
	lastLineEnd,
	type OnChunk,
	READ_BYTES,
	type ReadOptions,
	type ReadResult,
	readStable,
} from "./stable-read.ts";
import { lstatPath } from "./stat.ts";

const KIB16 = 1 << 14;
const MIB = 1 << 20;

/** Bytes without two equal stretches. */
function content(size: number): Buffer {
	const bytes = Buffer.alloc(size);
	for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + (i >> 16)) & 0xff;
	return bytes;
}

async function readAll(
	root: string,
	path: string,
	chunkBytes: number,
	options?: ReadOptions,
): Promise<{ result: ReadResult; chunks: Buffer[] }> {
	const chunks: Buffer[] = [];
	const result = await readStable(
		root,
		path,
		chunkBytes,
		(index, bytes, offset) => {
			expect([index, offset]).toEqual([chunks.length, chunks.length * chunkBytes]);
			chunks.push(Buffer.from(bytes));
			return undefined;
		},
		options,
	);
	return { result, chunks };
}

describe("a file at rest", () => {
	const sizes = [0, 1, KIB16 - 1, KIB16, KIB16 + 1, MIB - 1, MIB, MIB + 1, 2 * MIB + 5 * KIB16 + 3];
	test.each(sizes.flatMap((size) => [KIB16, MIB].map((chunkBytes) => ({ size, chunkBytes }))))(
		"$size bytes in chunks of $chunkBytes",
		async ({ size, chunkBytes }) => {
			const root = testDirectory();
			const bytes = content(size);
			writeFileSync(`${root}/file`, bytes);
			const { result, chunks } = await readAll(root, "file", chunkBytes);
			expect(result).toEqual({ kind: "stable", stat: lstatPath(root, "file"), size });
			expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
			expect(chunks.slice(0, -1).every(({ length }) => length === chunkBytes)).toBe(true);
			expect(chunks.length).toBe(Math.ceil(size / chunkBytes));
		},
	);

	test("is read up to maxBytes, and stable at that", async () => {
		const root = testDirectory();
		const bytes = content(3 * MIB);
		writeFileSync(`${root}/file`, bytes);
		for (const maxBytes of [0, 1, KIB16, MIB + 7, 3 * MIB, 4 * MIB]) {
			const { result, chunks } = await readAll(root, "file", KIB16, { maxBytes });
			const size = Math.min(maxBytes, bytes.length);
			expect(result).toMatchObject({ kind: "stable", size });
			expect(Buffer.concat(chunks).equals(bytes.subarray(0, size))).toBe(true);
		}
	});

	test("may have any name", async () => {
		const root = testDirectory();
		const path = "dir\udcff/\udc80é";
		mkdirSync(fsPath(root, "dir\udcff"));
		writeFileSync(fsPath(root, path), "text");
		expect((await readAll(root, path, MIB)).chunks).toEqual([Buffer.from("text")]);
	});

	test("is found below a root that is reached through a link", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/real`);
		writeFileSync(`${root}/real/file`, "text");
		symlinkSync("real", `${root}/alias`);
		expect((await readAll(`${root}/alias`, "file", MIB)).result.kind).toBe("stable");
	});
});

describe("a file that changes while it is read", () => {
	/** Does something in the middle of the read. */
	async function disturbed(disturb: (file: string) => void): Promise<ReadResult> {
		const root = testDirectory();
		mkdirSync(`${root}/dir`);
		writeFileSync(`${root}/dir/file`, content(2 * MIB));
		let disturbances = 0;
		const result = await readStable(root, "dir/file", MIB, async (index) => {
			if (index === 0) {
				disturb(`${root}/dir/file`);
				disturbances += 1;
			}
			return undefined;
		});
		expect(disturbances).toBe(1);
		return result;
	}

	test.each([
		["grows", (file: string) => appendFileSync(file, "x"), { kind: "unstable", size: 2 * MIB }],
		["is cut", (file: string) => truncateSync(file, MIB + 1), { kind: "unstable", size: MIB + 1 }],
		[
			"is cut at what was read",
			(file: string) => truncateSync(file, MIB),
			{ kind: "unstable", size: MIB },
		],
		[
			"is written in place",
			(file: string) => writeFileSync(file, content(2 * MIB)),
			{ kind: "unstable" },
		],
		["changes its mode", (file: string) => chmodSync(file, 0o600), { kind: "unstable" }],
		["is removed", (file: string) => rmSync(file), { kind: "gone" }],
		[
			"is replaced",
			(file: string) => {
				writeFileSync(`${file}.new`, content(2 * MIB));
				renameSync(`${file}.new`, file);
			},
			{ kind: "unstable" },
		],
		[
			"has its directory replaced, which leaves its own times alone",
			(file: string) => {
				renameSync(dirname(file), `${dirname(file)}.old`);
				mkdirSync(dirname(file));
				writeFileSync(file, content(2 * MIB));
			},
			{ kind: "unstable" },
		],
		[
			"is replaced by a directory",
			(file: string) => {
				rmSync(file);
				mkdirSync(file);
			},
			{ kind: "unstable" },
		],
	] as const)("%s", async (_what, disturb, expected) => {
		expect(await disturbed(disturb)).toMatchObject(expected);
	});

	test("is never gone while it is replaced at full speed, and always one of the two", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, "a".repeat(5_000));
		const child = startNode(
			`say("started");
			for (let i = 0; ; i++) {
				fs.writeFileSync(args[0] + ".new", (i % 2 ? "a" : "b").repeat(5000));
				fs.renameSync(args[0] + ".new", args[0]);
			}`,
			`${root}/file`,
		);
		await child.line();
		const kinds = new Map<string, number>();
		for (let i = 0; i < 2_000; i++) {
			const { result, chunks } = await readAll(root, "file", MIB);
			kinds.set(result.kind, (kinds.get(result.kind) ?? 0) + 1);
			if (result.kind === "stable")
				expect(["a", "b"].map((one) => one.repeat(5_000))).toContain(String(Buffer.concat(chunks)));
		}
		expect([...kinds.keys()].filter((kind) => kind !== "stable" && kind !== "unstable")).toEqual(
			[],
		);
		expect(kinds.get("stable")).toBeGreaterThan(0);
	});

	// @id stable-read-appended
	test("is stable only when complete while it is appended to at full speed, and always a prefix", async () => {
		const root = testDirectory();
		const file = `${root}/log.jsonl`;
		writeFileSync(file, "");
		const child = startNode(
			`const fd = fs.openSync(args[0], "a");
			say("started");
			for (let i = 0; i < 60000; i++) fs.writeSync(fd, JSON.stringify({ i, text: "x".repeat(i % 97) }) + "\\n");
			say("done");`,
			file,
		);
		await child.line();
		const done = child.line();
		let isDone = false;
		void done.then(() => {
			isDone = true;
		});
		const hashed = async (maxBytes: number) => {
			const hash = createHash("sha256");
			const result = await readStable(
				root,
				"log.jsonl",
				MIB,
				(_index, bytes) => void hash.update(bytes),
				{ maxBytes },
			);
			return { result, digest: hash.digest("hex") };
		};
		const prefixes: { size: number; digest: string }[] = [];
		let unstable = 0;
		while (!isDone) {
			const whole = await hashed(Number.POSITIVE_INFINITY);
			if (whole.result.kind === "unstable") unstable += 1;
			else if (whole.result.kind === "stable")
				prefixes.push({ size: whole.result.size, digest: whole.digest });
			const size = lastLineEnd(root, "log.jsonl", lstatPath(root, "log.jsonl")?.size ?? 0);
			const [first, second] = [await hashed(size), await hashed(size)];
			expect(first.digest).toBe(second.digest);
			prefixes.push({ size, digest: first.digest });
			await new Promise((resolve) => setImmediate(resolve));
		}
		const bytes = readFileSync(file);
		expect(unstable).toBeGreaterThan(0);
		for (const { size, digest } of prefixes) {
			expect(createHash("sha256").update(bytes.subarray(0, size)).digest("hex")).toBe(digest);
		}
		expect((await hashed(Number.POSITIVE_INFINITY)).result).toMatchObject({
			kind: "stable",
			size: bytes.length,
		});
	});
});

describe("an unreadable path", () => {
	test("is reported with its kind", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/dir`);
		writeFileSync(`${root}/dir/file`, "secret");
		symlinkSync("dir/file", `${root}/link`);
		symlinkSync("dir", `${root}/dir-link`);
		execFileSync("mkfifo", [`${root}/fifo`]);
		const read = async (path: string) => (await readAll(root, path, MIB)).result;
		expect(await read("absent")).toEqual({ kind: "gone" });
		expect(await read("dir/file/below")).toEqual({ kind: "gone" });
		expect(await read("dir")).toMatchObject({
			kind: "unreadable",
			reason: expect.stringContaining("a directory"),
		});
		expect(await read("link")).toMatchObject({
			kind: "unreadable",
			reason: expect.stringContaining("a link"),
		});
		expect(await read("fifo")).toMatchObject({
			kind: "unreadable",
			reason: expect.stringContaining("FIFO"),
		});
		// The kernel would follow the directory's link and read another file than the workspace has
		// under this name.
		expect(await read("dir-link/file")).toEqual({ kind: "gone" });
		chmodSync(`${root}/dir/file`, 0);
		await asOrdinaryUser(async () =>
			expect(await read("dir/file")).toMatchObject({
				kind: "unreadable",
				reason: expect.stringContaining("EACCES"),
			}),
		);
	});

	test("may be a database that a snapshot has open", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/x.db`, "SQLite format 3\0");
		const stat = lstatPath(root, "x.db");
		if (stat === undefined) throw new Error("not written");
		const release = pin(stat);
		const again = pin(stat);
		expect((await readAll(root, "x.db", MIB)).result).toMatchObject({ kind: "unreadable" });
		again();
		expect((await readAll(root, "x.db", MIB)).result).toMatchObject({ kind: "unreadable" });
		release();
		expect((await readAll(root, "x.db", MIB)).result).toMatchObject({ kind: "stable" });
	});
});

describe("the callback", () => {
	test("ends the read by returning false, at once or later", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, content(3 * MIB));
		const callbacks: OnChunk[] = [() => false, async () => false];
		for (const callback of callbacks) {
			let calls = 0;
			const result = await readStable(root, "file", MIB, (...chunk) => {
				calls += 1;
				return callback(...chunk);
			});
			expect(result).toMatchObject({ kind: "unstable", size: 0 });
			expect(calls).toBe(1);
		}
	});

	test("may fail: its error is passed on, and no descriptor stays open", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, "x");
		const before = readdirSync("/proc/self/fd").length;
		for (const failing of [
			() => Promise.reject(new Error("store")),
			() => {
				throw Object.assign(new Error("store"), { code: "EIO", syscall: "read" });
			},
		]) {
			await expect(readStable(root, "file", MIB, failing)).rejects.toThrow("store");
		}
		expect(readdirSync("/proc/self/fd").length).toBe(before);
	});

	test("keeps its bytes until its promise settles, while other reads run", async () => {
		const root = testDirectory();
		const files = [0, 1, 2, 3].map((n) => content(16 * KIB16 + n).map((byte) => byte ^ n));
		for (const [n, bytes] of files.entries()) writeFileSync(`${root}/${n}`, bytes);
		const read = await Promise.all(
			files.map(async (_bytes, n) => {
				const chunks: Buffer[] = [];
				await readStable(root, String(n), KIB16, async (_index, bytes) => {
					await new Promise((resolve) => setImmediate(resolve));
					chunks.push(Buffer.from(bytes));
					return true;
				});
				return Buffer.concat(chunks);
			}),
		);
		expect(read.every((bytes, n) => bytes.equals(files[n] ?? Buffer.alloc(0)))).toBe(true);
	});

	test("does not block the event loop", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, Buffer.alloc(16 * MIB));
		let turns = 0;
		const count = setInterval(() => {
			turns += 1;
		}, 1);
		await readStable(root, "file", MIB, () => {
			const until = performance.now() + 5;
			while (performance.now() < until);
			return undefined;
		});
		clearInterval(count);
		expect(turns).toBeGreaterThanOrEqual(4);
	});

	test("is not called after the signal", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, content(MIB));
		await expect(
			readAll(root, "file", MIB, { signal: AbortSignal.abort(new Error("enough")) }),
		).rejects.toThrow("enough");
	});

	test("accepts only chunks of a power of two", async () => {
		await expect(readStable("/", "etc/passwd", 3_000, () => true)).rejects.toThrow(RangeError);
		expect(READ_BYTES).toBe(MIB);
	});
});

describe("lastLineEnd", () => {
	test("is after the last line feed within the limit", () => {
		const root = testDirectory();
		fc.assert(
			fc.property(
				fc.array(
					fc.oneof(
						{ weight: 5, arbitrary: fc.nat({ max: 200 }) },
						{ weight: 1, arbitrary: fc.constantFrom(65_535, 65_536, 70_000, 140_000) },
					),
					{ maxLength: 6 },
				),
				fc.double({ min: 0, max: 1.1, noNaN: true }),
				fc.boolean(),
				(lines, share, endsWithLine) => {
					const text =
						lines.map((length) => "x".repeat(length)).join("\n") + (endsWithLine ? "\n" : "");
					writeFileSync(`${root}/file`, text);
					const upTo = Math.floor(text.length * share);
					expect(lastLineEnd(root, "file", upTo)).toBe(text.slice(0, upTo).lastIndexOf("\n") + 1);
				},
			),
			{ numRuns: 200 },
		);
	});

	test("is 0 if nothing can be read", () => {
		expect(lastLineEnd(testDirectory(), "absent", 100)).toBe(0);
	});
});
