/** From nothing to a first answer: the real webhook handler and worker, between fakes of AWS. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { SQSRecord } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startApiFront } from "../../testkit/functions/api-front.ts";
import { SECRETS } from "../../testkit/functions/channel-requests.ts";
import { FakeAws } from "../../testkit/functions/fake-aws.ts";
import { FakeChannel } from "../../testkit/functions/fake-channel.ts";
import { FakeRuntime } from "../../testkit/functions/fake-runtime.ts";
import { LocalServer } from "../../testkit/functions/local-server.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../testkit/functions/table.ts";
import type { Check } from "../doctor/check.ts";
import type { Ask } from "./ask.ts";
import { runDownTool } from "./down-tool.ts";
import { runSmokeTool } from "./smoke-tool.ts";
import { runUpTool } from "./up-tool.ts";

asInOwnProcess();

const BOT_TOKEN = `4711:${"A".repeat(35)}`;

let table: LocalTable;
let aws: FakeAws;
let channels: FakeChannel;
let runtime: FakeRuntime;
let door: LocalServer;
let dir: string;
const servers: AsyncDisposable[] = [];
const lines: string[] = [];
/** CDK's command lines. */
const cdkCalls: string[] = [];
let checks: readonly Check[] = [];

beforeAll(async () => {
	vi.doMock("../lambda/shared/log.ts", async () => {
		const { createLogger } = await import("openclaw-sidecar");
		return { logger: createLogger("info", { write: (line: string) => void lines.push(line) }) };
	});
	table = await startTable();
	aws = await FakeAws.start();
	channels = await FakeChannel.start();
	runtime = await FakeRuntime.start();
	Object.assign(process.env, {
		CHANNEL_SECRETS: JSON.stringify({
			slack: "secret-slack",
			telegram: "secret-telegram",
			feishu: "secret-feishu",
		}),
		RUNTIME_ARN: "arn:aws:bedrock-agentcore:us-east-1:111111111111:runtime/OpenClaw-a",
		RUNTIME_QUALIFIER: "live",
		SIGNING_KEY_ID: "alias/tokens",
		ISSUER: "https://issuer.example",
		AUDIENCE: "openclaw",
		MAX_RECEIVES: "3",
	});
	delete process.env.AWS_REGION;
	process.env.AWS_REGION = "us-east-1";
	const { handler: webhook } = await import("../lambda/webhook.ts");
	const { handler: worker } = await import("../lambda/worker.ts");
	door = await startApiFront(() => async (event) => {
		const result = await webhook(event);
		const Records = aws.sent.splice(0).map(
			({ MessageBody: body, MessageGroupId }, index) =>
				({
					messageId: `m-${index}`,
					receiptHandle: `r-${index}`,
					body,
					attributes: { ApproximateReceiveCount: "1", MessageGroupId },
				}) as unknown as SQSRecord,
		);
		await worker({ Records }, { getRemainingTimeInMillis: () => 900_000 });
		aws.logs.set("worker-logs", [...lines]);
		return result;
	});
	servers.push(door, runtime, channels, aws, table);
});

afterAll(async () => {
	for (const one of servers) await one[Symbol.asyncDispose]();
});

beforeEach(async () => {
	dir = mkdtempSync(join(tmpdir(), "openclaw-up-"));
	lines.length = 0;
	cdkCalls.length = 0;
	checks = [];
	channels.calls.length = 0;
	runtime.machine = () => ({ status: 200, body: { response: "hello", status: "success" } });
	aws.stacks.clear();
	aws.logs.clear();
	for (const channel of ["slack", "telegram", "feishu"])
		aws.secrets.set(`secret-${channel}`, { AWSCURRENT: { unused: "x" } });
	aws.rotate = (id) => ({ ...aws.secrets.get(id)?.AWSCURRENT, secret_token: "made-by-rotation" });
	for (const sender of ["telegram.4711", "slack.T01.U01", "feishu.ou_anna"])
		await table.refuse(sender);
	return () => rmSync(dir, { recursive: true });
});

function deployed(...names: string[]): void {
	aws.stacks.set("OpenClaw", {
		StoreUrl: "s3://bucket",
		RuntimeArn: process.env.RUNTIME_ARN!,
		OperatorRole: "arn:aws:iam::111111111111:role/Operator",
		RepairerRole: "arn:aws:iam::111111111111:role/Repairer",
		UsersTable: table.users,
		WorkerLogs: "worker-logs",
		...Object.fromEntries(
			names.flatMap((name) => [
				[`Webhook${name}`, `${door.url}/webhook/${name}`],
				[`Secret${name}`, `secret-${name}`],
			]),
		),
	});
}

