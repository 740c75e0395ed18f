/** The shipped command gives an agent its model; the provider and STS are fakes that check signatures. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { freePort } from "../../../testkit/free-port.ts";
import { FakeBedrock } from "../../../testkit/model/fake-bedrock.ts";
import { FakeSts } from "../../../testkit/model/fake-sts.ts";
import { OidcIssuer } from "../../../testkit/platform/oidc-issuer.ts";
import { PlatformMachine } from "../../../testkit/platform/platform.ts";

const REGION = "eu-central-1";
/** What any program in the machine could use: its role must have no right to a model. */
const MACHINE = {
	AWS_ACCESS_KEY_ID: "AKIAMACHINE",
	AWS_SECRET_ACCESS_KEY: "machine-secret-CANARY",
	AWS_SESSION_TOKEN: "machine-token-CANARY",
};
const ROLE = ["--role-arn", "arn:aws:iam::123456789012:role/user"];

let place: Place;
let bedrock: FakeBedrock;
let sts: FakeSts;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
	place = new Place();
	bedrock = await FakeBedrock.start({ service: "bedrock", region: REGION });
	sts = await FakeSts.start(bedrock.known);
	// A signature of the machine's would be a good one.
	bedrock.known.set(MACHINE.AWS_ACCESS_KEY_ID, {
		accessKeyId: MACHINE.AWS_ACCESS_KEY_ID,
		secretAccessKey: MACHINE.AWS_SECRET_ACCESS_KEY,
		sessionToken: MACHINE.AWS_SESSION_TOKEN,
	});
	env = {
		...MACHINE,
		AWS_REGION: REGION,
		AWS_ENDPOINT_URL_STS: sts.url,
		AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
	};
});
afterEach(async () => {
	await bedrock[Symbol.asyncDispose]();
	await sts[Symbol.asyncDispose]();
	place[Symbol.dispose]();
});

const withModel = async () => [
	...["--model-upstream", "bedrock-runtime", "--model-port", String(await freePort())],
];

describe("run --listen with a model endpoint", () => {
	// @id model-session-not-machine
	test.each(["web-identity", "assume-role"])(
		"signs with the session of the user, and never with the machine's role: %s",
		async (identity) => {
			await using issuer = await OidcIssuer.start();
			const args = [
				...["--identity", identity, "--issuer", issuer.url, "--audience", issuer.audience],
				...ROLE,
				...(await withModel()),
			];
			await using machine = await PlatformMachine.boot(place, "a", args, { env });
			const token = await issuer.token({ sub: "anna" });
			expect(await machine.ask("ask the model", token)).toMatch(/^200 .*Hello from the model\./);
			expect(bedrock.calls.map(({ accessKeyId, body }) => [accessKeyId, body.messages])).toEqual([
				["ASIASESSION1", [{ role: "user", content: "hello from anna" }]],
			]);
			expect(bedrock.refused).toEqual([]);
			const actions = { "web-identity": "AssumeRoleWithWebIdentity", "assume-role": "AssumeRole" };
			expect(sts.sessions).toEqual([
				expect.objectContaining({
					action: actions[identity as keyof typeof actions],
					name: "anna",
					policy: expect.stringContaining("bedrock:InvokeModel"),
				}),
			]);
			const answered = await machine.process.waitForEvent("model.answered");
			expect(answered).toMatchObject({ namespace: "anna", usedToday: 147 });
			const { status, stderr } = await machine.end();
			expect([status, stderr]).toEqual([0, expect.not.stringContaining("CANARY")]);
		},
	);

	test.skipIf(process.getuid?.() !== 0)(
		"leaves no credential where the agent can read: environment, /proc, files",
		async () => {
			await using issuer = await OidcIssuer.start();
			const token = await issuer.token({ sub: "anna" });
			const args = [
				...["--identity", "web-identity", "--issuer", issuer.url, "--audience", issuer.audience],
				...[...ROLE, ...(await withModel()), "--agent-user", "65534:65534"],
			];
			await using machine = await PlatformMachine.boot(place, "a", args, { env });
			await machine.ask("ask the model", token);
			const seen = await machine.ask("look around", token);
			expect(seen).toContain("ANTHROPIC_BASE_URL");
			expect(seen).toContain("memory.jsonl");
			// The role, the session of the user, and the proof with which another could be made.
			expect(seen).not.toMatch(/CANARY|AKIAMACHINE|ASIASESSION/);
			expect(seen).not.toContain(token);
			expect((await machine.end()).status).toBe(0);
		},
	);

	test("renews a session that has ended, and stops at the day's tokens", async () => {
		const args = [...["--identity", "assume-role"], ...ROLE, ...(await withModel())];
		await using machine = await PlatformMachine.boot(
			place,
			"a",
			[...args, "--model-daily-tokens", "200"],
			{ env },
		);
		expect(await machine.ask("ask the model")).toMatch(/^200/);
		bedrock.expired.add("ASIASESSION1");
		expect(await machine.ask("ask the model")).toMatch(/^200/);
		expect(await machine.ask("ask the model")).toMatch(/^429 .*rate_limit_error.*200 model tokens/);
		expect(sts.sessions).toHaveLength(2);
		expect((await machine.end()).status).toBe(0);
	});

	// @id model-budget-next-machine
	test("counts a day's tokens on from machine to machine", async () => {
		const boot = async (name: string) =>
			await PlatformMachine.boot(
				place,
				name,
				[...(await withModel()), "--model-daily-tokens", "140"],
				{ env },
			);
		{
			await using first = await boot("a");
			expect(await first.ask("ask the model")).toMatch(/^200/);
			// A change after the answer: the count stands in its commit.
			await first.ask("hello");
			expect((await first.end()).status).toBe(0);
		}
		await using next = await boot("b");
		expect(await next.ask("ask the model")).toMatch(/^429/);
		expect((await next.end()).status).toBe(0);
	});

	test("gives OpenClaw a configuration that names the endpoint, and moves one of an earlier release", async () => {
		const args = ["--profile", "openclaw", "--model-port", String(await freePort())];
		const config = () => JSON.parse(readFileSync(place.path("a", "openclaw.json"), "utf8"));
		const first = await PlatformMachine.boot(place, "a", args, { env });
		await first.ask("hello");
		expect(config().models.providers.sidecar.apiKey).toMatchObject({ source: "env" });
		await first.end();

		const id = "$" + "{OPENCLAW_MODEL_ID}";
		const { agents } = config();
		const model = { primary: `amazon-bedrock/${id}` };
		const old = {
			...config(),
			agents: { ...agents, defaults: { ...agents.defaults, model } },
			models: {
				mode: "merge",
				providers: {
					"amazon-bedrock": {
						baseUrl: "https://bedrock-runtime.$" + "{AWS_REGION}.amazonaws.com",
						api: "bedrock-converse-stream",
						auth: "aws-sdk",
						models: [{ id, name: id }],
					},
				},
			},
		};
		const current = config();
		writeFileSync(place.path("a", "openclaw.json"), JSON.stringify(old));
		await using second = await PlatformMachine.boot(place, "a", args, { env });
		await second.ask("hello");
		await second.process.waitForEvent("agent.config-moved");
		expect(config()).toEqual(current);
		expect((await second.end()).status).toBe(0);
	});
});

