import { execFileSync } from "node:child_process";
import { hash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readMarker } from "../disk/base-marker.ts";
import { compressBlock } from "../log/block.ts";
import type { BlockRef } from "../log/types.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import { lstatPath } from "../workspace/stat.ts";
import type { Restored } from "./restore.ts";
import { MOST_FILES, type WriteThread } from "./write-thread.ts";
import type { NewFile } from "./write-worker.ts";

/** The thread that restores find when they start one; undefined: they start none. */
let started: WriteThread | undefined;
// Loads the modules again: other files of this process have loaded them without the mock.
vi.resetModules();
vi.doMock(import("./write-thread.ts"), async (load) => ({
	...(await load()),
	isWorthThread: () => started !== undefined,
	WriteThread: new Proxy(class {}, {
		construct: () => started as WriteThread,
	}) as unknown as typeof WriteThread,
}));
const { restore } = await import("./restore.ts");
const actual = await vi.importActual<typeof import("./write-thread.ts")>("./write-thread.ts");
afterAll(() => {
	vi.doUnmock("./write-thread.ts");
	vi.resetModules();
});

const threads: WriteThread[] = [];
/** A thread that already runs. */
async function start(limits?: ConstructorParameters<typeof WriteThread>[0]): Promise<WriteThread> {
	const thread = new actual.WriteThread(limits);
	threads.push(thread);
	await vi.waitUntil(() => thread.isFree, { timeout: 30_000, interval: 5 });
	return thread;
}

let dir: string;
beforeEach(() => {
	started = undefined;
	dir = mkdtempSync(join(tmpdir(), "write-thread-"));
});
afterEach(async () => {
	await Promise.all(threads.splice(0).map((thread) => thread.end()));
	rmSync(dir, { recursive: true, force: true });
});

/** One block with these texts, and the files that they become in `directory`. */
function blockOf(texts: readonly string[], directory = dir) {
	const raw = Buffer.from(texts.join(""));
	const { block, stored } = compressBlock(raw);
	let offset = 0;
	const files = texts.map((text, index): NewFile => {
		const path = `f${index}`;
		const place = join(directory, path);
		const length = Buffer.byteLength(text);
		const sha256 = hash("sha256", text, "hex");
		offset += length;
		return {
			...{ path, place, sha256, length, offset: offset - length },
			...{ mode: 0o640, mtimeNs: 1_700_000_000_123_456_789n },
		};
	});
	return { ref: { ...block, key: "log/fffffffffffe", offset: 0 } as BlockRef, stored, files };
}

describe("a thread that writes", () => {
	it("creates files with their content, mode and time, and returns their stats", async () => {
		const thread = await start();
		const { ref, stored, files } = blockOf(["one", "", "three"]);
		const stats = await thread.write(ref, stored, files);
		expect(files.map(({ path }) => readFileSync(join(dir, path), "utf8"))).toEqual([
			"one",
			"",
			"three",
		]);
		expect(stats).toEqual(files.map(({ path }) => lstatPath(dir, path)));
		expect(stats[0]).toMatchObject({ mode: 0o640, mtimeNs: files[0]?.mtimeNs });
	});

	// @id thread-checks-content
	it("writes no byte that does not match its hash", async () => {
		const thread = await start();
		const { ref, stored, files } = blockOf(["right", "wrong"]);
		const altered = files.map((file) => ({ ...file, sha256: (files[0] as NewFile).sha256 }));
		await expect(thread.write(ref, stored, altered)).rejects.toMatchObject({
			code: "OBJECT_CORRUPT",
			value: ref.key,
			message: expect.stringContaining("does not match its hash"),
		});
		expect(readdirSync(dir)).toEqual(["f0"]);
	});

	it("replaces nothing", async () => {
		const thread = await start();
		writeFileSync(join(dir, "f0"), "here first");
		const { ref, stored, files } = blockOf(["new"]);
		await expect(thread.write(ref, stored, files)).rejects.toMatchObject({ value: "f0" });
		expect(readFileSync(join(dir, "f0"), "utf8")).toBe("here first");
	});

	it("names the file for which the disk has no room, and goes on", async (context) => {
		const small = join(dir, "small");
		mkdirSync(small);
		try {
			execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small], { stdio: "pipe" });
		} catch {
			context.skip("needs the right to mount a tmpfs");
		}
		try {
			const thread = await start();
			const large = blockOf(["x", randomBytes(100_000).toString("hex")], small);
			await expect(thread.write(large.ref, large.stored, large.files)).rejects.toMatchObject({
				...{ code: "WORKSPACE_DISK_FULL", value: "f1", exitStatus: 2 },
				message: expect.stringContaining("ENOSPC"),
			});
			const next = blockOf(["next"]);
			await thread.write(next.ref, next.stored, next.files);
			expect(readFileSync(join(dir, "f0"), "utf8")).toBe("next");
		} finally {
			execFileSync("umount", [small]);
		}
	});

	// @id thread-dies
	it("answers every request with an error if it dies", async () => {
		const thread = await start();
		const { ref, stored, files } = blockOf(["a"]);
		const answers = [1, 2, 3].map(() => thread.write(ref, stored, files));
		const settled = Promise.allSettled(answers);
		expect(thread.isFree).toBe(false);
		await thread.end();
		const failed = (await settled).filter(({ status }) => status === "rejected");
		expect(failed.length).toBeGreaterThan(0);
		for (const each of failed)
			expect(each).toMatchObject({ reason: { name: "SidecarError", code: "INTERNAL" } });
	});

	it("ends with an error if it needs more memory than it may use", async () => {
		const thread = await start({ maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 });
		const { ref, stored, files } = blockOf(["a"]);
		const many = Array.from({ length: 100_000 }, (_, index) => ({
			...(files[0] as NewFile),
			place: join(dir, `${index}`),
		}));
		await expect(thread.write(ref, stored, many)).rejects.toMatchObject({
			code: "SYSTEM_REFUSED",
			message: expect.stringContaining("memory limit"),
		});
		expect(thread.isFree).toBe(false);
		await expect(thread.write(ref, stored, files)).rejects.toMatchObject({
			code: "SYSTEM_REFUSED",
		});
	});

	it("never becomes free if it ends before it has started", async () => {
		const thread = new actual.WriteThread();
		await thread.end();
		const { ref, stored, files } = blockOf(["a"]);
		await expect(thread.write(ref, stored, files)).rejects.toMatchObject({ code: "INTERNAL" });
		expect(thread.isFree).toBe(false);
	});
});