interface Ran {
	readonly status: number;
	readonly out: string;
	readonly err: string;
}

async function run(
	tool: "up" | "smoke" | "down",
	args: readonly string[],
	ask?: Partial<Ask>,
	cdkStatus = 0,
): Promise<Ran> {
	const [out, err]: [string[], string[]] = [[], []];
	const io = {
		out: (text: string) => void out.push(text),
		err: (text: string) => void err.push(text),
		ask: ask as Ask | undefined,
	};
	const cdk = async (words: readonly string[]) => {
		cdkCalls.push(words.join(" "));
		const { context } = JSON.parse(readFileSync(join(dir, "cdk.json"), "utf8")) as {
			readonly context: Readonly<Record<string, string[]>>;
		};
		if (words[0] === "deploy" && cdkStatus === 0) deployed(...(context["openclaw:channels"] ?? []));
		return cdkStatus;
	};
	const argv = ["--dir", dir, ...args];
	const ports = { cdk, doctor: async () => checks, pauseMs: 1 };
	const status =
		tool === "up"
			? await runUpTool(argv, io, ports)
			: tool === "down"
				? await runDownTool(argv, io, cdk)
				: await runSmokeTool(argv, io, { pauseMs: 1 });
	return { status, out: out.join("\n"), err: err.join("\n") };
}

function file(name: string, content: unknown): string {
	const path = join(dir, name);
	writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
	return path;
}

function questions() {
	const asked: string[] = [];
	const note = <T>(question: string, answer: T): T => {
		asked.push(question);
		return answer;
	};
	return { asked, note };
}

const savedContext = () =>
	(JSON.parse(readFileSync(join(dir, "cdk.json"), "utf8")) as { readonly context: object }).context;

