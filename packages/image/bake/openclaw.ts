/**
 * Runs OpenClaw's gateway once, as its usual user: start, one turn with a fake model, end. The code
 * that V8 compiled stays in the image; the gateway's state stays in this build stage. Needs no
 * network.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startFakeModel } from "../../testkit/openclaw/fake-model.ts";
import { openClawConfig } from "../../testkit/openclaw/openclaw-config.ts";
import { leaveReadable } from "./compile-cache.ts";

const CACHE = "/opt/openclaw/compile-cache";
const AGENT = { uid: 10_001, gid: 10_001 };
/** Under emulation, a start takes minutes. */
const READY_TIMEOUT_MS = 20 * 60_000;
const TOKEN = "of this build alone";

const home = mkdtempSync("/tmp/bake-");
mkdirSync(CACHE);
mkdirSync(join(home, ".openclaw"), { mode: 0o700 });
const model = await startFakeModel();
const port = await freePort();
const config = join(home, ".openclaw/openclaw.json");
writeFileSync(
	config,
	openClawConfig({ port, token: TOKEN, modelUrl: model.url, modelId: model.id }),
	{ mode: 0o600 },
);
for (const path of [home, join(home, ".openclaw"), config, CACHE])
	chownSync(path, AGENT.uid, AGENT.gid);

const env = {
	PATH: process.env.PATH,
	HOME: home,
	OPENCLAW_OFFLINE: "1",
	OPENCLAW_NO_AUTO_UPDATE: "1",
	OPENCLAW_DISABLE_BONJOUR: "1",
};
const args = ["gateway", "run", "--port", String(port), "--bind", "loopback"];
const gateway = spawn("/usr/local/bin/openclaw", args, {
	...AGENT,
	env,
	cwd: home,
	stdio: ["ignore", "inherit", "inherit"],
});
const exited = once(gateway, "exit");

await ready();
const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
	method: "POST",
	// The gateway computes for longer than its keep-alive timeout, so it resets reused connections.
	headers: {
		authorization: `Bearer ${TOKEN}`,
		"content-type": "application/json",
		connection: "close",
	},
	body: JSON.stringify({
		model: "openclaw/default",
		user: "bake",
		messages: [{ role: "user", content: "hello [[write:hello.txt:20]]" }],
	}),
});
if (!response.ok) throw new Error(`the turn failed: ${response.status} ${await response.text()}`);
await response.arrayBuffer();
gateway.kill("SIGTERM");
const [status] = await exited;
if (status !== 0) throw new Error(`the gateway ended with status ${status}`);
await model.close();

leaveReadable(CACHE, AGENT.uid);

/** Unknown paths return 200 with a page, so only JSON is an answer. */
async function ready(): Promise<void> {
	const until = performance.now() + READY_TIMEOUT_MS;
	while (performance.now() < until) {
		if (gateway.exitCode !== null || gateway.signalCode !== null)
			throw new Error("the gateway ended before it was ready");
		const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
		const text = await answer?.text();
		if (answer?.ok && text?.startsWith("{")) return;
		await delay(200);
	}
	throw new Error(`the gateway was not ready within ${READY_TIMEOUT_MS} ms`);
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port: free } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return free;
}
