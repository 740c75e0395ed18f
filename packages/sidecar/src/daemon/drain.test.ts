import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import type { Session } from "../session/session.ts";
import type { ObjectStore, PutOutcome } from "../store/port.ts";
import type { Agent, AgentExit } from "./agent.ts";
import { type Drained, drain } from "./drain.ts";

/** Far beyond any budget here: a run that takes this long hangs. */
const HANGS_MS = 10_000;

async function drained(
	bench: Workbench,
	session: Session,
	timeoutMs: number,
	idle: Promise<unknown> = Promise.resolve(),
): Promise<Drained | "hangs"> {
	const end = drain({
		session,
		agent: undefined,
		timeoutMs,
		logger: bench.logger,
		idle,
		stopWatching: async () => {},
	});
	const stop = new AbortController();
	try {
		return await Promise.race([end, delay(HANGS_MS, "hangs" as const, { signal: stop.signal })]);
	} finally {
		stop.abort();
	}
}

/** Stops answering PUTs when told to; gives one up when its caller does. */
class Silent extends FaultyStore {
	isSilent = false;
	silentPuts = 0;

	override async putIfAbsent(
		...[key, body, options]: Parameters<ObjectStore["putIfAbsent"]>
	): Promise<PutOutcome> {
		if (!this.isSilent) return await super.putIfAbsent(key, body);
		this.silentPuts++;
		const { signal } = options ?? {};
		return await new Promise((resolve) => {
			const giveUp = () => resolve({ kind: "unknown", cause: signal?.reason });
			if (signal?.aborted) giveUp();
			else signal?.addEventListener("abort", giveUp, { once: true });
		});
	}
}

describe("a drain", () => {
	it("is durable if it keeps its budget", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "f"), "1");
		expect(await drained(bench, session, 20_000)).toMatchObject({ isDurable: true, lost: [] });
		expect((await readLog(bench.store)).head.tree.has("f")).toBe(true);
	});

	it("reports that a deferred deletion is not durable, and that nothing is lost", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		for (let index = 0; index < 20; index++)
			writeFileSync(join(bench.workspace("a"), `f${index}`), "1");
		await session.flush({ sweep: true });
		for (let index = 0; index < 20; index++) rmSync(join(bench.workspace("a"), `f${index}`));
		expect(await drained(bench, session, 20_000)).toMatchObject({
			isDurable: false,
			exitStatus: 3,
			lost: [],
			deferredDeletions: 20,
		});
		expect((await readLog(bench.store)).head.tree.has("f0")).toBe(true);
	});

	it("leaves time for the last capture, however long the captures beside a running agent take", async () => {
		await using bench = await workbench();
		const store = new Silent(bench.store);
		const session = await bench.open("a", { store });
		writeFileSync(join(bench.workspace("a"), "f"), "1");
		store.isSilent = true;
		const { promise: exited, resolve } = Promise.withResolvers<AgentExit>();
		let exit: AgentExit | undefined;
		const agent: Agent = {
			pid: 1,
			exited,
			get exit() {
				return exit;
			},
			kill: (signal) => {
				if (signal !== "SIGKILL") return;
				store.isSilent = false;
				exit = { status: 137, signal };
				resolve(exit);
			},
			pass: () => {},
		};
		const idle = Promise.resolve();
		const drained = await drain({
			session,
			agent,
			timeoutMs: 4_000,
			logger: bench.logger,
			idle,
			stopWatching: async () => {},
		});
		expect(drained).toMatchObject({ isDurable: true, lost: [] });
		expect(store.silentPuts).toBeGreaterThan(0);
		expect((await readLog(bench.store)).head).toMatchObject({ isClosed: true });
	});

	it.each([
		["accepts", undefined, [0]],
		["refuses", new Error("no"), [0, "SIGTERM"]],
	])(
		"asks an agent to stop instead of sending a signal, and it %s",
		async (_, refusal, signals) => {
			await using bench = await workbench();
			const { promise: exited, resolve } = Promise.withResolvers<AgentExit>();
			const sent: (NodeJS.Signals | 0)[] = [];
			let exit: AgentExit | undefined;
			const end = () => {
				exit = { status: 0, signal: undefined };
				resolve(exit);
			};
			const agent: Agent = {
				pid: 1,
				exited,
				get exit() {
					return exit;
				},
				kill: (signal) => {
					sent.push(signal);
					if (signal !== 0) end();
				},
				pass: () => {},
			};
			const asked: number[] = [];
			await drain({
				session: await bench.open("a"),
				agent,
				askToStop: async ({ turnMs }) => {
					asked.push(turnMs);
					if (refusal !== undefined) throw refusal;
					end();
				},
				timeoutMs: 20_000,
				logger: bench.logger,
				idle: Promise.resolve(),
				stopWatching: async () => {},
			});
			expect(sent).toEqual(signals);
			// Three quarters of the budget, less what the agent needs to end.
			expect(asked).toEqual([12_500]);
		},
	);

	// @id drain-budget-silent-store
	it("ends within its budget if the store answers no PUT, and reports that nothing is durable", async () => {
		await using bench = await workbench();
		const store = new Silent(bench.store);
		const session = await bench.open("a", { store });
		writeFileSync(join(bench.workspace("a"), "f"), "1");
		store.isSilent = true;
		expect(await drained(bench, session, 300)).toMatchObject({
			isDurable: false,
			lost: [{ reason: expect.any(String) }],
		});
		expect(store.silentPuts).toBeGreaterThan(0);
	});

	it("ends within its budget if a commit was undecided before it began", async () => {
		await using bench = await workbench();
		const store = new Silent(bench.store);
		const session = await bench.open("a", { store });
		writeFileSync(join(bench.workspace("a"), "f"), "1");
		store.queue("lost-request", "lost-request", "lost-request");
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "unknown" });
		store.isSilent = true;
		expect(await drained(bench, session, 300)).toMatchObject({ isDurable: false });
	});

	// @id drain-budget-running-flush
	it("ends within its budget if the flush before it does not", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		expect(await drained(bench, session, 300, new Promise(() => {}))).toMatchObject({
			isDurable: false,
		});
	});

	it("is not durable while a file waits for the deletion of the directory that it replaced", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		const session = await bench.open("a");
		mkdirSync(join(root, "d"));
		for (let index = 0; index < 12; index++) writeFileSync(join(root, "d", `f${index}`), "x");
		await session.flush({ sweep: true });
		renameSync(join(root, "d"), join(bench.dir, "away"));
		writeFileSync(join(root, "d"), "new bytes");
		expect(await drained(bench, session, 20_000)).toMatchObject({
			isDurable: false,
			lost: [{ path: "d" }],
		});
		const { tree } = (await readLog(bench.store)).head;
		expect(tree.get("d")?.type).toBe("dir");
		expect(tree.has("d/f0")).toBe(true);
	});
});