describe("infra:up without a terminal", () => {
	const all = () => [
		...["--region", "us-east-1", "--channel", "telegram", "--model", "global.a.b"],
		...[
			"--user",
			"telegram.4711=anna",
			"--secret",
			`telegram=${file("bot", { bot_token: BOT_TOKEN })}`,
		],
		"--yes",
	];

	test("deploys, stores the secret, sets the webhook, allows the user, and sees the agent's answer", async () => {
		const { status, out, err } = await run("up", [...all(), "--json"]);
		expect([status, err]).toEqual([0, expect.stringMatching(/answered after/)]);
		expect(cdkCalls).toEqual(["deploy --require-approval never"]);
		expect(savedContext()).toEqual({
			"@aws-cdk/core:bootstrapQualifier": "openclaw",
			"openclaw:region": "us-east-1",
			"openclaw:channels": ["telegram"],
			"openclaw:models": ["global.a.b"],
		});
		expect(aws.secrets.get("secret-telegram")?.AWSCURRENT).toEqual({
			bot_token: BOT_TOKEN,
			secret_token: "made-by-rotation",
		});
		expect(channels.messages).toEqual([{ to: "4711", text: "hello" }]);
		expect(JSON.parse(out)).toMatchObject({
			region: "us-east-1",
			webhooks: { telegram: `${door.url}/webhook/telegram` },
			smoke: { answeredMs: expect.any(Number) },
		});
		// Nothing that was printed or logged is a secret.
		expect(out + err + lines.join("") + cdkCalls.join("")).not.toMatch(/AAAAA|made-by-rotation/);
	});

	test("run again, asks and changes nothing", async () => {
		await run("up", all());
		aws.calls.length = 0;
		const before = readFileSync(join(dir, "cdk.json"), "utf8");
		const { status, err } = await run("up", ["--yes", "--no-smoke"]);
		expect([status, err]).toEqual([0, expect.stringMatching(/^0 users added/m)]);
		expect(readFileSync(join(dir, "cdk.json"), "utf8")).toBe(before);
		expect(aws.calls.filter((call) => /Put|Rotate/.test(call))).toEqual([]);
	});

	test("has no smoke test on a first run if a person must enter the URL, and says the command", async () => {
		const secret = `slack=${file("slack", { signing_secret: "0".repeat(32), bot_token: "xoxb-1" })}`;
		const slack = ["--channel", "slack", "--secret", secret, "--user", "slack.T01.U01"];
		const args = ["--region", "us-east-1", "--yes", ...slack];
		const { status, err } = await run("up", args);
		expect([status, err]).toEqual([
			0,
			expect.stringMatching(/no smoke test yet: .*`pnpm infra:smoke --user slack\.T01\.U01`/),
		]);
		expect(channels.messages).toEqual([]);
		expect((await run("up", args)).err).toMatch(/answered after/);
	});

	test("reads and writes the settings of the chosen environment", async () => {
		const context = {
			"openclaw:region": "eu-west-1",
			"openclaw:environments": {
				dev: { channels: ["slack"] },
				prod: { stackName: "OpenClaw", models: ["global.c.d"] },
			},
		};
		file("cdk.json", { context });
		vi.stubEnv("OPENCLAW_ENV", "prod");
		const { asked, note } = questions();
		const ask: Partial<Ask> = {
			several: async (question) => note(question, ["telegram"]),
			text: async (question) => note(question, ""),
			secret: async () => BOT_TOKEN,
		};
		const { err } = await run("up", ["--yes", "--no-smoke", "--region", "us-east-1"], ask, 1);
		expect(err).toMatch(/cdk deploy ended with 1/);
		expect(asked).toEqual(["Channels", expect.stringMatching(/^Who may write/)]);
		expect(savedContext()).toEqual({
			"openclaw:region": "eu-west-1",
			"openclaw:environments": {
				dev: { channels: ["slack"] },
				prod: {
					stackName: "OpenClaw",
					models: ["global.c.d"],
					region: "us-east-1",
					channels: ["telegram"],
				},
			},
		});
		vi.stubEnv("OPENCLAW_ENV", undefined);
		expect((await run("up", ["--yes"])).err).toMatch(
			/USAGE.*ENVIRONMENT_UNKNOWN: choose one of dev, prod/,
		);
	});

	test("names everything that is missing at once, and deploys nothing", async () => {
		delete process.env.AWS_REGION;
		const { status, err } = await run("up", ["--channel", "telegram", "--channel", "slack"]);
		process.env.AWS_REGION = "us-east-1";
		expect(status).toBe(2);
		expect(err).toMatch(/ANSWER_MISSING.*a region \(--region/);
		expect(err).toMatch(/bot_token of telegram \(--secret telegram=FILE\)/);
		expect(err).toMatch(/signing_secret, bot_token of slack \(--secret slack=FILE\)/);
		const unconfirmed = await run("up", all().slice(0, -1));
		expect(unconfirmed.err).toMatch(/NOT_CONFIRMED\] nothing was deployed\nwhat to do: add --yes/);
		expect(cdkCalls).toEqual([]);
	});

	test("passes -c on, and adds the users of openclaw:allowedUsers to a new stack only", async () => {
		const setting = 'openclaw:allowedUsers={"slack.T01.U01": "anna"}';
		expect((await run("up", [...all(), "--no-smoke", "-c", setting])).err).toMatch(
			/^2 users added/m,
		);
		expect(cdkCalls).toEqual([`deploy --require-approval never -c ${setting}`]);
		expect(savedContext()).not.toHaveProperty("openclaw:allowedUsers");
		// Removed or erased meanwhile.
		await table.refuse("slack.T01.U01");
		const { err } = await run("up", ["--yes", "--no-smoke", "-c", setting]);
		expect(err).toMatch(/^0 users added/m);
		expect(err).toMatch(/not added: `pnpm infra:users add slack\.T01\.U01=anna` adds them/);
		expect(
			(await run("up", ["--yes", "--no-smoke", "--user", "slack.T01.U01=anna", "-c", setting])).err,
		).toMatch(/^1 user added/m);
	});

	test("sets the app of a cdk.json that was copied from elsewhere", async () => {
		const path = join(dir, "cdk.json");
		writeFileSync(path, JSON.stringify({ app: "node bin/app.ts", context: {} }));
		await run("up", [...all(), "--no-smoke"]);
		const { app } = JSON.parse(readFileSync(path, "utf8"));
		expect(existsSync(resolve(dir, app.replace("node ", "")))).toBe(true);
		writeFileSync(path, JSON.stringify({ app: "node my-own.ts", context: {} }));
		await run("up", [...all(), "--no-smoke"]);
		expect(JSON.parse(readFileSync(path, "utf8")).app).toBe("node my-own.ts");
	});

	test.each([
		["whose creation failed", {}],
		[
			"of a release that had no table",
			{ StoreUrl: "s3://bucket", Secrettelegram: "secret-telegram" },
		],
	])("takes a stack %s as one without users yet", async (_, outputs) => {
		aws.stacks.set("OpenClaw", outputs);
		const setting = 'openclaw:allowedUsers={"slack.T01.U01": "anna"}';
		const { status, err } = await run("up", [...all(), "--no-smoke", "-c", setting]);
		expect([status, err]).toEqual([0, expect.stringMatching(/^2 users added/m)]);
	});

	test.each([
		[
			"another field",
			{ bot_token: BOT_TOKEN, token: "x" },
			/the secret of telegram: token is unknown/,
		],
		["a wrong value", { bot_token: "secret-but-wrong" }, /this is no bot_token \(from @BotFather/],
		["no JSON", "bot_token=1", /the file is not JSON/],
	])("refuses a secret with %s, and does not print it", async (_, content, message) => {
		const { status, err } = await run("up", ["--secret", `telegram=${file("bad", content)}`]);
		expect([status, err]).toEqual([1, expect.stringMatching(message)]);
		expect(err).not.toMatch(/secret-but-wrong|AAAA/);
	});

	test("stops where the doctor finds an obstacle, and bootstraps the account itself", async () => {
		checks = [
			{ name: "container tool", outcome: "failed", found: "none", remedy: "install Podman" },
		];
		expect(await run("up", all())).toMatchObject({
			status: 1,
			err: expect.stringMatching(
				/failed container tool: none -> install Podman[\s\S]*DOCTOR_FAILED/,
			),
		});
		expect(cdkCalls).toEqual([]);
		checks = [{ name: "bootstrap", outcome: "failed", found: "none", remedy: "run it" }];
		expect((await run("up", [...all(), "--no-smoke"])).status).toBe(0);
		expect(cdkCalls).toEqual(["bootstrap", "deploy --require-approval never"]);
	});

	test("says that a deployment or a rotation failed, and what to do", async () => {
		expect((await run("up", all(), undefined, 1)).err).toMatch(
			/DEPLOY_FAILED\] cdk deploy ended with 1/,
		);
		aws.rotate = () => undefined;
		expect((await run("up", all())).err).toMatch(
			/ROTATION_FAILED\] the rotation of secret-telegram/,
		);
	});
});

