/**
 * Sends one message through the real door, as the channel would, and waits until the agent has
 * answered and the channel has taken the answer.
 *
 * It sees what the worker logs for this message, not the text: no log holds an answer. The person
 * whose account is used reads the answer in their chat. So everything is tested that a first
 * message needs, but one thing: that the channel knows the door's URL.
 */
import { setTimeout as wait } from "node:timers/promises";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import type { APIGatewayProxyEvent } from "aws-lambda";
import { CHANNELS } from "../lambda/channels/by-name.ts";
import { deliveryOf } from "../lambda/channels/delivery.ts";
import { deliveryIdOf } from "../lambda/shared/message.ts";
import { PROBE_HEADER } from "../lib/chats/firewall.ts";
import type { Channel } from "../lib/settings/config.ts";
import { type ChannelRequest, requestAs } from "./channel-request.ts";
import type { SecretFields } from "./channel-setup.ts";
import { ToolError } from "./tool-error.ts";

const TEXT = "This is a smoke test of your installation. Please answer in one sentence.";
const PAUSE_MS = 2_000;

export interface SmokeOptions {
	readonly region: string;
	readonly channel: Channel;
	/** An allowed user, whose chat gets the answer. */
	readonly sender: string;
	readonly url: string;
	readonly probeKey: string;
	readonly secret: SecretFields;
	readonly workerLogs: string;
	/** A first machine starts, restores, and asks its model. */
	readonly timeoutMs: number;
	readonly say: (line: string) => void;
	readonly pauseMs?: number;
}

export interface SmokeResult {
	readonly deliveryId: string;
	readonly queuedMs: number;
	readonly answeredMs: number;
}

/** @throws ToolError SMOKE_FAILED, with the part that failed and its reason */
export async function smoke(options: SmokeOptions): Promise<SmokeResult> {
	const { channel, sender, secret, say } = options;
	const startedMs = Date.now();
	const request = await requestAs(channel, sender, TEXT, secret);
	const deliveryId = deliveryIdOfRequest(channel, request, secret);
	await knock(options, request);
	const queuedMs = Date.now() - startedMs;
	say(`the door took the message in ${queuedMs} ms; waiting for the agent`);
	await untilAnswered(options, deliveryId, startedMs);
	return { deliveryId, queuedMs, answeredMs: Date.now() - startedMs };
}

/** Also proves that the request is what the webhook handler accepts with this secret. */
function deliveryIdOfRequest(
	channel: Channel,
	{ headers, body }: ChannelRequest,
	secret: SecretFields,
): string {
	const event = { headers, body, isBase64Encoded: false } as unknown as APIGatewayProxyEvent;
	const { content } = CHANNELS[channel].open(deliveryOf(event, Date.now()), secret);
	if (content.kind !== "message")
		throw new Error(`the smoke test's own message is ${content.kind}`);
	return deliveryIdOf(channel, content.message.eventId);
}

async function knock(
	{ url, probeKey, sender }: SmokeOptions,
	{ headers, body }: ChannelRequest,
): Promise<void> {
	let status: number;
	let code: unknown;
	try {
		const response = await fetch(url, {
			method: "POST",
			headers: { "content-type": "application/json", [PROBE_HEADER]: probeKey, ...headers },
			body,
			redirect: "error",
			signal: AbortSignal.timeout(15_000),
		});
		status = response.status;
		({ code } = (await response.json().catch(() => ({}))) as { readonly code?: unknown });
	} catch (error) {
		const { cause, message } = error as Error;
		throw failed(
			`the door ${url} does not answer: ${cause instanceof Error ? cause.message : message}`,
			"look whether the stack is deployed, and whether this machine reaches the internet",
		);
	}
	if (status === 200 && code === "QUEUED") return;
	if (status === 200)
		throw failed(
			`the door ignored the message (${code}): ${sender} is not allowed`,
			`\`pnpm infra:users add ${sender}\``,
		);
	throw failed(
		`the door answered ${status} ${code ?? ""}`.trim(),
		code === undefined
			? "API Gateway or WAF refused it: look at the access log and at the log of WAF"
			: "the stored secret is not the one that the webhook handler reads; wait a minute after a change, then look at its log",
	);
}

interface LogLine {
	readonly event: string;
	readonly reason: string | undefined;
}

async function untilAnswered(
	{ region, workerLogs, timeoutMs, pauseMs = PAUSE_MS, say }: SmokeOptions,
	deliveryId: string,
	startedMs: number,
): Promise<void> {
	const client = new CloudWatchLogsClient({ region });
	const told = new Set<string>();
	let last = "the worker logged nothing about it";
	let hasReason = false;
	// At least one look, however long the door took.
	for (let isLate = false; !isLate; ) {
		isLate = Date.now() - startedMs >= timeoutMs;
		const lines = await linesAbout(client, workerLogs, deliveryId, startedMs);
		for (const { event, reason = "" } of lines) {
			const line = `${event} ${reason}`.trim();
			if (told.has(line)) continue;
			told.add(line);
			say(line);
			if (reason !== "" || !hasReason) last = line;
			hasReason ||= reason !== "";
		}
		const events = new Set(lines.map(({ event }) => event));
		if (events.has("worker.answered") && events.has("worker.sent")) return;
		if (events.has("worker.unknown") || events.has("security.user-removed")) break;
		if (!isLate) await wait(pauseMs);
	}
	throw failed(
		`no answer after ${Math.round((Date.now() - startedMs) / 1_000)} s: ${last}`,
		`look at the log group ${workerLogs} for ${deliveryId}, then at the machines' log; docs/troubleshooting.md explains its codes`,
	);
}

async function linesAbout(
	client: CloudWatchLogsClient,
	logGroupName: string,
	deliveryId: string,
	startTime: number,
): Promise<readonly LogLine[]> {
	const lines: LogLine[] = [];
	let nextToken: string | undefined;
	do {
		const page = await client.send(
			new FilterLogEventsCommand({
				logGroupName,
				startTime,
				filterPattern: `"${deliveryId}"`,
				...(nextToken !== undefined && { nextToken }),
			}),
		);
		for (const { message = "" } of page.events ?? []) {
			const event = /"event":\s*"([\w.-]+)"/.exec(message)?.[1];
			if (event === undefined) continue;
			lines.push({ event, reason: /"reason":\s*"((?:[^"\\]|\\.)*)"/.exec(message)?.[1] });
		}
		nextToken = page.nextToken;
	} while (nextToken !== undefined);
	return lines;
}

function failed(message: string, remedy: string): ToolError {
	return new ToolError("SMOKE_FAILED", message, remedy);
}
