import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { flush, run } from "../index.ts";
import type { PutOutcome } from "../store/port.ts";
import { recordingLogger } from "../telemetry/logger.ts";

/** Answers no PUT of a commit after `answers` were given. */
class Silent extends FaultyStore {
	answers = Number.POSITIVE_INFINITY;

	override async putIfAbsent(key: string, body: Buffer): Promise<PutOutcome> {
		if (key.includes("/log/") && this.answers-- <= 0)
			return { kind: "unknown", cause: new Error("no answer") };
		return await super.putIfAbsent(key, body);
	}
}

it("a flush whose commit stays undecided is not durable, exit status 3, with a daemon and without one", async () => {
	const dir = mkdtempSync(join(tmpdir(), "undecided-"));
	try {
		const store = new Silent(new AgingStore());
		const workspace = join(dir, "ws");
		mkdirSync(workspace);
		const options = {
			store,
			workspace,
			stateDir: join(dir, "state"),
			profile: "plain",
			handoverWaitMs: 0,
		} as const;
		const expected = {
			code: "NOT_DURABLE",
			exitStatus: 3,
			message: expect.stringContaining("no answer"),
		};
		writeFileSync(join(workspace, "f"), "one");
		// The fence.
		store.answers = 1;
		await expect(flush(options)).rejects.toMatchObject(expected);
		store.answers = Number.POSITIVE_INFINITY;

		const stop = new AbortController();
		const logger = recordingLogger();
		const running = run({ ...options, logger, signal: stop.signal });
		while (!logger.events.some(({ event }) => event === "watch.started"))
			await new Promise(setImmediate);
		expect(await flush(options)).toMatchObject({ by: "daemon", exitStatus: 0 });
		store.answers = 0;
		writeFileSync(join(workspace, "f"), "two");
		await expect(flush(options)).rejects.toMatchObject(expected);
		store.answers = Number.POSITIVE_INFINITY;
		stop.abort();
		expect(await running).toMatchObject({ isDurable: true, exitStatus: 0 });
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
});
