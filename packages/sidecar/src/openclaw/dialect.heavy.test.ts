/**
 * OpenClaw's dialect with the built command, the real OpenClaw and a fake model: commands,
 * attachments, an interrupted turn, and AWS's own client of the platform.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB), Python and PyPI (160 MB in
 * `.cache/aws-client`). With CI=true their absence is an error.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { type FakeModel, startFakeModel } from "../../../testkit/openclaw/fake-model.ts";
import {
	findOrInstallOpenClaw,
	OPENCLAW_ENV,
	removePartialInstall,
} from "../../../testkit/openclaw/openclaw.ts";
import { findOrInstallAwsClient } from "../../../testkit/platform/aws-client.ts";
import { PlatformMachine } from "../../../testkit/platform/platform.ts";

const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
const aws = await findOrInstallAwsClient();
for (const missing of [openclaw, aws]) {
	if (missing.kind === "installed") continue;
	if (process.env.CI === "true") throw new Error(`this cannot be tried here: ${missing.reason}`);
	console.warn(`skipped: this cannot be tried here: ${missing.reason}`);
}

describe.skipIf(openclaw.kind === "missing")("the real OpenClaw", () => {
	const place = new Place();
	let model: FakeModel;
	let machine: PlatformMachine;

	/** The model's requests since a number of them, without the heartbeat's, which come at any time. */
	const turnsSince = (count: number) =>
		model.requests.slice(count).filter(({ text }) => !text.includes("session=agent:main:main |"));

	beforeAll(async () => {
		if (openclaw.kind === "missing") return;
		model = await startFakeModel();
		const variables = {
			...OPENCLAW_ENV,
			OPENCLAW_STATE_DIR: place.path("a"),
			OPENCLAW_MODEL_BASE_URL: model.url,
			OPENCLAW_MODEL_ID: model.id,
		};
		const args = [
			...["--profile", "openclaw", "--agent-env", "NODE_COMPILE_CACHE"],
			...["--quiet-period", "2s"],
		];
		machine = await PlatformMachine.boot(place, "a", args, {
			env: variables,
			agent: (port) => [
				...[process.execPath, openclaw.bin, "gateway", "run", "--bind", "loopback"],
				...["--port", String(port)],
			],
		});
		expect(await machine.ask("hello")).toMatch(/^reply-1-word-0 /);
	});
	afterAll(async () => {
		await machine?.end();
		await model?.close();
		place[Symbol.dispose]();
		removePartialInstall();
	});

	test("runs commands in the conversation, none of which reaches the model", async () => {
		const before = model.requests.length;
		expect(await machine.ask("/status")).toContain("openai-user:default");
		for (const command of ["/help", "/whoami", "/think"])
			expect(await machine.ask(command)).toMatch(/Help|Identity|thinking level/);
		const response = await machine.invoke({ input: "/status" });
		expect(JSON.stringify(await response.json())).toContain("openresponses-user:default");
		expect(await machine.ask("/stop")).toBe("Nothing is running.");
		expect(turnsSince(before)).toEqual([]);
		// Its summary is the model's.
		expect(await machine.ask("/compact")).toMatch(/Compact/i);

		const text = model.requests.length;
		expect(await machine.ask("/etc/hosts is broken")).toMatch(/^reply-/);
		expect(turnsSince(text).map((request) => request.text)).toEqual([
			expect.stringContaining("/etc/hosts is broken"),
		]);
		expect(await machine.ask("/reset")).toMatch(/reset/i);
		const fresh = model.requests.length;
		expect(await machine.ask("hello again")).toMatch(/^reply-/);
		expect(turnsSince(fresh).map((request) => request.text)).toEqual([
			expect.not.stringContaining("/etc/hosts"),
		]);
	});

	test("runs a command after the turn that it would break, and /stop at once", async () => {
		const asked = model.asked();
		const turn = machine.ask("think it over [[slow:5]]");
		await asked;
		const status = machine.ask("/status");
		expect(await turn).toMatch(/^reply-/);
		expect(await status).toContain("openai-user:default");

		const again = model.asked();
		const long = machine.ask("think it over [[slow:300]]");
		await again;
		expect(await machine.ask("/stop")).toBe("Stopped.");
		expect(await long).toBe("409 REQUEST_INVALID");
		// The fake model would wait again for the message that stays in the conversation.
		await machine.ask("/reset");
		expect(await machine.ask("hello again")).toMatch(/^reply-/);
	});

	test("gets images and files in OpenAI's own forms", async () => {
		const png =
			"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
		const image = `data:image/png;base64,${png}`;
		const file = {
			filename: "a.md",
			file_data: Buffer.from("the file's secret is 7391").toString("base64"),
		};
		const content = [
			{ type: "text", text: "look" },
			{ type: "image_url", image_url: { url: image } },
			{ type: "file", file },
		];
		const seen = { images: 1, text: expect.stringContaining("7391") };
		const before = model.requests.length;
		const chat = await machine.invoke({ messages: [{ role: "user", content }] });
		expect(chat.status).toBe(200);
		expect(turnsSince(before)).toEqual([seen]);

		const parts = [
			{ type: "input_text", text: "look" },
			{ type: "input_image", image_url: image, detail: "auto" },
			{ type: "input_file", ...file },
		];
		const then = model.requests.length;
		const response = await machine.invoke({ input: [{ role: "user", content: parts }] });
		expect([response.status, await response.json()]).toMatchObject([200, { object: "response" }]);
		expect(turnsSince(then)).toEqual([seen]);
	});

	test.skipIf(aws.kind === "missing")("talks to AWS's own client", async () => {
		if (aws.kind === "missing") return;
		for (const [payload, prompt] of [
			['{"prompt": "hello from AWS"}', "hello from AWS"],
			["hello, this is no JSON", "hello, this is no JSON"],
			["4224224", "4224224"],
		] as const) {
			const before = model.requests.length;
			const answer = await aws.invoke(machine.url, payload);
			expect(answer.trim()).toMatch(/^reply-\d+-word-0 .*reply-\d+-word-119$/);
			expect(turnsSince(before)).toEqual([
				expect.objectContaining({ text: expect.stringContaining(prompt) }),
			]);
		}
		expect(await aws.invoke(machine.url, "/status")).toContain("openai-user:default");
	});

	test("answers a request once that arrives while an interrupted turn is resumed", async () => {
		const asked = model.asked();
		const interrupted = machine.ask("work on it [[slow:10]]");
		await asked;
		const lock = place.path("a", `tmp/openclaw-${process.getuid?.()}/gateway.state.lock`);
		const { pid } = JSON.parse(readFileSync(lock, "utf8"));
		const resumed = model.asked();
		process.kill(pid, "SIGKILL");
		expect(await interrupted).toBe("502 AGENT_UNREACHABLE");
		await resumed;
		const before = model.requests.length;
		expect(await machine.ask("are you there?")).toMatch(/^reply-/);
		expect(turnsSince(before).length).toBe(1);
		expect(machine.process.events.map(({ event }) => event)).toContain("agent.request-repeated");
	});
});
