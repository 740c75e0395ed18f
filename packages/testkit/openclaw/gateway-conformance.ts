/**
 * What `connectGateway` needs of a gateway, as one suite: for the fake one, and for OpenClaw's own.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
	connectGateway,
	type GatewayConnection,
	type GatewayEvent,
} from "../../sidecar/src/openclaw/gateway-client.ts";

export interface GatewayUnderTest {
	readonly url: string;
	readonly token: string;
	cleanup(): Promise<void>;
}

export function describeGateway(name: string, open: () => Promise<GatewayUnderTest>): void {
	describe(`${name} is a gateway`, () => {
		let gateway: GatewayUnderTest;
		let connection: GatewayConnection;
		beforeAll(async () => {
			gateway = await open();
			connection = await connectGateway(gateway);
		});
		afterAll(async () => {
			await connection?.close();
			await gateway?.cleanup();
		});

		test("that answers each of several calls at a time", async () => {
			const calls = Array.from({ length: 20 }, (_, i) =>
				connection.call(i % 2 === 0 ? "health" : `no.such.method-${i}`, {}),
			);
			const answers = await Promise.all(calls);
			for (const [i, answer] of answers.entries())
				expect(answer).toMatchObject(
					i % 2 === 0
						? { kind: "ok", payload: { ok: true } }
						: { kind: "refused", message: expect.stringContaining(`no.such.method-${i}`) },
				);
		});

		test("that refuses an unknown method and wrong parameters with a code", async () => {
			for (const [method, params] of [
				["no.such.method", {}],
				["chat.send", { sessionKey: "agent:main:openai-user:anna", message: 7 }],
			] as const)
				expect(await connection.call(method, params)).toEqual({
					kind: "refused",
					code: "INVALID_REQUEST",
					detail: undefined,
					message: expect.any(String),
					retryAfterMs: undefined,
				});
		});

		test("that answers a command with an event", async () => {
			const runId = randomUUID();
			const { promise, resolve } = Promise.withResolvers<GatewayEvent>();
			const unsubscribe = connection.events.subscribe((event) => {
				const { runId: id, state } = event.payload as Record<string, unknown>;
				if (event.name === "chat" && id === runId && state === "final") resolve(event);
			});
			const sessionKey = "agent:main:openai-user:anna";
			const asked = { sessionKey, message: "/whoami", idempotencyKey: runId };
			expect(await connection.call("chat.send", asked)).toMatchObject({
				kind: "ok",
				payload: { runId },
			});
			expect(await promise).toMatchObject({
				payload: { sessionKey, message: { content: [{ type: "text", text: expect.any(String) }] } },
			});
			unsubscribe();
		});

		test.each([
			["another token", "CANARY"],
			["no token", undefined],
		])("that refuses %s, which no error shows", async (_, token) => {
			const error = await connectGateway({ url: gateway.url, token }).catch((e: unknown) => e);
			expect(error).toMatchObject({
				code: "AGENT_UNREACHABLE",
				value: gateway.url,
				message: expect.not.stringContaining("CANARY"),
				remedy: expect.stringContaining("openclaw.json"),
			});
		});

		test("whose connection ends when it is closed, with the calls that wait for an answer", async () => {
			const other = await connectGateway(gateway);
			const call = other.call("health", {});
			const closed = { code: "AGENT_UNREACHABLE", message: expect.stringContaining("closed here") };
			await Promise.all([expect(call).rejects.toMatchObject(closed), other.close()]);
			await expect(other.call("health", {})).rejects.toMatchObject(closed);
			await other.close();
			expect(await connection.call("health", {})).toMatchObject({ kind: "ok" });
		});
	});
}
