/**
 * Runs rotations through all their steps, against moto's Secrets Manager and the real webhook
 * handler. Secrets Manager itself calls the steps and reserves the pending label before the first.
 * moto calls functions only in Docker, so `rotate` calls them here.
 */
import { randomUUID } from "node:crypto";
import {
	CreateSecretCommand,
	DescribeSecretCommand,
	GetSecretValueCommand,
	PutSecretValueCommand,
	SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { createLogger } from "openclaw-sidecar";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startApiFront } from "../../testkit/functions/api-front.ts";
import {
	feishuMessage,
	SECRETS,
	slackBody,
	slackMessage,
	telegramMessage,
	type WebhookRequest,
} from "../../testkit/functions/channel-requests.ts";
import { FakeChannel } from "../../testkit/functions/fake-channel.ts";
import { LocalServer } from "../../testkit/functions/local-server.ts";
import { startMoto } from "../../testkit/functions/moto.ts";
import { startTable } from "../../testkit/functions/table.ts";

const moto = await startMoto();
const STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;

const lines: string[] = [];
const servers: AsyncDisposable[] = [];
let channels: FakeChannel;
let rotation: typeof import("./rotation.ts").handler;
let client: SecretsManagerClient;
let webhookUrl: string;
/** A separate name for each test. */
let SecretId: string;

beforeAll(async () => {
	if (moto === undefined) return;
	vi.doMock("./shared/log.ts", () => ({
		logger: createLogger("info", { write: (line: string) => void lines.push(line) }),
	}));
	servers.push(await startTable(), moto);
	const queue = { QueueName: "messages.fifo", Attributes: { FifoQueue: "true" } };
	process.env.QUEUE_URL = (await new SQSClient({}).send(new CreateQueueCommand(queue))).QueueUrl;
	client = new SecretsManagerClient({});
});

/** A webhook handler without cached secrets, and a channel without messages. */
beforeEach(async () => {
	if (moto === undefined) return;
	vi.resetModules();
	SecretId = `openclaw/${randomUUID()}`;
	process.env.CHANNEL_SECRETS = JSON.stringify({
		feishu: SecretId,
		slack: SecretId,
		telegram: SecretId,
	});
	channels = await FakeChannel.start();
	const front = await startApiFront(
		await import("./webhook.ts").then(
			({ handler }) =>
				() =>
					handler,
		),
	);
	servers.unshift(channels, front);
	webhookUrl = front.url;
	process.env.WEBHOOK_URL = `${webhookUrl}/webhook/telegram`;
	delete process.env.DRY_RUN;
	rotation = (await import("./rotation.ts")).handler;
});

afterAll(async () => {
	for (const server of servers) await server[Symbol.asyncDispose]();
});

async function begin(
	channel: keyof typeof SECRETS,
	fields: object = { ...SECRETS[channel], note: "kept" },
): Promise<void> {
	process.env.CHANNEL = channel;
	const SecretString = JSON.stringify(fields);
	await client.send(new CreateSecretCommand({ Name: SecretId, SecretString }));
}

/** Does what Secrets Manager does before it calls the first step. */
async function reserve(fields: object): Promise<string> {
	const ClientRequestToken = randomUUID();
	const SecretString = JSON.stringify(fields);
	const VersionStages = ["AWSPENDING"];
	await client.send(
		new PutSecretValueCommand({ SecretId, ClientRequestToken, SecretString, VersionStages }),
	);
	return ClientRequestToken;
}

/** Does what an operator does. */
async function stage(fields: object): Promise<void> {
	await client.send(
		new PutSecretValueCommand({
			SecretId,
			SecretString: JSON.stringify(fields),
			VersionStages: ["STAGED"],
		}),
	);
}

/** Does what Secrets Manager does: runs the next step only if the last one succeeded. */
async function rotate(times = 1, ClientRequestToken: string = randomUUID()): Promise<string> {
	for (const Step of STEPS)
		for (let time = 0; time < times; time++) await rotation({ Step, SecretId, ClientRequestToken });
	return ClientRequestToken;
}

