/**
 * Handles one message, from the queue to the channel. Each step is recorded before it is taken: see
 * `answers.ts`.
 */
import { createHash } from "node:crypto";
import { type Phrase, say } from "../catalog.ts";
import type { ChannelSecrets } from "../channel-secrets.ts";
import { OUTBOUND } from "../channels/outbound.ts";
import { richText, type Span } from "../format/rich-text.ts";
import { split } from "../format/split.ts";
import { logger } from "../log.ts";
import type { QueuedMessage } from "../message.ts";
import type { Pastes } from "../pastes.ts";
import type { SigningKey } from "../signing-key.ts";
import type { AllowedUsers } from "../webhook/allowed-users.ts";
import type { Answers } from "./answers.ts";
import { askAgent, type Outcome, type Runtime } from "./ask-agent.ts";
import { collect } from "./attachments.ts";
import { ShownProgress } from "./shown-progress.ts";
import { claimsFor, type TokenRules } from "./user-token.ts";

export interface Tools {
	readonly answers: Answers;
	readonly users: AllowedUsers;
	readonly pastes: Pastes;
	readonly secrets: ChannelSecrets;
	readonly key: SigningKey;
	readonly tokenRules: TokenRules;
	readonly runtime: Runtime;
}

export interface Attempt {
	/** From 1. */
	readonly number: number;
	/** The queue does not deliver it again. */
	readonly isLast: boolean;
	/** Ends the wait for the agent early enough to tell the user. */
	readonly signal: AbortSignal;
}

/** Half a minute after the first. Before, the agent is usually back. */
const TELLING_ATTEMPT = 3;

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
	const { deliveryId, sender, userId, notice } = message;
	// A user who was removed meanwhile must not wake a machine again, which would write to S3.
	if (notice === undefined && (await tools.users.find(sender)) !== userId) {
		logger.warn("security.user-removed", { channel: message.channel, sender, deliveryId });
		return await tools.answers.forget(deliveryId);
	}
	const before = await tools.answers.begin(deliveryId, Date.now());
	if (before.kind === "done") return logger.info("worker.known", { deliveryId });
	if (before.kind === "answered")
		return await sendAnswer(message, before.answer, before.sentParts, tools);
	if (notice !== undefined)
		return await sendAnswer(message, await saying(message, tools, notice), 0, tools);
	if (before.kind === "asked")
		return await sendAnswer(message, await saying(message, tools, { phrase: "unknown" }), 0, tools);
	const progress = new ShownProgress(message, tools.secrets);
	try {
		const answer = await answerTo(message, attempt, tools);
		await tools.answers.keep(deliveryId, answer);
		progress.stop();
		await sendAnswer(message, answer, 0, tools);
		if (message.mayContinue) await tools.pastes.forget(deliveryId);
	} finally {
		await progress.end();
	}
}

/** @throws NotAsked */
async function answerTo(queued: QueuedMessage, attempt: Attempt, tools: Tools): Promise<string> {
	const { deliveryId } = queued;
	const tell = async (phrase: Phrase, values = {}) =>
		await saying(queued, tools, { phrase, values });
	const { request, remarks } = await prepare(queued, tell, tools).catch(async (error: unknown) => {
		await tools.answers.forget(deliveryId);
		throw error;
	});
	if (request === undefined) return remarks.join("\n\n");
	const outcome = await ask(queued.userId, request, attempt.signal, tools);
	const isGood = outcome.kind === "answered" || outcome.kind === "stopped";
	logger[isGood ? "info" : "error"](`worker.${outcome.kind}`, {
		deliveryId,
		...(outcome.kind !== "answered" && { reason: outcome.reason }),
	});
	if (outcome.kind === "not-asked") {
		await tools.answers.forget(deliveryId);
		const phrase = attempt.isLast ? "failed" : "delayed";
		if (attempt.isLast || attempt.number === TELLING_ATTEMPT)
			await sendPart(queued, richText(await tell(phrase)), phrase, tools);
		throw new NotAsked(outcome.reason);
	}
	if (outcome.kind !== "answered") return await tell(outcome.kind);
	const answer = outcome.text.trim() === "" ? await tell("empty") : outcome.text;
	return [...remarks, answer].join("\n\n");
}

type Tell = (phrase: Phrase, values?: Readonly<Record<string, string>>) => Promise<string>;

/**
 * @returns the request, if the agent can read anything of the message, and what to tell the user
 * about the rest
 */
async function prepare(
	queued: QueuedMessage,
	tell: Tell,
	{ pastes, secrets }: Tools,
): Promise<{ readonly request?: object; readonly remarks: readonly string[] }> {
	const { channel } = queued;
	const pieces = queued.mayContinue ? await pastes.collect(queued.deliveryId) : undefined;
	const { text, attachments = [], unread = [] } = pieces ?? queued;
	const { parts, names, problems } = await collect(
		attachments,
		channel,
		await secrets.current(channel),
	);
	const remarks: string[] = [];
	for (const { name, reason, limit } of problems)
		remarks.push(await tell("unread", { name, reason: await tell(reason, { limit: `${limit}` }) }));
	for (const phrase of new Set(unread)) remarks.push(await tell(phrase));
	if (text === undefined && parts.length === 0) return { remarks };
	const said = text ?? (await tell("attached", { name: names.join(", ") }));
	if (parts.length === 0) return { request: { prompt: said }, remarks };
	const content = [{ type: "text", text: said }, ...parts];
	return { request: { messages: [{ role: "user", content }] }, remarks };
}

async function ask(
	userId: string,
	request: object,
	signal: AbortSignal,
	{ key, tokenRules, runtime }: Tools,
): Promise<Outcome> {
	let token: string;
	try {
		token = await key.sign(claimsFor(userId, tokenRules, Date.now()));
	} catch (error) {
		return { kind: "not-asked", reason: `no token: ${(error as Error).message}` };
	}
	return await askAgent(runtime, userId, request, token, signal);
}

/** In the user's language, if the channel tells it. */
async function saying(
	{ channel, language, replyTo, deliveryId }: QueuedMessage,
	{ secrets }: Tools,
	{
		phrase,
		values,
	}: { readonly phrase: Phrase; readonly values?: Readonly<Record<string, string>> },
): Promise<string> {
	const { languageOf } = OUTBOUND[channel];
	let spoken = language;
	if (spoken === undefined && languageOf !== undefined)
		spoken = await languageOf(replyTo, await secrets.current(channel)).catch((error: unknown) => {
			logger.info("worker.language-unknown", { deliveryId, error });
			return undefined;
		});
	return say(spoken, phrase, values);
}

async function sendAnswer(
	message: QueuedMessage,
	answer: string,
	sentParts: number,
	tools: Tools,
): Promise<void> {
	const parts = split(richText(answer), OUTBOUND[message.channel].maxPartLength);
	for (const [index, spans] of parts.entries()) {
		if (index < sentParts) continue;
		await sendPart(message, spans, String(index), tools);
		await tools.answers.noteSent(message.deliveryId, index + 1);
	}
	await tools.answers.finish(message.deliveryId);
	logger.info("worker.sent", { deliveryId: message.deliveryId, parts: parts.length });
}

async function sendPart(
	{ channel, deliveryId, replyTo }: QueuedMessage,
	spans: readonly Span[],
	name: string,
	tools: Tools,
): Promise<void> {
	const id = createHash("sha256").update(`${deliveryId} ${name}`).digest("hex").slice(0, 40);
	await OUTBOUND[channel].send({ spans, replyTo, id }, await tools.secrets.current(channel));
}
