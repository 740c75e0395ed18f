/**
 * Handles one message, from the queue to the channel. Each step is recorded before it is taken: see
 * `answers.ts`.
 */
import { createHash } from "node:crypto";
import type { ChannelSecrets } from "../channel-secrets.ts";
import { CHANNELS } from "../channels/by-name.ts";
import { logger } from "../log.ts";
import type { QueuedMessage } from "../message.ts";
import type { SigningKey } from "../signing-key.ts";
import type { AllowedUsers } from "../webhook/allowed-users.ts";
import type { Answers } from "./answers.ts";
import { askAgent, type Runtime } from "./ask-agent.ts";
import { NOTICES } from "./notices.ts";
import { splitText } from "./split-text.ts";
import { claimsFor, type TokenRules } from "./user-token.ts";

export interface Tools {
	readonly answers: Answers;
	readonly users: AllowedUsers;
	readonly secrets: ChannelSecrets;
	readonly key: SigningKey;
	readonly tokenRules: TokenRules;
	readonly runtime: Runtime;
}

export interface Attempt {
	/** The queue does not deliver it again. */
	readonly isLast: boolean;
	/** Ends the wait for the agent early enough to tell the user. */
	readonly signal: AbortSignal;
}

/** The message was not processed, and another attempt is safe. */
class NotAsked extends Error {
	readonly code = "AGENT_NOT_ASKED";
}

/** @throws NotAsked, ChannelFailure, Error: try again */
export async function handleMessage(
	message: QueuedMessage,
	attempt: Attempt,
	tools: Tools,
): Promise<void> {
	const { deliveryId, sender, userId } = message;
	// A user who was removed meanwhile must not wake a machine again, which would write to S3.
	if ((await tools.users.find(sender)) !== userId) {
		logger.warn("security.user-removed", { channel: message.channel, sender, deliveryId });
		return await tools.answers.forget(deliveryId);
	}
	const before = await tools.answers.begin(deliveryId, Date.now());
	if (before.kind === "done") return logger.info("worker.known", { deliveryId });
	if (before.kind === "answered")
		return await sendAnswer(message, before.answer, before.sentParts, tools);
	const answer =
		before.kind === "asked" ? NOTICES.unknown : await answerTo(message, attempt, tools);
	await tools.answers.keep(deliveryId, answer);
	await sendAnswer(message, answer, 0, tools);
}

/** @throws NotAsked */
async function answerTo(message: QueuedMessage, attempt: Attempt, tools: Tools): Promise<string> {
	const { deliveryId, text } = message;
	if (text === undefined) return NOTICES.unreadable;
	const outcome = await ask(message.userId, text, attempt.signal, tools);
	logger[outcome.kind === "answered" ? "info" : "error"](`worker.${outcome.kind}`, {
		deliveryId,
		...(outcome.kind !== "answered" && { reason: outcome.reason }),
	});
	if (outcome.kind === "answered") return outcome.text.trim() === "" ? NOTICES.empty : outcome.text;
	if (outcome.kind === "unknown") return NOTICES.unknown;
	await tools.answers.forget(deliveryId);
	if (attempt.isLast) await sendPart(message, NOTICES.failed, "failed", tools);
	throw new NotAsked(outcome.reason);
}

async function ask(
	userId: string,
	text: string,
	signal: AbortSignal,
	{ key, tokenRules, runtime }: Tools,
) {
	let token: string;
	try {
		token = await key.sign(claimsFor(userId, tokenRules, Date.now()));
	} catch (error) {
		return { kind: "not-asked", reason: `no token: ${(error as Error).message}` } as const;
	}
	return await askAgent(runtime, userId, text, token, signal);
}

async function sendAnswer(
	message: QueuedMessage,
	answer: string,
	sentParts: number,
	tools: Tools,
): Promise<void> {
	const parts = splitText(answer, CHANNELS[message.channel].maxPartLength);
	for (const [index, text] of parts.entries()) {
		if (index < sentParts) continue;
		await sendPart(message, text, String(index), tools);
		await tools.answers.noteSent(message.deliveryId, index + 1);
	}
	await tools.answers.finish(message.deliveryId);
	logger.info("worker.sent", { deliveryId: message.deliveryId, parts: parts.length });
}

async function sendPart(
	{ channel, deliveryId, replyTo }: QueuedMessage,
	text: string,
	name: string,
	tools: Tools,
): Promise<void> {
	const id = createHash("sha256").update(`${deliveryId} ${name}`).digest("hex").slice(0, 40);
	await CHANNELS[channel].send({ text, replyTo, id }, await tools.secrets.current(channel));
}