async function secret(VersionStage = "AWSCURRENT"): Promise<Record<string, string>> {
	return JSON.parse(
		(await client.send(new GetSecretValueCommand({ SecretId, VersionStage }))).SecretString!,
	);
}

/** The labels attached to any version. */
async function labels(): Promise<string[]> {
	const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId }));
	return Object.values(VersionIdsToStages ?? {})
		.flat()
		.sort();
}

async function knock({ path, headers, body }: WebhookRequest): Promise<number> {
	const response = await fetch(webhookUrl + path, { method: "POST", headers, body });
	await response.body?.cancel();
	return response.status;
}

const paths = () => channels.calls.map(({ path }) => path.split("/").at(-1));

describe.skipIf(moto === undefined)("telegram", () => {
	test("a new secret token is made, set at Telegram, tested with the webhook handler and promoted; other fields stay", async () => {
		await begin("telegram");
		expect(await knock(telegramMessage())).toBe(200);
		await rotate();
		const [now, before] = [await secret(), await secret("AWSPREVIOUS")];
		expect(before).toEqual({ ...SECRETS.telegram, note: "kept" });
		expect(now).toEqual({ ...before, secret_token: expect.stringMatching(/^[\w-]{43}$/) });
		expect(channels.telegramWebhook).toEqual({
			url: process.env.WEBHOOK_URL,
			secret_token: now.secret_token,
			allowed_updates: ["message", "edited_message"],
		});
		expect(await labels()).toEqual(["AWSCURRENT", "AWSPREVIOUS"]);
		expect(await knock(telegramMessage({ secret: now.secret_token! }))).toBe(200);
	});

	test("repeated steps change nothing more", async () => {
		await begin("telegram");
		const version = await rotate(3);
		const now = await secret();
		const asked = channels.calls.length;
		await rotate(1, version);
		expect(channels.calls).toHaveLength(asked);
		expect(await secret()).toEqual(now);
		expect(channels.telegramWebhook.secret_token).toBe(now.secret_token);
	});

	test("a bot token that does not work changes nothing, and a later rotation succeeds", async () => {
		await begin("telegram");
		channels.answers.set("getMe", [
			{ status: 401, body: { ok: false, description: "Unauthorized" } },
		]);
		await expect(rotate()).rejects.toThrow("telegram getMe: Unauthorized");
		expect(await secret()).toEqual({ ...SECRETS.telegram, note: "kept" });
		expect(channels.telegramWebhook.secret_token).toBe(SECRETS.telegram.secret_token);
		expect(paths()).toEqual(["setWebhook", "getMe", "setWebhook"]);
		expect(await labels()).toEqual(["AWSCURRENT"]);
		await rotate();
		expect((await secret()).secret_token).toBe(channels.telegramWebhook.secret_token);
	});

	test("a new secret that Telegram refuses changes nothing", async () => {
		await begin("telegram");
		channels.answers.set("setWebhook", [
			{ status: 400, body: { ok: false, description: "Bad Request: bad webhook" } },
		]);
		await expect(rotate()).rejects.toThrow("telegram setWebhook: Bad Request");
		expect(await labels()).toEqual(["AWSCURRENT"]);
	});

	test("a new secret that the webhook handler refuses changes nothing", async () => {
		await begin("telegram");
		await using shut = await LocalServer.start(() => ({ status: 503, body: "" }));
		process.env.WEBHOOK_URL = shut.url;
		await expect(rotate()).rejects.toThrow("WEBHOOK_FAILED: the webhook answers 503");
		expect(channels.telegramWebhook.secret_token).toBe(SECRETS.telegram.secret_token);
		expect(await labels()).toEqual(["AWSCURRENT"]);
	});

	test("a step that is retried after a rollback continues with the version that was made", async () => {
		await begin("telegram");
		channels.answers.set("getMe", [{ status: 500, body: { ok: false } }]);
		const version = randomUUID();
		await expect(rotate(1, version)).rejects.toThrow("getMe");
		await rotate(1, version);
		expect(await labels()).toEqual(["AWSCURRENT", "AWSPREVIOUS"]);
	});

	test("a bot token of another bot is refused", async () => {
		await begin("telegram");
		await stage({ bot_token: "4712:AAother" });
		await expect(rotate()).rejects.toThrow("STAGED_REFUSED");
		expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
	});
});

