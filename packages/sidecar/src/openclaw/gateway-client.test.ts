import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../../../testkit/free-port.ts";
import { FakeGatewayServer } from "../../../testkit/openclaw/fake-gateway-server.ts";
import { describeGateway } from "../../../testkit/openclaw/gateway-conformance.ts";
import { FakeAgent } from "../../../testkit/platform/fake-agent.ts";
import { connectGateway } from "./gateway-client.ts";

describeGateway("the fake gateway", async () => {
	const gateway = await FakeGatewayServer.start();
	const { url, token } = gateway;
	return { url, token, cleanup: async () => await gateway[Symbol.asyncDispose]() };
});

describe("a connection to the gateway", () => {
	let gateway: FakeGatewayServer;
	beforeEach(async () => {
		gateway = await FakeGatewayServer.start();
	});
	afterEach(async () => await gateway[Symbol.asyncDispose]());

	const unreachable = (reason: string) => ({
		code: "AGENT_UNREACHABLE",
		message: expect.stringContaining(reason),
	});
	/** A method that never answers; resolves when it was called. */
	function silent(method: string): Promise<void> {
		const { promise, resolve } = Promise.withResolvers<void>();
		gateway.methods.set(method, async () => {
			resolve();
			return await new Promise(() => {});
		});
		return promise;
	}

	test("rejects the calls that wait when the gateway's process ends", async () => {
		const asked = silent("slow");
		const connection = await connectGateway(gateway);
		const call = connection.call("slow", {});
		await asked;
		gateway.dropConnections();
		await expect(call).rejects.toMatchObject(unreachable("the connection ended (1006)"));
		expect(connection.ended.reason).toMatchObject(unreachable("1006"));
		await expect(connection.call("health", {})).rejects.toMatchObject(unreachable("1006"));
	});

	test("gives up a call after its time, and lives on", async () => {
		const asked = silent("slow");
		const connection = await connectGateway(gateway);
		const late = unreachable("no answer to slow for 30 ms");
		await expect(connection.call("slow", {}, { timeoutMs: 30 })).rejects.toMatchObject(late);
		await asked;
		expect(await connection.call("health", {})).toMatchObject({ kind: "ok" });
		await connection.close();
		await expect.poll(() => gateway.connections).toBe(0);
	});

	test("ends with its signal, with the calls that wait", async () => {
		const asked = silent("slow");
		const stop = new AbortController();
		const connection = await connectGateway({ ...gateway, signal: stop.signal });
		const call = connection.call("slow", {});
		await asked;
		stop.abort(new Error("the end"));
		await expect(call).rejects.toThrow("the end");
		await expect.poll(() => gateway.connections).toBe(0);
		await expect(connectGateway({ ...gateway, signal: stop.signal })).rejects.toThrow("the end");
	});

	test("ends instead of the process if a listener cannot understand an event", async () => {
		gateway.methods.set("health", ({ emit }) => {
			emit("chat", { content: [null] });
			return { payload: { ok: true } };
		});
		const connection = await connectGateway(gateway);
		connection.events.subscribe(() => {
			throw new TypeError("not understood");
		});
		await expect(connection.call("health", {})).rejects.toMatchObject(
			unreachable("its event chat is not understood"),
		);
	});

	test("tells when a refused call may be sent again", async () => {
		const error = { code: "UNAVAILABLE", message: "draining", retryable: true };
		const answers = [error, { ...error, retryAfterMs: 7 }];
		gateway.methods.set("busy", () => ({ error: answers.shift() ?? error }));
		const connection = await connectGateway(gateway);
		expect(await connection.call("busy", {})).toMatchObject({ kind: "refused", retryAfterMs: 500 });
		expect(await connection.call("busy", {})).toMatchObject({
			code: "UNAVAILABLE",
			retryAfterMs: 7,
		});
		await connection.close();
	});

	test("waits for a gateway that still starts, within its time", async () => {
		const starting = {
			code: "UNAVAILABLE",
			message: "gateway starting",
			retryable: true,
			retryAfterMs: 20,
		};
		gateway.refusals.push(starting, starting);
		const connection = await connectGateway(gateway);
		expect(await connection.call("health", {})).toMatchObject({ kind: "ok" });
		await connection.close();
		gateway.refusals.push({ ...starting, retryAfterMs: 60_000 });
		await expect(connectGateway(gateway)).rejects.toMatchObject(
			unreachable("UNAVAILABLE: gateway starting"),
		);
	});

	test("is none if the gateway gives it no scopes", async () => {
		gateway.scopes = [];
		await expect(connectGateway(gateway)).rejects.toMatchObject(unreachable("operator.admin"));
		await expect.poll(() => gateway.connections).toBe(0);
	});

	test("is none without a challenge", async () => {
		gateway.isChallenging = false;
		await expect(connectGateway({ ...gateway, timeoutMs: 100 })).rejects.toMatchObject(
			unreachable("no answer to its challenge"),
		);
		await expect.poll(() => gateway.connections).toBe(0);
	});

	test("is none where nothing listens, or something else does", async () => {
		const url = `http://127.0.0.1:${await freePort()}`;
		await expect(connectGateway({ url, token: "t" })).rejects.toMatchObject(
			unreachable(`${url}: the connection ended`),
		);
		await using page = await FakeAgent.start();
		await expect(connectGateway({ url: page.url, token: "t" })).rejects.toMatchObject(
			unreachable(page.url),
		);
	});

	test.each<[string, string | Buffer]>([
		["not JSON", "oops"],
		["no text", Buffer.from("{}")],
	])("ends if the gateway sends %s", async (_, data) => {
		gateway.methods.set("odd", async ({ socket }) => {
			socket.send(data);
			return await new Promise(() => {});
		});
		const connection = await connectGateway(gateway);
		await expect(connection.call("odd", {})).rejects.toMatchObject(unreachable("it sent"));
	});

	test("ignores answers to nothing, and frames of other kinds", async () => {
		gateway.methods.set("odd", ({ socket }) => {
			for (const frame of [null, 7, {}, { type: "res", id: "none", ok: true }, { type: "event" }])
				socket.send(JSON.stringify(frame));
			return { payload: "done" };
		});
		const connection = await connectGateway(gateway);
		expect(await connection.call("odd", {})).toEqual({ kind: "ok", payload: "done" });
		await connection.close();
	});

	test("sends nothing that exceeds the gateway's limit, and takes nothing beyond its own", async () => {
		const connection = await connectGateway(gateway);
		await expect(
			connection.call("health", { text: "x".repeat(25 * 1024 * 1024) }),
		).rejects.toMatchObject({ code: "REQUEST_INVALID", value: "health" });
		expect(gateway.calls).toEqual([]);
		gateway.methods.set("odd", () => ({ payload: "x".repeat(50 * 1024 * 1024) }));
		await expect(connection.call("odd", {})).rejects.toMatchObject(unreachable("it sent no text"));
	});

	test("is closed even if the gateway never confirms it", async () => {
		const connection = await connectGateway(gateway);
		gateway.methods.set("freeze", ({ socket }) => {
			(socket as unknown as { _socket: { pause(): void } })._socket.pause();
			return { payload: "frozen" };
		});
		await connection.call("freeze", {});
		const started = performance.now();
		await connection.close();
		expect(performance.now() - started).toBeLessThan(5_000);
	});
});
