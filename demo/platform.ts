/**
 * `pnpm demo:platform` simulates Amazon Bedrock AgentCore and prints a timeline with durations. It
 * uses OpenClaw itself if installed, otherwise a small agent with a memory. Everything happens
 * below one temporary directory and on the loopback interface.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import buildSidecar from "../packages/testkit/build-command.ts";
import { findOpenClaw } from "../packages/testkit/openclaw/openclaw.ts";
import { killEverything } from "../packages/testkit/processes.ts";
import { startOidcS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import { S3ServerUnavailable } from "../packages/testkit/store/s3-server.ts";
import { findIsolation } from "./machine.ts";
import { openClaw, smallAgent } from "./platform-agents.ts";
import { tellPlatformStory } from "./platform-story.ts";
import { Timeline } from "./timeline.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-platform-")));
// Running work is aborted; the processes are killed by id when this one ends.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.once("exit", () => {
	killEverything();
	rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

buildSidecar();
const found = await findOpenClaw();
const agent = found.kind === "installed" ? await openClaw(found) : smallAgent();
console.log(`agent     ${agent.name}`);
if (found.kind === "missing")
	console.log(`          ${found.reason}; \`pnpm demo --openclaw\` installs it`);
const isolation = findIsolation();
console.log(
	`machines  ${isolation.unshare === undefined ? `directories only: ${isolation.reason}` : "each with its own directory and host name"}\n`,
);
const timeline = new Timeline(console.log);
try {
	await using cloud = await startOidcS3Server();
	await tellPlatformStory({ root, isolation, cloud, agent, timeline });
} catch (error) {
	if (!(error instanceof S3ServerUnavailable)) throw error;
	console.error(`the platform cannot be simulated here: ${error.message}`);
	process.exit(2);
}
await agent.close();
console.log(
	timeline.failures.length > 0
		? `\nFAILED\n${timeline.failures.join("\n")}`
		: "\neverything as expected",
);
process.exit(timeline.failures.length > 0 ? 1 : 0);