describe.skipIf(moto === undefined)("feishu", () => {
	test("a staged app secret is verified at the tenant-token endpoint, then promoted", async () => {
		await begin("feishu");
		await stage({ app_secret: "new-app-secret" });
		channels.feishuSecrets.add("new-app-secret");
		await rotate();
		expect(await secret()).toEqual({
			...SECRETS.feishu,
			app_secret: "new-app-secret",
			note: "kept",
		});
		expect(await labels()).toEqual(["AWSCURRENT", "AWSPREVIOUS"]);
		expect(channels.calls.map(({ body }) => body)).toEqual([
			{ app_id: "cli_a1", app_secret: "new-app-secret" },
		]);
	});

	test("a wrong app secret is not promoted, and the operator can stage another", async () => {
		await begin("feishu");
		await stage({ app_secret: "mistyped" });
		await expect(rotate()).rejects.toThrow("feishu tenant_access_token: code 10014");
		expect(await secret()).toEqual({ ...SECRETS.feishu, note: "kept" });
		expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
		channels.feishuSecrets.add("right");
		await stage({ app_secret: "right" });
		await rotate();
		expect((await secret()).app_secret).toBe("right");
	});

	test("a rotation refuses another app", async () => {
		await begin("feishu");
		await stage({ app_id: "cli_other", app_secret: "x" });
		await expect(rotate()).rejects.toThrow("STAGED_REFUSED: app_id must stay");
		expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
	});

	test("an encrypt key is promoted once Feishu has signed with it; until then the webhook handler accepts both", async () => {
		await begin("feishu");
		await stage({ encrypt_key: "the-next-encrypt-key" });
		await expect(rotate()).rejects.toThrow("NOT_PROVED");
		expect(await knock(feishuMessage())).toBe(200);
		expect(await knock(feishuMessage({ secret: "the-next-encrypt-key" }))).toBe(200);
		expect(await knock(feishuMessage({ secret: "a-third-key" }))).toBe(401);
		await rotate();
		expect((await secret()).encrypt_key).toBe("the-next-encrypt-key");
		expect(await knock(feishuMessage({ secret: "the-next-encrypt-key" }))).toBe(200);
	});
});

describe.skipIf(moto === undefined)("slack", () => {
	test("a signing secret is promoted once Slack has signed with it", async () => {
		await begin("slack");
		await stage({ signing_secret: "next" });
		await expect(rotate()).rejects.toThrow("NOT_PROVED: slack has sent nothing yet");
		expect(
			await knock(slackBody({ type: "url_verification", challenge: "c" }, { secret: "next" })),
		).toBe(200);
		await rotate();
		expect(await secret()).toEqual({ ...SECRETS.slack, signing_secret: "next", note: "kept" });
		expect(await knock(slackMessage({ secret: "next" }))).toBe(200);
	});

	test("a bot token is tested, and one of another team is refused", async () => {
		await begin("slack");
		await stage({ bot_token: "xoxb-new" });
		channels.answers.set("auth.test", [
			{ status: 200, body: { ok: false, error: "invalid_auth" } },
		]);
		await expect(rotate()).rejects.toThrow("slack auth.test: invalid_auth");
		channels.answers.set("auth.test", [{ status: 200, body: { ok: true, team_id: "T99" } }]);
		await expect(rotate()).rejects.toThrow("STAGED_REFUSED: the bot token belongs to another team");
		expect((await secret()).bot_token).toBe(SECRETS.slack.bot_token);
		await rotate();
		expect((await secret()).bot_token).toBe("xoxb-new");
	});
});

/** As the stack creates it. */
const EMPTY = { unused: "Zx9" };
const MESSAGES = { slack: slackMessage, telegram: telegramMessage, feishu: feishuMessage };

