import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Config } from "../config/options.ts";
import { displayOf } from "./display.ts";
import { Output } from "./output.ts";
import { paged } from "./pager.ts";

let dir: string;
beforeAll(() => {
	dir = mkdtempSync(join(tmpdir(), "sidecar-pager-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(() => {
	vi.unstubAllEnvs();
});

interface Ran {
	readonly status: number;
	/** Written without a pager. */
	readonly stdout: string;
	/** Written by a pager, to `PAGED` in the directory. */
	readonly paged: string | undefined;
}

async function runPaged(
	pager: string,
	print: (out: Output, signal: AbortSignal) => Promise<number>,
	{ isTTY = true, ...config }: Partial<Config> & { readonly isTTY?: boolean } = {},
): Promise<Ran> {
	vi.stubEnv("PAGER", pager);
	vi.stubEnv("TERM", "xterm");
	vi.stubEnv("PAGED", join(dir, "paged"));
	rmSync(join(dir, "paged"), { force: true });
	let stdout = "";
	const stream = new Writable({
		write: (chunk: Buffer, _encoding, done) => {
			stdout += chunk.toString();
			done();
		},
	});
	const out = new Output(stream);
	const context = { config: { color: "auto", pager: true, json: false, ...config } as Config, out };
	const display = displayOf(context.config, { isTTY }, {});
	const status = await paged(context, display, async (signal) => print(out, signal));
	await out.flush();
	let text: string | undefined;
	try {
		text = readFileSync(join(dir, "paged"), "utf8");
	} catch {}
	return { status, stdout, paged: text };
}

const hello = async (out: Output) => {
	await out.line("hello");
	return 3;
};

describe("paged", () => {
	test("prints through the pager, waits for its end, and keeps the status", async () => {
		expect(
			await runPaged('sleep 0.1; cat > "$PAGED"; echo "$LESS $LV" >> "$PAGED"', hello),
		).toEqual({
			status: 3,
			stdout: "",
			paged: "hello\nFRX -c\n",
		});
	});

	test.each([
		["tee PAGED", { isTTY: false }],
		["tee PAGED", { pager: false }],
		["tee PAGED", { json: true }],
		["cat", {}],
		["", {}],
		["no-such-pager -x", {}],
	])("prints to stdout with PAGER=%j and %j", async (pager, config) => {
		const where = pager.replace("PAGED", join(dir, "paged"));
		expect(await runPaged(where, hello, config)).toEqual({
			status: 3,
			stdout: "hello\n",
			paged: undefined,
		});
	});

	test("ends what is printed when the reader leaves, without an error", async () => {
		let lines = 0;
		const endless = async (out: Output) => {
			for (; !out.isClosed; lines++) await out.line("x".repeat(10_000));
			return 0;
		};
		expect(await runPaged('head -n 1 > "$PAGED"', endless)).toMatchObject({
			status: 0,
			stdout: "",
			paged: `${"x".repeat(10_000)}\n`,
		});
		expect(lines).toBeGreaterThan(0);
	});

	test("takes no harm from a pager that ends at any moment of the printing", async () => {
		for (let run = 0; run < 10; run++) {
			const endless = async (out: Output) => {
				while (!out.isClosed) {
					await out.line("x");
					await out.flush();
					await new Promise(setImmediate);
				}
				return 0;
			};
			expect(await runPaged("true", endless)).toMatchObject({ status: 0, stdout: "" });
		}
	});

	test("aborts a search that prints nothing when the reader leaves", async () => {
		const silent = async (_out: Output, signal: AbortSignal) =>
			await new Promise<never>((_resolve, reject) => {
				signal.addEventListener("abort", () => reject(signal.reason));
			});
		expect(await runPaged("true", silent)).toMatchObject({ status: 0, stdout: "" });
	});

	test("throws what the command throws, after the pager's end, and takes Ctrl-C back", async () => {
		const listeners = process.listenerCount("SIGINT");
		const failing = async (out: Output) => {
			// Ctrl-C is for the pager.
			expect(process.listenerCount("SIGINT")).toBe(listeners + 1);
			await out.line("before");
			throw new Error("no");
		};
		const pager = 'sleep 0.1; cat > "$PAGED"';
		await expect(runPaged(pager, failing)).rejects.toThrow("no");
		expect(readFileSync(join(dir, "paged"), "utf8")).toBe("before\n");
		expect(process.listenerCount("SIGINT")).toBe(listeners);
	});
});
