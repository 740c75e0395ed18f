import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { recordingLogger } from "../telemetry/logger.ts";
import { AgentOutput, MAX_LINE_BYTES } from "./agent-output.ts";

beforeEach(() => {
	vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
});
afterEach(() => {
	vi.useRealTimers();
});

/** An agent whose output arrives in exactly these chunks. */
function agent(logger = recordingLogger(), output = new AgentOutput(logger)) {
	const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
	const { promise: exited, resolve: exit } = Promise.withResolvers<void>();
	const logged = output.log(streams, exited);
	return {
		...streams,
		/** The output has arrived. */
		settle: async () => {
			while (streams.stdout.readableLength + streams.stderr.readableLength > 0)
				await new Promise(setImmediate);
		},
		end: async () => {
			exit();
			streams.stdout.end();
			streams.stderr.end();
			await logged;
		},
		exit,
		logged,
		output,
		logger,
		lines: () =>
			logger.events
				.filter(({ event }) => event === "agent.output")
				.map(({ fields: { stream, text, cutBytes } }) => [stream, text, cutBytes]),
		dropped: () =>
			logger.events
				.filter(({ event }) => event === "agent.output-dropped")
				.map(({ level, fields }) => [level, fields.lines, fields.bytes]),
	};
}

test("each line of either stream is an event, and an unfinished last line is one at the end", async () => {
	const { stdout, stderr, end, lines } = agent();
	stdout.write("one\ntwo\r\n\nthr");
	stderr.write("a warning\n");
	stdout.write("ee");
	await end();
	expect(lines()).toEqual([
		["stdout", "one", undefined],
		["stdout", "two", undefined],
		["stdout", "", undefined],
		["stderr", "a warning", undefined],
		["stdout", "three", undefined],
	]);
});

test("characters are whole however their bytes arrive, and control characters are kept", async () => {
	const { stdout, end, lines } = agent();
	const text = "\u001b[31mrot\u001b[0m 你好 🦞\u0000\ttab";
	for (const byte of Buffer.from(`${text}\n`)) stdout.write(Buffer.of(byte));
	stdout.write(Buffer.from([0xff, 0x0a]));
	await end();
	expect(lines()).toEqual([
		["stdout", text, undefined],
		["stdout", "\ufffd", undefined],
	]);
});

test.each([
	["ASCII", "x", MAX_LINE_BYTES],
	["two bytes", "é", MAX_LINE_BYTES],
	["three bytes", "你", MAX_LINE_BYTES - 1],
	["four bytes", "🦞", MAX_LINE_BYTES],
])(
	"a long line of characters of %s is cut between two of them, and says how much is missing",
	async (_, character, kept) => {
		const { stdout, end, lines } = agent();
		stdout.write(`${character.repeat(MAX_LINE_BYTES + 1)}\nnext\n`);
		await end();
		const [[, text, cutBytes] = [], next] = lines();
		const bytes = Buffer.byteLength(character) * (MAX_LINE_BYTES + 1);
		const shown = Buffer.byteLength(String(text));
		expect(String(text)).toBe(character.repeat(shown / Buffer.byteLength(character)));
		// At most one whole character less than would fit.
		expect(kept - shown).toBeLessThanOrEqual(Buffer.byteLength(character));
		expect(Number(cutBytes) + shown).toBe(bytes);
		expect(next).toEqual(["stdout", "next", undefined]);
	},
);

test("a line that never ends is not kept in memory", async () => {
	const { stdout, end, lines } = agent();
	for (let i = 0; i < 100; i++) stdout.write(Buffer.alloc(MAX_LINE_BYTES, "x"));
	await end();
	expect(lines()).toEqual([["stdout", "x".repeat(MAX_LINE_BYTES), 99 * MAX_LINE_BYTES]]);
});

test("lines above the rate are dropped, counted and reported once, and later ones are logged again", async () => {
	const { stdout, settle, end, lines, dropped } = agent();
	const line = `${"x".repeat(999)}\n`;
	stdout.write(line.repeat(3_000));
	await settle();
	const logged = lines().length;
	expect(logged).toBeGreaterThan(500);
	expect(logged).toBeLessThan(1_100);
	expect(dropped()).toEqual([]);
	vi.advanceTimersByTime(16_000);
	expect(dropped()).toEqual([["warn", 3_000 - logged, (3_000 - logged) * 999]]);
	stdout.write("again\n");
	await end();
	expect(lines().slice(logged)).toEqual([["stdout", "again", undefined]]);
	expect(dropped()).toHaveLength(1);
});

test("over ten minutes no more is logged than the rate allows", async () => {
	const { stdout, settle, end, lines, dropped } = agent();
	const line = `${"x".repeat(499)}\n`;
	for (let second = 0; second < 600; second++) {
		stdout.write(line.repeat(100));
		await settle();
		vi.advanceTimersByTime(1_000);
	}
	await end();
	const bytes = lines().length * (499 + 256);
	expect(bytes).toBeLessThanOrEqual(1024 * 1024 + 600 * 16 * 1024);
	// Not silent either: half of what it allows.
	expect(bytes).toBeGreaterThan((600 * 16 * 1024) / 2);
	expect(dropped().length).toBeLessThanOrEqual(600 / 16 + 1);
	const counted = dropped().reduce((sum, [, count]) => sum + Number(count), 0);
	expect(counted + lines().length).toBe(60_000);
});

test("what was dropped is reported when the agent ends, and a restarted agent has no new budget", async () => {
	const first = agent();
	first.stdout.write("x\n".repeat(10_000));
	await first.end();
	expect(first.dropped()).toEqual([["warn", 10_000 - first.lines().length, expect.any(Number)]]);
	const second = agent(first.logger, first.output);
	second.stdout.write("y\n".repeat(10_000));
	await second.end();
	expect(second.lines().filter(([, text]) => text === "y").length).toBeLessThan(10);
});

test("a process that holds the output open does not hold up the end", async () => {
	const { stdout, exit, logged, settle, lines } = agent();
	vi.useRealTimers();
	stdout.write("last words");
	await settle();
	exit();
	await logged;
	expect(lines()).toEqual([["stdout", "last words", undefined]]);
	expect(stdout.destroyed).toBe(true);
});