describe("run with a model endpoint", () => {
	/** Prints its environment and its model's answer. */
	const AGENT = `
		const { OPENAI_BASE_URL: url, OPENAI_API_KEY: key } = process.env;
		const body = JSON.stringify({ model: "gpt-1", messages: [] });
		const headers = { authorization: "Bearer " + key, "content-type": "application/json" };
		const answer = await fetch(url + "/chat/completions", { method: "POST", headers, body });
		console.log(JSON.stringify({ env: process.env, status: answer.status, text: await answer.text() }));
	`;
	const run = async (args: readonly string[], variables: NodeJS.ProcessEnv) =>
		await place.cli(
			"a",
			["run", ...args, "--", process.execPath, "--input-type=module", "-e", AGENT],
			{ env: variables },
		);

	// @id model-key-withheld
	test("holds any provider's key, from a variable or a file, and the agent never gets it", async () => {
		await using provider = await FakeBedrock.start();
		const file = join(place.dir, "key");
		writeFileSync(file, "sk-CANARY-file\n", { mode: 0o600 });
		for (const [source, key] of [
			["env:SOME_API_KEY", "sk-CANARY-env"],
			[`file:${file}`, "sk-CANARY-file"],
		]) {
			const port = String(await freePort());
			const { status, stdout, stderr } = await run(
				["--model-upstream", `${provider.url}/v1`, "--model-key", source!, "--model-port", port],
				{ SOME_API_KEY: "sk-CANARY-env", OTHER: "1", HTTP_PROXY: "http://127.0.0.1:9" },
			);
			expect([status, stderr]).toEqual([0, expect.not.stringContaining("CANARY")]);
			const seen = JSON.parse(stdout);
			expect([seen.status, seen.text]).toEqual([200, expect.stringContaining("Hello")]);
			expect(seen.env).toMatchObject({ OTHER: "1", NO_PROXY: "127.0.0.1" });
			if (source?.startsWith("env:")) expect(stdout).not.toContain("CANARY");
			expect(provider.calls.at(-1)?.headers.authorization).toBe(`Bearer ${key}`);
		}
	});

	test("signs for Bedrock with what the AWS SDK finds, if the agent's user is the only one", async () => {
		const { status, stdout } = await run(await withModel(), env);
		expect([status, JSON.parse(stdout).status]).toEqual([0, 200]);
		expect(bedrock.calls[0]?.accessKeyId).toBe(MACHINE.AWS_ACCESS_KEY_ID);
		expect(stdout).not.toContain("CANARY");
	});

	test("reports a key that is missing, a region that is missing, and a port that is taken", async () => {
		const upstream = ["--model-upstream", "https://models.example/v1"];
		for (const [args, told] of [
			[[...upstream, "--model-key", "env:NOT_SET_API_KEY"], "NOT_SET_API_KEY"],
			[[...upstream, "--model-key", "file:/nowhere"], "file:/nowhere"],
			[["--model-upstream", "bedrock-mantle"], "AWS_REGION"],
			[["--model-upstream", "http://models.example"], "https://"],
			[[...upstream, "--model-port", "70000"], "65535"],
			[[...upstream, "--model-port", new URL(bedrock.url).port], "--model-port"],
		] as const)
			expect(await run(args, {})).toMatchObject({
				status: 2,
				stderr: expect.stringContaining(told),
			});
	});
});
