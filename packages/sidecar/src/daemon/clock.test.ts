/** Wall clocks are set back and forth by days. Durable data and timers must not depend on them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { plainProfile, workbench } from "../../../testkit/workbench.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { history } from "../history/history.ts";
import { logKey } from "../log/keys.ts";
import { Roots } from "../path.ts";
import { noProgress } from "../telemetry/progress.ts";
import type { EventName, LogFields, Logger } from "../telemetry/types.ts";
import { runDaemon } from "./daemon.ts";

const DAY_MS = 86_400_000;

/** A log whose next event of a given name can be awaited. */
function awaitableLog(): Logger & { readonly next: (event: EventName) => Promise<LogFields> } {
	const waiting = new Map<EventName, (fields: LogFields) => void>();
	const say = (event: EventName, fields: LogFields = {}) => {
		waiting.get(event)?.(fields);
		waiting.delete(event);
	};
	const logger = { error: say, warn: say, info: say, debug: say, child: () => logger };
	return { ...logger, next: (event) => new Promise((resolve) => waiting.set(event, resolve)) };
}

// @id clock-jumps
it("a daemon commits, retries and drains through jumps of the wall clock, and history uses the store's", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	let offMs = 0;
	const environment = { ...thisEnvironment, wallMs: () => Date.now() + offMs };
	const logger = awaitableLog();
	const stop = new AbortController();
	const watching = logger.next("watch.started");
	const end = runDaemon(
		{
			store,
			root: new Roots(bench.workspace("a")),
			profile: plainProfile,
			privateDir: bench.privateDir("a"),
			stateDir: join(bench.dir, "state"),
			logger,
			progress: noProgress,
			environment,
			handoverWaitMs: 5_000,
			quietMs: 5,
			maxDelayMs: 50,
			sweepIntervalMs: 60_000,
			drainTimeoutMs: 8_000,
			command: [],
			env: {},
			logAgentOutput: false,
			agentToStderr: false,
		},
		stop.signal,
	);
	await watching;
	let seq = 0;
	for (const [index, jumpMs] of [0, -10 * DAY_MS, 30 * DAY_MS, -20 * DAY_MS].entries()) {
		offMs += jumpMs;
		const committed = logger.next("flush.committed");
		writeFileSync(join(bench.workspace("a"), `f${index}`), "x");
		expect((await committed).seq).toBeGreaterThan(seq);
		seq = Number((await committed).seq);
	}

	// Undecided when the clock is set back: the retry still happens, with the same bytes.
	store.queue("lost-request", "lost-request", "lost-request");
	const [undecided, committed] = [logger.next("flush.undecided"), logger.next("flush.committed")];
	writeFileSync(join(bench.workspace("a"), "undecided"), "x");
	await undecided;
	offMs -= 100 * DAY_MS;
	seq = Number((await committed).seq);
	expect(
		new Set(
			store.sent.filter(({ key }) => key === logKey(seq)).map(({ body }) => body.toString("hex")),
		).size,
	).toBe(1);

	offMs += 200 * DAY_MS;
	stop.abort();
	expect(await end).toMatchObject({ isDurable: true, superseded: false, exitStatus: 0 });
	expect((await readLog(bench.store)).head.tree.size).toBe(6);
	const times: number[] = [];
	for await (const { timeMs } of history(bench.store)) times.push(timeMs);
	expect(times).toEqual([...times].sort((a, b) => b - a));
	for (const timeMs of times) expect(Math.abs(timeMs - Date.now())).toBeLessThan(DAY_MS);
});