describe.skipIf(moto === undefined).each(["slack", "telegram", "feishu"] as const)(
	"a secret of %s that was never set up",
	(channel) => {
		test("refuses requests, and its rotation succeeds without a change", async () => {
			await begin(channel, EMPTY);
			expect(await knock(MESSAGES[channel]())).toBe(401);
			await rotate(1, await reserve(EMPTY));
			expect(channels.calls).toEqual([]);
			expect(await labels()).toEqual(["AWSCURRENT"]);
			expect(await rotation({ SecretId })).toMatchObject({
				changes: [],
				missing: expect.arrayContaining([
					{ slack: "signing_secret", telegram: "bot_token", feishu: "app_id" }[channel],
				]),
			});
		});

		test("passes the test step that Secrets Manager runs when the schedule is deployed", async () => {
			await begin(channel, EMPTY);
			const ClientRequestToken = await reserve(EMPTY);
			await rotation({ Step: "testSecret", SecretId, ClientRequestToken });
			await rotation({ Step: "testSecret", SecretId, ClientRequestToken: randomUUID() });
			expect(channels.calls).toEqual([]);
		});

		test("can be set up by a rotation, from fields that an operator staged", async () => {
			await begin(channel, EMPTY);
			const { secret_token: _, ...staged }: Record<string, string> = SECRETS[channel];
			await stage(staged);
			if (channel !== "telegram") {
				await expect(rotate()).rejects.toThrow("NOT_PROVED");
				expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
				expect(await knock(MESSAGES[channel]())).toBe(200);
			}
			await rotate();
			expect(await secret()).toMatchObject({ ...EMPTY, ...staged });
			const { secret_token: proof } = await secret();
			expect(await knock(MESSAGES[channel](proof === undefined ? {} : { secret: proof }))).toBe(
				200,
			);
			expect(await labels()).toEqual(["AWSCURRENT", "AWSPREVIOUS"]);
		});

		test("is not replaced by one that is still incomplete", async () => {
			await begin(channel, EMPTY);
			const [first] = Object.entries(SECRETS[channel]);
			await stage(
				channel === "telegram" ? { secret_token: "chosen" } : Object.fromEntries([first!]),
			);
			const reserved = await reserve(EMPTY);
			if (channel === "telegram") await rotate(1, reserved);
			else
				await expect(rotate(1, reserved)).rejects.toThrow("STAGED_REFUSED: the secret would lack");
			expect(await secret()).toEqual(EMPTY);
			expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
		});
	},
);

describe.skipIf(moto === undefined)("a secret that holds a bot token alone", () => {
	test("gets Telegram's webhook and its secret from the first rotation, while the webhook handler runs", async () => {
		await begin("telegram", { ...EMPTY, bot_token: SECRETS.telegram.bot_token });
		expect(await knock(telegramMessage())).toBe(401);
		await rotate();
		const { secret_token: made } = await secret();
		expect(channels.telegramWebhook).toMatchObject({
			url: process.env.WEBHOOK_URL,
			secret_token: made,
		});
		expect(await knock(telegramMessage({ secret: made! }))).toBe(200);
		expect(await knock(telegramMessage())).toBe(401);
	});

	test("has no webhook after a first rotation that failed, and the next rotation succeeds", async () => {
		const first = { bot_token: SECRETS.telegram.bot_token };
		await begin("telegram", first);
		channels.answers.set("getWebhookInfo", [
			{ status: 502, body: { ok: false, description: "Bad Gateway" } },
		]);
		await expect(rotate()).rejects.toThrow("getWebhookInfo: Bad Gateway");
		expect(paths()).toEqual(["setWebhook", "getMe", "getWebhookInfo", "deleteWebhook"]);
		expect(channels.telegramWebhook).toEqual({});
		expect(await secret()).toEqual(first);
		expect(await labels()).toEqual(["AWSCURRENT"]);
		await rotate();
		expect((await secret()).secret_token).toBe(channels.telegramWebhook.secret_token);
	});

	test("of Slack is completed by a rotation that stages the signing secret", async () => {
		const { bot_token } = SECRETS.slack;
		const signing_secret = "a-signing-secret-of-another-app";
		await begin("slack", { bot_token });
		await stage({ signing_secret });
		await expect(rotate()).rejects.toThrow("NOT_PROVED");
		expect(await knock(slackMessage({ secret: signing_secret }))).toBe(200);
		await rotate();
		expect(await secret()).toEqual({ bot_token, signing_secret });
	});
});

