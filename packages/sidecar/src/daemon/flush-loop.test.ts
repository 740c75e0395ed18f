import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { FlushLoop } from "./flush-loop.ts";

/** A loop whose flushes come only when they are asked for. */
async function flushLoop() {
	const bench = await workbench();
	const cadence = { quietMs: 3_600_000, maxDelayMs: 3_600_000 };
	let rounds = 0;
	const session = await bench.open("a");
	const flushes = new FlushLoop(session, { ...cadence, logger: bench.logger }, () => rounds++);
	return {
		flushes,
		write: (name: string) => writeFileSync(join(bench.workspace("a"), name), "x"),
		rounds: () => rounds,
		[Symbol.asyncDispose]: async () => {
			flushes.close();
			await bench[Symbol.asyncDispose]();
		},
	};
}

test("work runs alone between two flushes, and its failure is its caller's only", async () => {
	await using loop = await flushLoop();
	const { flushes, write } = loop;
	const { promise: released, resolve: release } = Promise.withResolvers<void>();
	const order: string[] = [];
	const failed = flushes.alone(async () => {
		await released;
		order.push("work");
		throw new Error("of the work");
	});
	write("f");
	const flushed = flushes.flush(true).finally(() => order.push("flush"));
	release();
	await expect(failed).rejects.toThrow("of the work");
	expect(await flushed).toMatchObject({ kind: "committed", changed: expect.any(Number) });
	expect([order, loop.rounds()]).toEqual([["work", "flush"], 1]);
});

test("a change ends the work of an idle moment", async () => {
	await using loop = await flushLoop();
	const { flushes } = loop;
	const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
	const ended = flushes.whileUnchanged(async (signal) => {
		begin();
		await once(signal, "abort");
		return flushes.unchangedForMs;
	});
	await begun;
	expect(flushes.unchangedForMs).toBeGreaterThan(0);
	flushes.changed();
	expect(await ended).toBe(0);
});

test("a closed loop flushes nothing", async () => {
	await using loop = await flushLoop();
	const { flushes, write } = loop;
	write("f");
	flushes.close();
	expect(await flushes.flush(true)).toBeUndefined();
	expect([loop.rounds(), flushes.lastError]).toEqual([0, undefined]);
});
