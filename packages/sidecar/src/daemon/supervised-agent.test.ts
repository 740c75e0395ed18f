import { expect, test } from "vitest";
import { SidecarError } from "../errors.ts";
import { recordingLogger } from "../telemetry/logger.ts";
import type { Agent, AgentExit } from "./agent.ts";
import { superviseAgent } from "./supervised-agent.ts";

/** Agents that end when they are told to, each a separate "process". */
function agents() {
	const started: { end: (status: number) => void; readonly killed: (NodeJS.Signals | 0)[] }[] = [];
	const failures: Error[] = [];
	const start = async (): Promise<Agent> => {
		const failure = failures.shift();
		if (failure !== undefined) throw failure;
		const { promise: exited, resolve } = Promise.withResolvers<AgentExit>();
		const killed: (NodeJS.Signals | 0)[] = [];
		let exit: AgentExit | undefined;
		const end = (status: number) => {
			exit = { status, signal: undefined };
			resolve(exit);
		};
		started.push({ end, killed });
		return {
			pid: started.length,
			exited,
			get exit() {
				return exit;
			},
			kill: (signal) => void killed.push(signal),
			pass: () => {},
		};
	};
	return { started, failures, start };
}

const atOnce = () => 0;

test("restarts an agent that ends on its own, with growing delays, and does not end with it", async () => {
	const { started, start, failures } = agents();
	const logger = recordingLogger();
	const delays: number[] = [];
	const agent = await superviseAgent(start, logger, (crashes) => {
		delays.push(crashes);
		return 0;
	});
	started[0]?.end(1);
	await expect.poll(() => agent.pid).toBe(2);
	failures.push(new SidecarError("AGENT_NOT_STARTED"));
	started[1]?.end(137);
	await expect.poll(() => agent.pid).toBe(3);
	expect(delays).toEqual([1, 2, 3]);
	expect(agent.exit).toBeUndefined();
	expect(logger.events.map(({ event }) => event)).toEqual([
		"agent.crashed",
		"agent.restarted",
		"agent.crashed",
		"agent.not-restarted",
		"agent.crashed",
		"agent.restarted",
	]);
});

test("says what to do if the agent refuses its data, as OpenClaw does after a step back", async () => {
	const { started, start } = agents();
	const logger = recordingLogger();
	const agent = await superviseAgent(start, logger, atOnce);
	started[0]?.end(1);
	await expect.poll(() => agent.pid).toBe(2);
	started[1]?.end(78);
	await expect.poll(() => agent.pid).toBe(3);
	const [crash, refusal] = logger.events.filter(({ event }) => event === "agent.crashed");
	expect(crash?.fields).not.toHaveProperty("remedy");
	expect(refusal?.fields.remedy).toContain("rollback --to");
});

test("does not restart an agent that was told to end", async () => {
	const { started, start } = agents();
	const agent = await superviseAgent(start, recordingLogger(), atOnce);
	agent.kill("SIGTERM");
	expect(started[0]?.killed).toEqual(["SIGTERM"]);
	expect(agent.exit).toBeUndefined();
	started[0]?.end(0);
	expect(await agent.exited).toEqual({ status: 0, signal: undefined });
	expect(agent.exit).toEqual({ status: 0, signal: undefined });
	expect(started).toHaveLength(1);
});

test("ends at once if told to end between two starts", async () => {
	const { started, start } = agents();
	const logger = recordingLogger();
	const agent = await superviseAgent(start, logger, () => 3_600_000);
	started[0]?.end(7);
	await expect.poll(() => logger.events.length).toBe(1);
	agent.kill("SIGTERM");
	expect(agent.exit).toEqual({ status: 7, signal: undefined });
	expect((await agent.exited).status).toBe(7);
	expect(started).toHaveLength(1);
});

test("fails if the agent cannot be started at all", async () => {
	const { failures, start } = agents();
	failures.push(new SidecarError("AGENT_NOT_STARTED", { value: "agent" }));
	await expect(superviseAgent(start, recordingLogger(), atOnce)).rejects.toMatchObject({
		code: "AGENT_NOT_STARTED",
	});
});
