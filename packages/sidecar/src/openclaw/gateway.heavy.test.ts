/**
 * The gateway's client with the real OpenClaw and a fake model.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB). With CI=true its absence is an
 * error.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeGateway } from "../../../testkit/openclaw/gateway-conformance.ts";
import {
	findOrInstallOpenClaw,
	openClawAgent,
	removePartialInstall,
} from "../../../testkit/openclaw/openclaw.ts";
import { killEverything, Running } from "../../../testkit/processes.ts";

const found = await findOrInstallOpenClaw((text) => console.warn(text));
if (found.kind === "missing") {
	if (process.env.CI === "true") throw new Error(`OpenClaw cannot run here: ${found.reason}`);
	console.warn(`skipped: OpenClaw cannot run here: ${found.reason}`);
}

const home = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-gateway-")));
afterAll(() => {
	killEverything();
	removePartialInstall();
	rmSync(home, { recursive: true, force: true, maxRetries: 10 });
});

if (found.kind === "installed")
	describeGateway(found.version, async () => {
		const agent = await openClawAgent(found);
		await agent.prepare(join(home, ".openclaw"));
		const env = { PATH: process.env.PATH ?? "", HOME: home, ...agent.env };
		const gateway = new Running("openclaw", agent.command(join(home, ".openclaw")), env);
		await agent.ready(gateway);
		return {
			url: agent.url,
			token: agent.token,
			cleanup: async () => {
				gateway.signal("SIGTERM");
				await gateway.exited;
				await agent.close();
			},
		};
	});
