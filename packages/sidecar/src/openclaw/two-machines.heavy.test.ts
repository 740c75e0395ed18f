/**
 * Two machines of one user with a real OpenClaw. Needs OpenClaw (installed into `.cache/openclaw`
 * once: 650 MB). With CI=true its absence is an error.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { freePort } from "../../../testkit/free-port.ts";
import { type FakeModel, startFakeModel } from "../../../testkit/openclaw/fake-model.ts";
import { findOrInstallOpenClaw, OPENCLAW_ENV } from "../../../testkit/openclaw/openclaw.ts";

const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
if (openclaw.kind === "missing") {
	if (process.env.CI === "true") throw new Error(openclaw.reason);
	console.warn(`skipped: ${openclaw.reason}`);
}

/** On a busy machine, a start takes minutes. */
const TIMEOUT_MS = 15 * 60_000;

test.skipIf(openclaw.kind === "missing")(
	"a second machine, with another token and model key, repeats no start-up migration, and the agent's process is the gateway itself",
	{ timeout: TIMEOUT_MS },
	async () => {
		using place = new Place();
		const model = await startFakeModel();
		const first = await life(place, model);
		expect(await life(place, model)).toEqual(first);
		expect(model.messageCounts[1]).toBeGreaterThan(model.messageCounts[0] ?? 0);
		await model.close();
	},
);

/** @returns the record of the start-up migrations that the gateway did last */
async function life(place: Place, model: FakeModel): Promise<unknown> {
	// A new machine at the same path: the fingerprint of the configuration contains paths.
	rmSync(join(place.dir, "a"), { recursive: true, force: true });
	const port = await freePort();
	const { bin } = openclaw as Extract<typeof openclaw, { kind: "installed" }>;
	const gateway = [process.execPath, bin, "gateway", "run", "--port", `${port}`];
	const machine = place.start(
		"a",
		[
			...["run", "--profile", "openclaw", "--listen", "127.0.0.1:0"],
			...["--agent-url", `http://127.0.0.1:${port}`],
			...["--", ...gateway, "--bind", "loopback"],
		],
		{
			env: {
				...OPENCLAW_ENV,
				OPENCLAW_STATE_DIR: place.path("a"),
				OPENCLAW_MODEL_BASE_URL: model.url,
				OPENCLAW_MODEL_ID: model.id,
				OPENCLAW_MODEL_API_KEY: randomUUID(),
			},
		},
	);
	try {
		const { port: own } = await machine.waitForEvent("server.listening");
		const response = await fetch(`http://127.0.0.1:${own}/invocations`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: '{"prompt":"hello"}',
		});
		expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
		const { pid } = await machine.waitForEvent("agent.started");
		expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toMatch(/^openclaw-gateway\0*$/);
	} finally {
		expect((await machine.stop("SIGTERM")).status).toBe(0);
	}
	using state = new DatabaseSync(place.path("a", "state/openclaw.sqlite"), { readOnly: true });
	return state.prepare("SELECT * FROM schema_meta WHERE meta_key = 'startup-migrations'").get();
}
