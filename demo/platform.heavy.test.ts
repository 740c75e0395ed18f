/**
 * The platform's story with a real OpenClaw: three machines, each with its own gateway, take turns
 * through `/invocations`. The next machine's model gets what was said on the previous one, also if
 * the restored configuration has its own gateway token.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB), `unshare` and the S3 test server.
 * With CI=true their absence is an error.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import buildSidecar from "../packages/testkit/build-command.ts";
import {
	findOrInstallOpenClaw,
	removePartialInstall,
} from "../packages/testkit/openclaw/openclaw.ts";
import { killEverything } from "../packages/testkit/processes.ts";
import { startOidcS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import { s3TestServer } from "../packages/testkit/store/s3-server.ts";
import { findIsolation } from "./machine.ts";
import { openClaw } from "./platform-agents.ts";
import { tellPlatformStory } from "./platform-story.ts";
import { Timeline } from "./timeline.ts";

const isolation = findIsolation();
const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
const missing = [
	isolation.unshare === undefined ? isolation.reason : undefined,
	openclaw.kind === "missing" ? openclaw.reason : undefined,
	s3TestServer() === undefined
		? "there is no S3 server, which the line above says how to get"
		: undefined,
].find((reason) => reason !== undefined);
if (missing !== undefined) {
	if (process.env.CI === "true")
		throw new Error(`the platform cannot be simulated here: ${missing}`);
	console.warn(`skipped: the platform cannot be simulated here: ${missing}`);
}

const root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-platform-")));
afterAll(() => {
	killEverything();
	removePartialInstall();
	rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

test.skipIf(missing !== undefined)(
	"a conversation continues from machine to machine, and no other user sees it",
	async () => {
		buildSidecar();
		const agent = await openClaw(openclaw as Extract<typeof openclaw, { kind: "installed" }>);
		await using cloud = await startOidcS3Server();
		const lines: string[] = [`The platform, with ${agent.name}`];
		const timeline = new Timeline((line) => lines.push(line));
		try {
			await tellPlatformStory({ root, isolation, cloud, agent, timeline });
		} finally {
			console.log(lines.join("\n"));
			await agent.close();
		}
		expect(timeline.failures).toEqual([]);
	},
);