describe("a restore with a second thread", () => {
	const FILES = 60;
	/** A log with files in a directory, and one beside it. */
	async function filled(bench: Workbench): Promise<void> {
		const session = await bench.open("writer");
		const root = bench.workspace("writer");
		for (let index = 0; index < FILES; index++) {
			mkdirSync(join(root, `dir/${index % 7}`), { recursive: true });
			writeFileSync(join(root, `dir/${index % 7}/${index}`), `text ${index}`.repeat(index));
		}
		writeFileSync(join(root, "dir/large"), randomBytes(3 * 1024 * 1024));
		writeFileSync(join(root, "top"), "of the log");
		await session.flush({ sweep: true, closed: true });
	}
	const restoreTo = async (bench: Workbench, signal?: AbortSignal): Promise<Restored> =>
		await restore({
			...{ store: bench.store, root: bench.workspace("b"), profile: plainProfile, signal },
			...{ privateDir: bench.privateDir("b"), times: await loadFileTimes(), label: "test" },
			...{ quickHash: () => 0n, logger: bench.logger, progress: noProgress },
		});

	it("writes the same, and knows the same about it", async () => {
		await using bench = await workbench();
		await filled(bench);
		started = await start();
		const write = vi.spyOn(started, "write");
		const restored = await restoreTo(bench);
		expect(write.mock.calls.flatMap(([, , files]) => files).length).toBeGreaterThan(FILES / 2);
		expect(readDisk(bench.workspace("b"))).toEqual(readDisk(bench.workspace("writer")));
		for (const [path, { stat }] of restored.local().entries())
			expect([path, stat]).toEqual([path, lstatPath(bench.workspace("b"), path)]);
	});

	// @id thread-many-files
	it("keeps a block with very many files for itself, which the thread's memory could not hold", async () => {
		await using bench = await workbench();
		const session = await bench.open("writer");
		const root = bench.workspace("writer");
		mkdirSync(join(root, "dir"));
		for (let index = 0; index <= MOST_FILES; index++)
			writeFileSync(join(root, `dir/${index}`), "the same");
		await session.flush({ sweep: true, closed: true });
		started = await start();
		const write = vi.spyOn(started, "write");
		const { files } = await restoreTo(bench);
		expect([files, write.mock.calls]).toEqual([MOST_FILES + 1, []]);
	});

	// @id thread-failure-shuts-gate
	it("fails if the thread dies: nothing is visible, what moved is back, and it can run again", async () => {
		await using bench = await workbench();
		await filled(bench);
		mkdirSync(bench.workspace("b"), { recursive: true });
		writeFileSync(join(bench.workspace("b"), "dir"), "mine");
		const thread = await start();
		started = thread;
		const write = thread.write.bind(thread);
		vi.spyOn(thread, "write").mockImplementation((...request) => {
			const answer = write(...request);
			void thread.end();
			return answer;
		});
		await expect(restoreTo(bench)).rejects.toMatchObject({ code: "INTERNAL" });
		expect(readMarker(bench.privateDir("b"))?.complete).toBe(false);
		expect(readdirSync(bench.workspace("b")).filter((name) => name !== "top")).toEqual(["dir"]);
		expect(readFileSync(join(bench.workspace("b"), "dir"), "utf8")).toBe("mine");
		started = undefined;
		await restoreTo(bench);
		expect(readDisk(bench.workspace("b"))).toEqual(readDisk(bench.workspace("writer")));
	});

	it("ends on a signal, and the thread with it", async () => {
		await using bench = await workbench();
		await filled(bench);
		const thread = await start();
		started = thread;
		const stop = new AbortController();
		const write = thread.write.bind(thread);
		vi.spyOn(thread, "write").mockImplementation((...request) => {
			stop.abort(new Error("stopped"));
			return write(...request);
		});
		await expect(restoreTo(bench, stop.signal)).rejects.toThrow(/stopped|aborted/);
		expect(thread.isFree).toBe(false);
		expect(readdirSync(bench.workspace("b")).filter((name) => name !== "top")).toEqual([]);
	});
});