describe("infra:up on a terminal", () => {
	test("asks for everything, secrets without echo, and tells what to click", async () => {
		const { asked, note } = questions();
		const ask: Partial<Ask> = {
			one: async (question) => note(question, "us-east-1"),
			several: async (question) => note(question, ["slack"]),
			text: async (question) => {
				asked.push(question);
				return question.startsWith("Who") ? "slack.T01.U01" : "global.a.b";
			},
			secret: async (question) => {
				asked.push(`secret ${question}`);
				return question.includes("bot_token") ? "xoxb-1" : SECRETS.slack.signing_secret;
			},
			confirm: async (question) => note(question, true),
		};
		const { status, err } = await run("up", [], ask);
		expect([status, asked]).toEqual([
			0,
			[
				"Region",
				"Channels",
				"Bedrock model or inference profile",
				expect.stringMatching(/^Who may write/),
				expect.stringMatching(/^secret Slack: signing_secret/),
				expect.stringMatching(/^secret Slack: bot_token/),
				expect.stringMatching(/^Deploy OpenClaw to us-east-1\?/),
				expect.stringMatching(/^Done with the steps above\?/),
			],
		]);
		expect(err).toContain(`Request URL ${door.url}/webhook/slack`);
		expect(channels.messages).toEqual([{ to: "U01", text: "hello" }]);
	});

	test("asks whether it is Feishu or Lark", async () => {
		const { asked, note } = questions();
		const ask: Partial<Ask> = {
			one: async (question) => note(question, "open.larksuite.com"),
			text: async () => "",
			confirm: async () => false,
		};
		const secret = `feishu=${file("lark", {
			app_id: "cli_1",
			app_secret: "a".repeat(16),
			encrypt_key: "b",
			verification_token: "c",
		})}`;
		const args = [
			...["--region", "us-east-1", "--channel", "feishu", "--secret", secret],
			...["--model", "global.a.b"],
		];
		await run("up", [...args, "--yes", "--no-smoke"], ask);
		expect(asked).toEqual(["Feishu or Lark?"]);
		expect(savedContext()).toMatchObject({ "openclaw:feishuHost": "open.larksuite.com" });
		await run("up", [...args, "--yes", "--no-smoke"], ask);
		expect(asked).toHaveLength(1);
	});

	test("that refuses to deploy ends it", async () => {
		const answers: Partial<Ask> = { confirm: async () => false, text: async () => "" };
		const secret = `telegram=${file("bot", { bot_token: BOT_TOKEN })}`;
		const { status, err } = await run(
			"up",
			["--region", "us-east-1", "--channel", "telegram", "--model", "a.b", "--secret", secret],
			answers,
		);
		expect([status, err]).toEqual([2, expect.stringMatching(/NOT_CONFIRMED/)]);
		expect(cdkCalls).toEqual([]);
	});
});

