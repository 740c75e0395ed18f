import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeGatewayServer } from "../../../testkit/openclaw/fake-gateway-server.ts";
import { askToStop, type InterruptedTurns } from "./stop-gateway.ts";

const TARGET = { pid: 4711, ownerId: "owner", port: 18789 };

let gateway: FakeGatewayServer;
let workspace: string;
beforeEach(async () => {
	gateway = await FakeGatewayServer.start();
	gateway.methods.set("gateway.restart.request", () => ({ payload: { ok: true } }));
	workspace = mkdtempSync(join(tmpdir(), "stop-gateway-"));
	mkdirSync(join(workspace, "tmp/openclaw-7"), { recursive: true });
	writeFileSync(lockFile(), JSON.stringify({ ...TARGET, createdAt: "2026-11-30T05:38:19.979Z" }));
});
afterEach(async () => {
	rmSync(workspace, { recursive: true });
	await gateway[Symbol.asyncDispose]();
});

const lockFile = () => join(workspace, "tmp/openclaw-7/gateway.state.lock");

async function stop(policy: InterruptedTurns, turnMs = 3_000): Promise<void> {
	const { url, token } = gateway;
	const { signal } = new AbortController();
	await askToStop({ url, token, workspace, uid: 7, policy, turnMs, signal });
}

const calls = () => gateway.calls.filter(({ method }) => method !== "connect");

/** Whole, and less than the time that was given: asking takes some of it. */
const isLeftOf3s = (ms: number) => Number.isInteger(ms) && ms > 0 && ms <= 3_000;

describe("asking the gateway to stop", () => {
	test("names the running process and the time that a turn may take", async () => {
		await stop("resume", 3_000.7);
		expect(calls()).toEqual([
			{
				method: "gateway.restart.request",
				params: {
					reason: "the machine ends",
					target: TARGET,
					restartIntent: { force: true, drainBudgetMs: expect.toSatisfy(isLeftOf3s) },
				},
			},
		]);
		await expect.poll(() => gateway.connections).toBe(0);
	});

	test("with the policy `end` aborts the turns that are left, and only those", async () => {
		const answers = [["a", "b"], ["b"], ["b"]].map((keys) => keys.map((key) => ({ key })));
		gateway.methods.set("sessions.list", () => ({
			payload: { sessions: answers.shift() ?? [{ key: "b" }] },
		}));
		gateway.methods.set("sessions.abort", () => ({ payload: {} }));
		await stop("end", 300);
		const last = calls().slice(-2);
		expect(last).toMatchObject([
			{ method: "sessions.abort", params: { key: "b", clearQueued: true } },
			{ method: "gateway.restart.request", params: { restartIntent: { drainBudgetMs: 0 } } },
		]);
	});

	test("with the policy `end` does not wait if no turn runs", async () => {
		gateway.methods.set("sessions.list", () => ({ payload: { sessions: [] } }));
		await stop("end", 60_000);
		expect(calls().map(({ method }) => method)).toEqual([
			"sessions.list",
			"gateway.restart.request",
		]);
	});

	test.each([
		["missing", undefined],
		["not JSON", "{"],
	])("rejects if the lock file is %s", async (_, text) => {
		rmSync(lockFile());
		if (text !== undefined) writeFileSync(lockFile(), text);
		await expect(stop("resume")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
	});

	test("rejects if the gateway refuses", async () => {
		gateway.methods.set("gateway.restart.request", () => ({
			error: { code: "UNAVAILABLE", message: "another restart runs" },
		}));
		await expect(stop("resume")).rejects.toMatchObject({
			code: "AGENT_UNREACHABLE",
			message: expect.stringContaining("another restart runs"),
		});
	});
});