describe.skipIf(moto === undefined)("with nothing staged, a rotation", () => {
	test.each(["slack", "feishu"] as const)(
		"tests the current secret of %s, and succeeds without a change",
		async (channel) => {
			await begin(channel);
			await rotate(1, await reserve({ ...SECRETS[channel], note: "kept" }));
			expect(paths()).toEqual([channel === "slack" ? "auth.test" : "internal"]);
			expect(await secret()).toEqual({ ...SECRETS[channel], note: "kept" });
			expect(await labels()).toEqual(["AWSCURRENT"]);
		},
	);

	test("fails if the current bot token was revoked, and leaves no label behind", async () => {
		await begin("slack");
		channels.answers.set("auth.test", [
			{ status: 200, body: { ok: false, error: "token_revoked" } },
		]);
		const reserved = await reserve({ ...SECRETS.slack, note: "kept" });
		await expect(rotate(1, reserved)).rejects.toThrow("slack auth.test: token_revoked");
		expect(await labels()).toEqual(["AWSCURRENT"]);
	});
});

describe.skipIf(moto === undefined)("a version that an interrupted rotation left pending", () => {
	test("is used by the next rotation if it still says what is staged", async () => {
		await begin("feishu");
		await stage({ app_secret: "new-app-secret" });
		channels.feishuSecrets.add("new-app-secret");
		const version = randomUUID();
		await rotation({ Step: "createSecret", SecretId, ClientRequestToken: version });
		await rotate(1, version);
		expect((await secret()).app_secret).toBe("new-app-secret");
	});

	test("is replaced by the version of a new rotation", async () => {
		await begin("telegram");
		const left = randomUUID();
		await rotation({ Step: "createSecret", SecretId, ClientRequestToken: left });
		await rotate();
		expect((await secret()).secret_token).toBe(channels.telegramWebhook.secret_token);
		expect(await labels()).toEqual(["AWSCURRENT", "AWSPREVIOUS"]);
	});

	test("loses its label if it says something else, and the rotation after that succeeds", async () => {
		await begin("feishu");
		await stage({ app_secret: "mistyped" });
		const version = randomUUID();
		await rotation({ Step: "createSecret", SecretId, ClientRequestToken: version });
		channels.feishuSecrets.add("right");
		await stage({ app_secret: "right" });
		await expect(rotate(1, version)).rejects.toThrow("PENDING_STALE");
		expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
		await rotate();
		expect((await secret()).app_secret).toBe("right");
	});
});

describe.skipIf(moto === undefined)("a rehearsal", () => {
	test("changes nothing and reports which fields would change, or why not", async () => {
		await begin("feishu");
		await stage({ app_secret: "mistyped" });
		await expect(rotation({ SecretId })).rejects.toThrow("code 10014");
		channels.feishuSecrets.add("mistyped");
		expect(await rotation({ SecretId })).toEqual({
			dryRun: true,
			channel: "feishu",
			changes: ["app_secret"],
			missing: [],
		});
		expect(await labels()).toEqual(["AWSCURRENT", "STAGED"]);
		expect(await secret()).toEqual({ ...SECRETS.feishu, note: "kept" });
	});

	test("changes nothing in four steps with DRY_RUN, and removes the pending label", async () => {
		await begin("telegram");
		process.env.DRY_RUN = "true";
		await rotate(1, await reserve({}));
		expect(paths()).toEqual(["getMe"]);
		expect(await secret()).toEqual({ ...SECRETS.telegram, note: "kept" });
		expect(await labels()).toEqual(["AWSCURRENT"]);
	});
});

test.skipIf(moto === undefined)("the log contains no secret", () => {
	const logged = lines.join("");
	expect(logged).toContain("rotation.rolled-back");
	const secrets = Object.values(SECRETS).flatMap(({ ...fields }: Record<string, string>) =>
		Object.values(fields),
	);
	for (const one of [...secrets, "mistyped", "new-app-secret", "xoxb-new"])
		if (one !== SECRETS.feishu.app_id) expect(logged).not.toContain(one);
});
