import { describe, expect, it } from "vitest";
import { agentEnvironment, startAgent } from "./agent.ts";

describe("the agent's environment", () => {
	it("has nothing that configures the sidecar or proves who it is", () => {
		const env = agentEnvironment({
			PATH: "/bin",
			AWS_REGION: "eu-central-1",
			AWS_ACCESS_KEY_ID: "canary",
			AWS_SECRET_ACCESS_KEY: "canary",
			AWS_SESSION_TOKEN: "canary",
			AWS_WEB_IDENTITY_TOKEN_FILE: "canary",
			AWS_CONTAINER_CREDENTIALS_FULL_URI: "canary",
			OPENCLAW_SIDECAR_STORE: "canary",
			OPENCLAW_HOME: "/home/openclaw",
		});
		expect(env).toEqual({ PATH: "/bin", AWS_REGION: "eu-central-1", OPENCLAW_HOME: "/home/openclaw" });
	});
});

describe("startAgent", () => {
	it("gives the status a shell would give", async () => {
		const ended = await startAgent(["sh", "-c", "exit 7"], process.env, true);
		expect(await ended.exited).toEqual({ status: 7, signal: undefined });
		const killed = await startAgent(["sleep", "600"], process.env, true);
		killed.kill("SIGTERM");
		expect(await killed.exited).toEqual({ status: 143, signal: "SIGTERM" });
	});

	it("says that a command cannot be started", async () => {
		await expect(startAgent(["/no/such/agent"], process.env, true)).rejects.toMatchObject({
			code: "AGENT_NOT_STARTED",
			value: "/no/such/agent",
		});
	});
});
