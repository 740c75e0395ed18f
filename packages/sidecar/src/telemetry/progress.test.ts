import { describe, expect, test } from "vitest";
import { recordingLogger } from "./logger.ts";
import { logProgress, noProgress, terminalProgress } from "./progress.ts";

const MIB = 1024 ** 2;

function atTerminal(columns?: number) {
	const state = { nowMs: 1_000 };
	const writes: string[] = [];
	const progress = terminalProgress(
		{ write: (text: string) => writes.push(text), columns },
		() => state.nowMs,
	);
	return { state, writes, progress, last: () => writes.at(-1)?.replace("\r\u001b[K", "") };
}

describe("terminalProgress", () => {
	test("shows phase, files, bytes, rate and the time left", () => {
		const { state, progress, last } = atTerminal();
		progress.start("restore", { files: 1000, bytes: 100 * MIB });
		expect(last()).toBe("restore  0/1000 files  0 B/100 MiB");
		state.nowMs += 2_000;
		progress.advance({ files: 250, bytes: 25 * MIB });
		expect(last()).toBe("restore  250/1000 files  25 MiB/100 MiB  12.5 MiB/s  6.0 s left");
	});

	test("leaves out totals and the time left if they are unknown", () => {
		const { state, progress, last } = atTerminal();
		progress.start("scan", { files: 0, bytes: 0 });
		state.nowMs += 1_000;
		progress.advance({ files: 7, bytes: 1024 });
		expect(last()).toBe("scan  7 files  1 KiB  1 KiB/s");
	});

	test("counts files if no bytes are to be moved", () => {
		const { state, progress, last } = atTerminal();
		progress.start("verify", { files: 10, bytes: 0 });
		state.nowMs += 1_000;
		progress.advance({ files: 5, bytes: 0 });
		expect(last()).toBe("verify  5/10 files  0 B  0 B/s  1.0 s left");
	});

	test("redraws at most ten times a second, each time over the same line", () => {
		const { state, writes, progress } = atTerminal();
		progress.start("flush", { files: 5_000, bytes: 0 });
		for (let i = 0; i < 5_000; i++) {
			state.nowMs += 1;
			progress.advance({ files: 1, bytes: 10 });
		}
		expect(writes.length).toBeLessThanOrEqual(51);
		expect(writes.length).toBeGreaterThan(45);
		for (const text of writes)
			expect(text.split(/[\r\n]/)).toEqual(["", expect.stringContaining("\u001b[K")]);
	});

	test("never wraps on a narrow terminal, and erases its line at the end", () => {
		const { state, writes, progress, last } = atTerminal(20);
		progress.start("restore", { files: 1000, bytes: MIB });
		state.nowMs += 1_000;
		progress.advance({ files: 1, bytes: 1 });
		expect(last()).toHaveLength(19);
		progress.end();
		expect(writes.at(-1)).toBe("\r\u001b[K");
		const written = writes.length;
		progress.end();
		progress.advance({ files: 1, bytes: 1 });
		expect(writes).toHaveLength(written);
	});
});

describe("logProgress", () => {
	test("logs one event every five seconds and one at the end", () => {
		const logger = recordingLogger();
		let nowMs = 0;
		const progress = logProgress(logger, () => nowMs);
		progress.start("restore", { files: 100, bytes: 1000 });
		for (let i = 0; i < 12; i++) {
			nowMs += 1_000;
			progress.advance({ files: 1, bytes: 10 });
		}
		progress.end();
		expect(
			logger.events.map(({ event, fields }) => [
				event,
				fields.files,
				fields.elapsedMs,
				fields.done,
			]),
		).toEqual([
			["restore.progress", 5, 5_000, false],
			["restore.progress", 10, 10_000, false],
			["restore.progress", 12, 12_000, true],
		]);
		expect(logger.events[0]).toMatchObject({
			level: "info",
			kind: "sync",
			fields: { filesTotal: 100, bytes: 50, bytesTotal: 1000 },
		});
	});

	test("a new phase ends the previous one", () => {
		const logger = recordingLogger();
		const progress = logProgress(logger, () => 0);
		progress.start("restore", { files: 1, bytes: 1 });
		progress.start("verify", { files: 1, bytes: 1 });
		progress.end();
		expect(logger.events.map(({ event, fields }) => [event, fields.done])).toEqual([
			["restore.progress", true],
			["verify.progress", true],
		]);
	});
});

test("noProgress shows nothing and accepts everything", () => {
	noProgress.start("restore", { files: 1, bytes: 1 });
	noProgress.advance({ files: 1, bytes: 1 });
	expect(noProgress.end()).toBeUndefined();
});
