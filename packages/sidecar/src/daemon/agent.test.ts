import { describe, expect, it } from "vitest";
import { silentLogger } from "../telemetry/logger.ts";
import { type AgentUser, startAgent } from "./agent.ts";

const env = { PATH: process.env.PATH ?? "" };
const start = async (command: readonly string[], user?: AgentUser) =>
	await startAgent({ command, env, toStderr: true, user, logger: silentLogger });

describe("startAgent", () => {
	it("reports the status that a shell would report", async () => {
		const ended = await start(["sh", "-c", "exit 7"]);
		expect(await ended.exited).toEqual({ status: 7, signal: undefined });
		const killed = await start(["sleep", "600"]);
		killed.kill("SIGTERM");
		expect(await killed.exited).toEqual({ status: 143, signal: "SIGTERM" });
	});

	it("fails if a command cannot be started", async () => {
		await expect(start(["/no/such/agent"])).rejects.toMatchObject({
			code: "AGENT_NOT_STARTED",
			value: "/no/such/agent",
		});
	});
});