describe("infra:smoke", () => {
	const COMPLETE = { ...SECRETS, feishu: { ...SECRETS.feishu } };

	test.each([
		["telegram", "telegram.4711", "4711"],
		["slack", "slack.T01.U01", "U01"],
		["feishu", "feishu.ou_anna", "om_new"],
	] as const)(
		"goes through %s's door to an answer in the user's chat",
		async (name, sender, to) => {
			deployed(name);
			aws.secrets.set(`secret-${name}`, { AWSCURRENT: COMPLETE[name] });
			await table.allow({ [sender]: "anna" });
			const { status, out } = await run("smoke", ["--json"]);
			expect([status, JSON.parse(out)]).toEqual([
				0,
				{
					deliveryId: expect.stringMatching(/^[0-9a-f]{64}$/),
					queuedMs: expect.any(Number),
					answeredMs: expect.any(Number),
				},
			]);
			expect(channels.messages).toEqual([{ to, text: "hello" }]);
		},
	);

	test("calls Lark where the settings say so", async () => {
		deployed("feishu");
		aws.secrets.set("secret-feishu", { AWSCURRENT: COMPLETE.feishu });
		await table.allow({ "feishu.ou_anna": "anna" });
		const fake = process.env.FEISHU_API_URL;
		delete process.env.FEISHU_API_URL;
		const { fetch } = globalThis;
		const hosts: string[] = [];
		vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
			const url = String(input);
			if (!url.includes("/open-apis/")) return await fetch(input, init);
			hosts.push(new URL(url).host);
			return await fetch(url.replace(/^https:\/\/[^/]+/, fake ?? ""), init);
		});
		const { err } = await run("smoke", ["-c", "openclaw:feishuHost=open.larksuite.com"]);
		process.env.FEISHU_API_URL = fake;
		// The fake gives the same message twice, which the door ignores.
		expect([...new Set(hosts), err]).toEqual([
			"open.larksuite.com",
			expect.stringMatching(/the door/),
		]);
	});

	const ready = async () => {
		deployed("slack");
		aws.secrets.set("secret-slack", { AWSCURRENT: SECRETS.slack });
		await table.allow({ "slack.T01.U01": "anna" });
	};

	test("names the part that failed: the agent, the worker, the list of users", async () => {
		await ready();
		runtime.machine = () => ({ status: 500, body: {} });
		expect((await run("smoke", [])).err).toMatch(
			/SMOKE_FAILED\] no answer after \d+ s: worker\.unknown .*\(500\)/,
		);
		runtime.machine = () => ({ status: 503, body: {} });
		expect((await run("smoke", ["--timeout", "1"])).err).toMatch(/worker\.not-asked/);
		aws.stacks.set("OpenClaw", { ...aws.stacks.get("OpenClaw"), WorkerLogs: "other" });
		expect((await run("smoke", ["--timeout", "0.05"])).err).toMatch(/the worker logged nothing/);
		expect((await run("smoke", ["--user", "slack.T01.U02"])).err).toMatch(
			/ignored the message.*slack\.T01\.U02 is not allowed\nwhat to do: `pnpm infra:users add slack\.T01\.U02`/,
		);
	});

	test("names a door that is closed by a firewall, or not there", async () => {
		await ready();
		const probes: unknown[] = [];
		await using wall = await LocalServer.start(({ headers }) => {
			probes.push(headers["x-openclaw-probe"]);
			return { status: 403, body: "Forbidden" };
		});
		aws.stacks.set("OpenClaw", { ...aws.stacks.get("OpenClaw"), Webhookslack: wall.url });
		expect((await run("smoke", [])).err).toMatch(
			/the door answered 403\nwhat to do: API Gateway or WAF/,
		);
		// The random part of the stack's id.
		expect(probes).toEqual(["0a1b"]);
		aws.stacks.set("OpenClaw", {
			...aws.stacks.get("OpenClaw"),
			Webhookslack: "http://127.0.0.1:1",
		});
		expect((await run("smoke", [])).err).toMatch(
			/the door http:\/\/127\.0\.0\.1:1 does not answer/,
		);
	});

	test("names what is missing: a user, a field, a rotation", async () => {
		deployed("telegram");
		expect((await run("smoke", [])).err).toMatch(/ANSWER_MISSING\] nobody is allowed yet/);
		await table.allow({ "telegram.4711": "anna" });
		expect((await run("smoke", [])).err).toMatch(/SECRET_INCOMPLETE.*no bot_token, secret_token/);
		aws.secrets.set("secret-telegram", { AWSCURRENT: { bot_token: BOT_TOKEN } });
		expect((await run("smoke", [])).err).toMatch(/SECRET_INCOMPLETE.*no secret_token/);
		expect((await run("smoke", ["--user", "slack.T01.U01"])).err).toMatch(
			/no user of a channel of this/,
		);
		expect((await run("smoke", ["--timeout", "soon"])).err).toMatch(/--timeout soon is no time/);
	});
});

