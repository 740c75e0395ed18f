/**
 * OpenClaw itself takes turns through the model endpoint: a Claude model by the Messages API, another
 * by chat completions. The user's session signs, and the configuration of a new user is the shipped
 * one.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB). With CI=true its absence is an
 * error.
 */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Place } from "../../testkit/cli.ts";
import { freePort } from "../../testkit/free-port.ts";
import { FakeBedrock } from "../../testkit/model/fake-bedrock.ts";
import { FakeSts } from "../../testkit/model/fake-sts.ts";
import { findOrInstallOpenClaw, OPENCLAW_ENV } from "../../testkit/openclaw/openclaw.ts";

const REGION = "eu-central-1";
const openclaw = await findOrInstallOpenClaw((text) => console.warn(text));
if (openclaw.kind === "missing") {
	if (process.env.CI === "true") throw new Error(`there is no OpenClaw: ${openclaw.reason}`);
	console.warn(`skipped: there is no OpenClaw: ${openclaw.reason}`);
}

describe.skipIf(openclaw.kind === "missing")("OpenClaw", () => {
	let place: Place;
	let bedrock: FakeBedrock;
	let sts: FakeSts;
	beforeEach(async () => {
		place = new Place();
		bedrock = await FakeBedrock.start({ service: "bedrock", region: REGION });
		sts = await FakeSts.start(bedrock.known);
	});
	afterEach(async () => {
		await bedrock[Symbol.asyncDispose]();
		await sts[Symbol.asyncDispose]();
		place[Symbol.dispose]();
	});

	test.each([
		["the Messages API", undefined, "global.anthropic.claude-opus-5", "/anthropic/v1/messages"],
		[
			"chat completions",
			"openai.gpt-oss-120b",
			"openai.gpt-oss-120b",
			"/openai/v1/chat/completions",
		],
	])("takes a turn by %s without a credential", async (_, given, model, path) => {
		if (openclaw.kind === "missing") return;
		const [port, modelPort] = [await freePort(), await freePort()];
		const gateway = [process.execPath, openclaw.bin, "gateway", "run", "--port", String(port)];
		const machine = place.start(
			"a",
			[
				...["run", "--profile", "openclaw", "--listen", "127.0.0.1:0"],
				...["--agent-url", `http://127.0.0.1:${port}`, "--model-port", String(modelPort)],
				...["--drain-timeout", "60s"],
				...["--identity", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/user"],
				...["--", ...gateway, "--bind", "loopback"],
			],
			{
				env: {
					...OPENCLAW_ENV,
					OPENCLAW_STATE_DIR: place.path("a"),
					...(given !== undefined && { OPENCLAW_MODEL_ID: given }),
					AWS_REGION: REGION,
					AWS_ACCESS_KEY_ID: "AKIAMACHINE",
					AWS_SECRET_ACCESS_KEY: "machine-secret-CANARY",
					AWS_ENDPOINT_URL_STS: sts.url,
					AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
				},
			},
		);
		await using _machine = machine;
		const { port: own } = await machine.waitForEvent("server.listening");
		const response = await fetch(`http://127.0.0.1:${own}/invocations`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ prompt: "Say hello." }),
		});
		const answer = await response.text();
		expect([response.status, answer]).toEqual([
			200,
			expect.stringContaining(bedrock.words.join(" ")),
		]);
		expect(bedrock.refused).toEqual([]);
		expect(new Set(bedrock.calls.map(({ accessKeyId }) => accessKeyId))).toEqual(
			new Set(["ASIASESSION1"]),
		);
		expect(bedrock.calls[0]).toMatchObject({ path, body: { model, stream: true } });
		expect(bedrock.calls[0]?.headers).not.toHaveProperty("x-api-key");
		const answered = await machine.waitForEvent("model.answered");
		expect(answered).toMatchObject({ model, inputTokens: 100, isEstimated: false });
		const config = readFileSync(place.path("a", "openclaw.json"), "utf8");
		const { status, stderr } = await machine.stop();
		expect([status, stderr + config]).toEqual([0, expect.not.stringContaining("CANARY")]);
	});
});
