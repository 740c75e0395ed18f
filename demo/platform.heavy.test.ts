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
import { removePartialInstall } from "../packages/testkit/openclaw/openclaw.ts";
import { killEverything } from "../packages/testkit/processes.ts";
import { startOidcS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import { openClaw } from "./platform-agents.ts";
import { tellPlatformStory } from "./platform-story.ts";
import { findPrerequisites, type Prerequisites } from "./prerequisites.ts";
import { Timeline } from "./timeline.ts";

const found = await findPrerequisites("the platform");

const root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-platform-")));
afterAll(() => {
	killEverything();
	removePartialInstall();
	rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

test.skipIf(found === undefined)(
	"a conversation continues from machine to machine, and no other user sees it",
	async () => {
		buildSidecar();
		const { openclaw, isolation } = found as Prerequisites;
		const agent = await openClaw(openclaw);
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