describe("infra:down", () => {
	test("deletes the stack, and tells what stays, why, and how to remove it", async () => {
		file("cdk.json", { context: {} });
		deployed("telegram");
		aws.resources = [
			{
				id: "workspaces",
				type: "AWS::S3::Bucket",
				status: "DELETE_SKIPPED",
				logicalId: "WorkspaceBucket1",
			},
			{
				id: "trail",
				type: "AWS::S3::Bucket",
				status: "DELETE_SKIPPED",
				logicalId: "AuditTrailBucket1",
			},
			...["OperationsKey1", "WorkspaceBucketKey1", "SecretsKey1"].map((logicalId, index) => ({
				id: `key-${index + 1}`,
				type: "AWS::KMS::Key",
				status: "DELETE_SKIPPED",
				logicalId,
			})),
			...["Role", "Account"].map((name) => ({
				id: `api-${name}`,
				type: name === "Role" ? "AWS::IAM::Role" : "AWS::ApiGateway::Account",
				status: "DELETE_SKIPPED",
				logicalId: `WebhookApi${name}`,
			})),
			{ id: "queue", type: "AWS::SQS::Queue", status: "DELETE_COMPLETE", logicalId: "RouterQueue" },
		];
		expect(await run("down", [])).toMatchObject({
			status: 2,
			err: expect.stringMatching(/NOT_CONFIRMED/),
		});
		expect(await run("down", ["--yes", "Open"])).toMatchObject({ status: 2 });
		expect(cdkCalls).toEqual([]);
		const { status, out, err } = await run("down", [], { text: async () => "OpenClaw" });
		expect([status, cdkCalls]).toEqual([0, ["destroy --force"]]);
		expect(err).toMatch(/infra:users list --json/);
		expect(out).toMatch(
			/S3::Bucket workspaces \(WorkspaceBucket1\): every workspace[\s\S]*delete-bucket --bucket workspaces/,
		);
		expect(out).toMatch(/key-1 \(OperationsKey1\): logs, also/);
		expect(out).toMatch(/key-2 \(WorkspaceBucketKey1\): every workspace/);
		expect(out).toMatch(/key-3 \(SecretsKey1\): the channels' secrets/);
		expect(out).toContain(
			'"openclaw:bucketName": "workspaces", "openclaw:bucketKeyArn": "arn:aws:kms:us-east-1:111111111111:key/key-2"',
		);
		for (const name of ["Role", "Account"])
			expect(out).toMatch(new RegExp(`api-${name} .*leave it\n(?!    )`));
		expect(out).toMatch(/trail \(AuditTrailBucket1\): who accessed what/);
		expect(out).toMatch(/schedule-key-deletion --key-id key-1/);
		expect(out).not.toMatch(/queue/);
	});

	test("reports a stack that is not there, and one that could not be deleted", async () => {
		file("cdk.json", { context: {} });
		expect((await run("down", ["--yes", "OpenClaw"])).err).toMatch(/STACK_NOT_FOUND/);
		deployed("telegram");
		const { status, err } = await run("down", ["--yes", "OpenClaw"], undefined, 1);
		expect([status, err]).toEqual([
			1,
			expect.stringMatching(/cdk destroy ended with 1[\s\S]*8 hours/),
		]);
	});
});
