import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { Roots } from "../path.ts";
import { noProgress } from "../telemetry/progress.ts";
import { type DaemonEnd, runDaemon, type Serving } from "./daemon.ts";
import { Lifecycle, type Phase } from "./lifecycle.ts";

interface Served {
	readonly serving: Serving;
	readonly stop: () => Promise<DaemonEnd>;
	/** Resolves when the daemon reports that it was superseded. */
	readonly superseded: Promise<void>;
}

async function serve(bench: Workbench, store: FaultyStore, lifecycle?: Lifecycle): Promise<Served> {
	const stop = new AbortController();
	const { promise: begun, resolve } = Promise.withResolvers<Serving>();
	const { promise: superseded, resolve: onSuperseded } = Promise.withResolvers<void>();
	const ended = runDaemon(
		{
			store,
			root: new Roots(bench.workspace("a")),
			profile: plainProfile,
			privateDir: bench.privateDir("a"),
			logger: bench.logger,
			progress: noProgress,
			handoverWaitMs: 0,
			stateDir: join(bench.dir, "state"),
			sweepIntervalMs: 3_600_000,
			drainTimeoutMs: 20_000,
			quietMs: 0,
			maxDelayMs: 0,
			command: [],
			env: {},
			logAgentOutput: false,
			agentToStderr: true,
			...(lifecycle && { lifecycle }),
			onServing: resolve,
			onSuperseded,
		},
		stop.signal,
	);
	const serving = await Promise.race([
		begun,
		ended.then(() => Promise.reject(new Error("it ended"))),
	]);
	return {
		serving,
		superseded,
		stop: async () => {
			stop.abort();
			return await ended;
		},
	};
}

test("a change is not durable from when it is seen until the store has it, also during its upload", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const { serving, stop } = await serve(bench, store);
	await expect.poll(() => serving.notDurableForMs()).toBeUndefined();

	const { promise: taken, resolve: take } = Promise.withResolvers<void>();
	const { promise: sent, resolve: onSent } = Promise.withResolvers<void>();
	store.beforePut = async () => {
		onSent();
		await taken;
	};
	writeFileSync(join(bench.workspace("a"), "f"), "1");
	await sent;
	const before = serving.notDurableForMs();
	expect(before).toEqual(expect.any(Number));
	await expect.poll(() => serving.notDurableForMs()).toBeGreaterThan(before as number);
	take();
	await expect.poll(() => serving.notDurableForMs()).toBeUndefined();
	expect((await stop()).isDurable).toBe(true);
});

test("rescans the workspace at once when told that its machine woke", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const { serving, stop } = await serve(bench, store);
	await expect.poll(() => serving.notDurableForMs()).toBeUndefined();
	const flushes = () =>
		bench.logger.events.filter(
			({ event }) => event === "flush.committed" || event === "flush.nothing",
		).length;
	const before = flushes();
	serving.wake();
	expect(serving.notDurableForMs()).toEqual(expect.any(Number));
	await expect.poll(() => flushes()).toBeGreaterThan(before);
	await expect.poll(() => serving.notDurableForMs()).toBeUndefined();
	await stop();
});

test("serves as soon as it runs, and is gone at its end", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const { serving, stop } = await serve(bench, store);
	await expect.poll(() => serving.notDurableForMs()).toBeUndefined();
	expect(serving.status().phase).toBe("serving");
	const phases = new Set<Phase>();
	store.beforePut = async () => void phases.add(serving.status().phase);
	await stop();
	expect([...phases]).toEqual(["draining"]);
	expect(serving.status().phase).toBe("gone");
});

// @id machine-moves-lifecycle
test("leaves a machine's lifecycle to the machine, and commits before the machine serves", async () => {
	await using bench = await workbench();
	const lifecycle = new Lifecycle();
	lifecycle.move("request");
	const { serving, stop } = await serve(bench, new FaultyStore(bench.store), lifecycle);
	await expect.poll(() => serving.notDurableForMs()).toBeUndefined();
	writeFileSync(join(bench.workspace("a"), "early"), "1");
	await expect
		.poll(() => bench.logger.events)
		.toContainEqual(expect.objectContaining({ event: "flush.committed" }));
	expect(serving.status().phase).toBe("restoring");
	expect((await stop()).isDurable).toBe(true);
	expect(serving.status().phase).toBe("restoring");
});

test("reports once that another writer owns the workspace", async () => {
	await using bench = await workbench();
	const { stop, superseded } = await serve(bench, new FaultyStore(bench.store));
	await bench.open("b");
	writeFileSync(join(bench.workspace("a"), "late"), "1");
	await superseded;
	expect(await stop()).toMatchObject({ superseded: true, exitStatus: 4 });
});
