import { closeSync, lstatSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { approximate, loadExact, loadFileTimes } from "./file-times.ts";

const times = await loadFileTimes();
const mtimeOf = (path: string | Buffer) => lstatSync(path, { bigint: true }).mtimeNs;

describe.runIf(process.platform === "linux" && ["x64", "arm64"].includes(process.arch))(
	"with the C library",
	() => {
		test("sets times to the nanosecond, also before 1970", () => {
			expect(times.exact).toBe(true);
			const file = `${testDirectory()}/file`;
			writeFileSync(file, "");
			// The range of ext4, 1901 to 2446, without the first and the last second: the kernel rounds
			// those.
			fc.assert(
				fc.property(
					fc.bigInt({ min: -2_147_483_647_000_000_000n, max: 15_032_385_533_999_999_999n }),
					(mtimeNs) => {
						times.setMtime(file, mtimeNs);
						expect(mtimeOf(file)).toBe(mtimeNs);
					},
				),
				{ numRuns: 500 },
			);
		});

		test("sets the time of a link itself without changing the access time", () => {
			const root = testDirectory();
			writeFileSync(`${root}/file`, "");
			symlinkSync("file", `${root}/link`);
			const before = lstatSync(`${root}/file`, { bigint: true });
			times.setMtime(`${root}/link`, 1_700_000_000_123_456_789n);
			expect(mtimeOf(`${root}/link`)).toBe(1_700_000_000_123_456_789n);
			expect(mtimeOf(`${root}/file`)).toBe(before.mtimeNs);
			times.setMtime(`${root}/file`, 5n);
			expect(lstatSync(`${root}/file`, { bigint: true }).atimeNs).toBe(before.atimeNs);
		});

		test("sets the time of an open file", () => {
			const file = `${testDirectory()}/file`;
			const fd = openSync(file, "wx");
			times.setOpenMtime(fd, -1_700_000_000_123_456_789n);
			closeSync(fd);
			expect(mtimeOf(file)).toBe(-1_700_000_000_123_456_789n);
			expect(() => times.setOpenMtime(fd, 1n)).toThrow(
				expect.objectContaining({ code: "EBADF", syscall: "futimens" }),
			);
		});

		test("accepts names of any bytes", () => {
			const file = Buffer.concat([Buffer.from(`${testDirectory()}/`), Buffer.of(0xff, 0xc3)]);
			writeFileSync(file, "");
			times.setMtime(file, 1_234_567_890_987_654_321n);
			expect(mtimeOf(file)).toBe(1_234_567_890_987_654_321n);
		});

		test("fails like node:fs", () => {
			expect(() => times.setMtime(`${testDirectory()}/absent`, 1n)).toThrow(
				expect.objectContaining({ code: "ENOENT", syscall: "utimensat" }),
			);
		});

		test("flushes a file system, and returns false if it cannot", async () => {
			const root = testDirectory();
			expect(await times.syncfs(root)).toBe(true);
			expect(await times.syncfs(`${root}/absent`)).toBe(false);
		});
	},
);

describe("without the C library", () => {
	test("is as close as a double allows, also for links", async () => {
		const root = testDirectory();
		symlinkSync("nowhere", `${root}/link`);
		approximate.setMtime(`${root}/link`, 1_700_000_000_123_456_789n);
		const error = mtimeOf(`${root}/link`) - 1_700_000_000_123_456_789n;
		expect(error < 1_000n && error > -1_000n).toBe(true);
		expect([approximate.exact, await approximate.syncfs(root)]).toEqual([false, false]);
	});

	test("rejects a missing koffi, or one without a library, so that loadFileTimes falls back", async () => {
		await expect(loadExact(() => Promise.reject(new Error("no such package")))).rejects.toThrow(
			"no such package",
		);
		const koffi = await import("koffi");
		const withoutLibraries = {
			...koffi,
			load: () => {
				throw new Error("no such library");
			},
		};
		await expect(
			loadExact(() => Promise.resolve(withoutLibraries as unknown as typeof koffi)),
		).rejects.toThrow();
	});
});
