/**
 * Ten thousand storms (12 minutes of processor time; in CI a quarter of them), in two processes.
 * `SEEDS` sets the number, `FIRST_SEED` the first seed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const SEEDS = Number(process.env.SEEDS ?? (process.env.CI === "true" ? 2_500 : 10_000));
const FIRST = Number(process.env.FIRST_SEED ?? process.env.FC_SEED ?? 1);
const PROCESSES = 2;
const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

it(`${SEEDS} storms break no invariant of the log`, async () => {
	const share = Math.ceil(SEEDS / PROCESSES);
	const runs = Array.from({ length: PROCESSES }, async (_, index) => {
		const child = spawn(
			process.execPath,
			["--max-semi-space-size=32", MAIN, String(FIRST + index * share), String(share)],
			{
				stdio: ["ignore", "pipe", "inherit"],
			},
		);
		const [said, [status]] = await Promise.all([text(child.stdout), once(child, "exit")]);
		console.log(said);
		return { status, failed: said.split("\n").filter((line) => line.startsWith("seed ")) };
	});
	for (const { status, failed } of await Promise.all(runs)) {
		expect(failed).toEqual([]);
		expect(status).toBe(0);
	}
});
