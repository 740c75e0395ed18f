import type { SQSRecord } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, vi } from "vitest";
import { startApiFront } from "../../../testkit/functions/api-front.ts";
import {
	feishuMessage,
	SECRETS,
	slackMessage,
	telegramMessage,
	type WebhookRequest,
} from "../../../testkit/functions/channel-requests.ts";
import { FakeAws, type SentMessage } from "../../../testkit/functions/fake-aws.ts";
import { FakeChannel } from "../../../testkit/functions/fake-channel.ts";
import { FakeRuntime } from "../../../testkit/functions/fake-runtime.ts";
import type { LocalServer } from "../../../testkit/functions/local-server.ts";
import { asInOwnProcess } from "../../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../../testkit/functions/table.ts";
import type { OUTBOUND } from "../../lambda/channels/outbound.ts";
import { CATALOG } from "../../lambda/shared/catalog.ts";

export const { en, zh } = CATALOG;
let servers: AsyncDisposable[] = [];
export let table: LocalTable;
export let aws: FakeAws;
export let channels: FakeChannel;
export let runtime: FakeRuntime;
let front: LocalServer;
export let worker: typeof import("../../lambda/worker.ts").handler;
export let own: typeof OUTBOUND;

export function useConversation(): void {
	asInOwnProcess();
	beforeAll(async () => {
		vi.doMock("../../lambda/shared/log.ts", async () => {
			const { createLogger } = await import("openclaw-sidecar");
			return { logger: createLogger("silent") };
		});
		servers = [];
		table = await startTable();
		servers.push(table);
		await table.allow({
			"slack.T01.U01": "anna",
			"telegram.4711": "anna",
			"feishu.ou_anna": "anna",
		});
		aws = await FakeAws.start();
		channels = await FakeChannel.start();
		runtime = await FakeRuntime.start();
		for (const [channel, secret] of Object.entries(SECRETS))
			aws.secrets.set(channel, { AWSCURRENT: secret });
		Object.assign(process.env, {
			CHANNEL_SECRETS: JSON.stringify({ slack: "slack", telegram: "telegram", feishu: "feishu" }),
			RUNTIME_ARN: "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/openclaw-abc",
			RUNTIME_QUALIFIER: "live",
			SIGNING_KEY_ID: "alias/tokens",
			ISSUER: "https://issuer.example",
			AUDIENCE: "openclaw",
			MAX_RECEIVES: "8",
			PIECE_WAIT_MS: "800",
		});
		const { handler } = await import("../../lambda/webhook.ts");
		worker = (await import("../../lambda/worker.ts")).handler;
		own = (await import("../../lambda/channels/outbound.ts")).OUTBOUND;
		front = await startApiFront(() => handler);
		servers.unshift(aws, channels, runtime, front);
	});

	beforeEach(() => {
		aws.sent.length = 0;
		channels.calls.length = 0;
		channels.answers.clear();
		channels.held.clear();
		channels.reactions.clear();
		channels.assistantThreads.clear();
		channels.files.clear();
		channels.slackLocale = "en-US";
		for (const scope of ["reactions:write", "users:read", "files:read"])
			channels.slackScopes.add(scope);
		runtime.invocations.length = 0;
		runtime.refusal = undefined;
		runtime.machine = () => ({ status: 200, body: { response: "hello back" } });
	});

	afterAll(async () => {
		for (const server of servers) await server[Symbol.asyncDispose]();
	});
}

export const MESSAGES = { slack: slackMessage, telegram: telegramMessage, feishu: feishuMessage };

export async function post({ path, headers, body }: WebhookRequest): Promise<unknown> {
	const response = await fetch(front.url + path, { method: "POST", headers, body });
	return ((await response.json()) as { code: string }).code;
}

export function recordOf({ MessageBody, MessageGroupId }: SentMessage, receives = 1): SQSRecord {
	const attributes = { ApproximateReceiveCount: String(receives), MessageGroupId };
	return {
		messageId: "m",
		receiptHandle: "r",
		body: MessageBody,
		attributes,
	} as unknown as SQSRecord;
}

/** Does the work of the queue. @returns the number of failures */
export async function work(receives = 1): Promise<number> {
	let failures = 0;
	for (const sent of aws.sent.splice(0)) {
		const event = { Records: [recordOf(sent, receives)] };
		const { batchItemFailures } = await worker(event, { getRemainingTimeInMillis: () => 60_000 });
		failures += batchItemFailures.length;
	}
	return failures;
}

/** Sends a message, and works until it is answered. @returns the texts in the channel */
export async function say(...requests: readonly WebhookRequest[]): Promise<string[]> {
	for (const request of requests) await post(request);
	await work();
	return texts();
}

/** A loaded machine needs more than the second that `waitFor` gives. */
export const until = async (check: () => void | Promise<void>) =>
	await vi.waitFor(check, { timeout: 20_000 });
export const texts = () => channels.messages.map(({ text }) => text);
export const paths = () =>
	channels.calls.map(({ path }) => path.replace(/\?.*/, "").split("/").at(-1)!);
export const answerWith = (response: string) => {
	runtime.machine = () => ({ status: 200, body: { response } });
};
/** What the agent was asked last. */
export const asked = () => {
	const { identityToken: _, ...request } = runtime.invocations.at(-1)?.payload ?? {};
	return request;
};

/** What counts as a picture. */
export const PNG = Buffer.from("\x89PNG\r\n\x1a\nrest", "latin1");
