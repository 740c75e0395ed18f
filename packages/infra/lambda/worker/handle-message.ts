/**
 * Handles one message, from the queue to the channel. Each step is recorded before it is taken: see
 * `state/answers.ts`.
 */
import { createHash } from "node:crypto";
import { ChannelFailure } from "../channels/call.ts";
import { OUTBOUND } from "../channels/outbound.ts";
import { plainText, richText, type Span } from "../format/rich-text.ts";
import { split } from "../format/split.ts";
import { type Phrase, say } from "../shared/catalog.ts";
import type { ChannelSecrets } from "../shared/channel-secrets.ts";
import { logger } from "../shared/log.ts";
import type { QueuedMessage } from "../shared/message.ts";
import type { SigningKey } from "../shared/signing-key.ts";
import type { AllowedUsers } from "../state/allowed-users.ts";
import type { Answers, Progress } from "../state/answers.ts";
import type { Pastes } from "../state/pastes.ts";
import type { Stops } from "../state/stops.ts";
import { askAgent, type Outcome, type Runtime } from "./ask-agent.ts";
import { collect } from "./attachments.ts";
import { removeSign, ShownProgress } from "./shown-progress.ts";
import { claimsFor, type TokenRules } from "./user-token.ts";

export interface Tools {
	readonly answers: Answers;
	readonly users: AllowedUsers;
	readonly pastes: Pastes;
	readonly stops: Stops;
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

/** More would be 80,000 characters, and take longer than the function has. */
const MAX_PARTS = 20;
/** What the webhook handler makes of it. */
const STOP = "/stop";
const MAX_LANGUAGE_MS = 3_000;

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
		if (message.mayContinue) await tools.pastes.forget(deliveryId);
		return await tools.answers.forget(deliveryId);
	}
	const before = await tools.answers.begin(deliveryId, Date.now());
	if (before.kind !== "done" && notice !== undefined)
		return await sendNotice(message, notice, tools);
	if (before.kind !== "new") {
		try {
			return await goOn(message, before, tools);
		} finally {
			await removeSign(message, tools.secrets, before.shown);
		}
	}
	const progress = new ShownProgress(message, tools.secrets, async (shown) => {
		await tools.answers.noteShown(deliveryId, shown);
	});
	try {
		const answer = await answerTo(message, attempt, tools);
		await tools.answers.keep(deliveryId, answer);
		progress.stop();
		await sendAnswer(message, answer, 0, tools);
	} finally {
		await progress.end();
	}
}

/** After an attempt that broke off, or that the queue repeats. */
async function goOn(
	message: QueuedMessage,
	before: Exclude<Progress, { readonly kind: "new" }>,
	tools: Tools,
): Promise<void> {
	if (before.kind === "done")
		return logger.info("worker.known", { deliveryId: message.deliveryId });
	if (before.kind === "answered")
		return await sendAnswer(message, before.answer, before.sentParts, tools);
	await sendAnswer(message, await saying(message, tools, { phrase: "unknown" }), 0, tools);
}

/** One that the channel refuses is finished: a stranger who blocked the bot is no failure. */
async function sendNotice(
	message: QueuedMessage,
	notice: NonNullable<QueuedMessage["notice"]>,
	tools: Tools,
): Promise<void> {
	try {
		await sendAnswer(message, await saying(message, tools, notice), 0, tools);
	} catch (error) {
		if (!(error instanceof ChannelFailure && error.kind === "refused")) throw error;
		logger.warn("worker.notice-refused", { deliveryId: message.deliveryId, error });
		await tools.answers.finish(message.deliveryId);
	}
}

/** @throws NotAsked */
async function answerTo(queued: QueuedMessage, attempt: Attempt, tools: Tools): Promise<string> {
	const { deliveryId } = queued;
	const tell = async (phrase: Phrase, values = {}) =>
		await saying(queued, tools, { phrase, values });
	const { request, remarks, isStopped } = await prepare(queued, attempt.signal, {
		tell,
		tools,
	}).catch(async (error: unknown) => {
		await tools.answers.forget(deliveryId);
		throw error;
	});
	if (isStopped) {
		logger.info("worker.stopped", { deliveryId, reason: "before it was asked" });
		return await tell("stopped");
	}
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

interface Prepared {
	readonly request?: object;
	readonly remarks: readonly string[];
	/** The user wrote /stop after it. */
	readonly isStopped?: true;
}

type Tell = (phrase: Phrase, values?: Readonly<Record<string, string>>) => Promise<string>;

/**
 * @returns the request, if the agent can read anything of the message, and what to tell the user
 * about the rest
 */
async function prepare(
	queued: QueuedMessage,
	signal: AbortSignal,
	{ tell, tools: { pastes, secrets, stops } }: { readonly tell: Tell; readonly tools: Tools },
): Promise<Prepared> {
	const { channel, userId, queuedMs = Number.POSITIVE_INFINITY } = queued;
	const said = queued.mayContinue ? await pastes.collect(queued.deliveryId) : queued;
	// The first piece alone would be another message.
	if (said === undefined) return { remarks: [await tell("failed")] };
	const { text, attachments = [], unread = [] } = said;
	const { parts, names, problems } = await collect(
		attachments,
		channel,
		await secrets.current(channel),
		signal,
	);
	if (text !== STOP && (await stops.isAfter(userId, queuedMs)))
		return { remarks: [], isStopped: true };
	const remarks: string[] = [];
	for (const { name, reason, limit } of problems)
		remarks.push(await tell("unread", { name, reason: await tell(reason, { limit: `${limit}` }) }));
	for (const phrase of new Set(unread)) remarks.push(await tell(phrase));
	if (text === undefined && parts.length === 0) return { remarks };
	const prompt = text ?? (await tell("attached", { name: names.join(", ") }));
	if (parts.length === 0) return { request: { prompt }, remarks };
	const content = [{ type: "text", text: prompt }, ...parts];
	return { request: { messages: [{ role: "user", content }] }, remarks };
}

async function ask(
	userId: string,
	request: object,
	signal: AbortSignal,
	{ key, tokenRules, runtime }: Tools,
): Promise<Outcome> {
	// Nothing would wait for its answer.
	if (signal.aborted) return { kind: "not-asked", reason: "no time left for the agent" };
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
	message: QueuedMessage,
	{ secrets }: Tools,
	{
		phrase,
		values,
	}: { readonly phrase: Phrase; readonly values?: Readonly<Record<string, string>> },
): Promise<string> {
	const spoken = languages.get(message) ?? languageOf(message, secrets);
	languages.set(message, spoken);
	return say(await spoken, phrase, values);
}

/** Asked once for each message. */
const languages = new WeakMap<QueuedMessage, Promise<string | undefined>>();

async function languageOf(
	{ channel, language, replyTo, deliveryId }: QueuedMessage,
	secrets: ChannelSecrets,
): Promise<string | undefined> {
	if (language !== undefined) return language;
	try {
		const signal = AbortSignal.timeout(MAX_LANGUAGE_MS);
		return await OUTBOUND[channel].languageOf?.(replyTo, await secrets.current(channel), signal);
	} catch (error) {
		logger.info("worker.language-unknown", { deliveryId, error });
		return undefined;
	}
}

async function sendAnswer(
	message: QueuedMessage,
	answer: string,
	sentParts: number,
	tools: Tools,
): Promise<void> {
	const parts = await partsOf(message, answer, tools);
	for (const [index, spans] of parts.entries()) {
		if (index < sentParts) continue;
		await sendPart(message, spans, String(index), tools);
		await tools.answers.noteSent(message.deliveryId, index + 1);
	}
	if (message.mayContinue) await tools.pastes.forget(message.deliveryId);
	await tools.answers.finish(message.deliveryId);
	logger.info("worker.sent", { deliveryId: message.deliveryId, parts: parts.length });
}

/** The last of too many says how much is left out. */
async function partsOf(
	message: QueuedMessage,
	answer: string,
	tools: Tools,
): Promise<(readonly Span[])[]> {
	const parts = split(richText(answer), OUTBOUND[message.channel].maxPartLength);
	if (parts.length <= MAX_PARTS) return parts;
	const lengthOf = (some: readonly (readonly Span[])[]) => plainText(some.flat()).length;
	const values = {
		left: String(lengthOf(parts.slice(MAX_PARTS - 1))),
		total: String(lengthOf(parts)),
	};
	const text = await saying(message, tools, { phrase: "cut", values });
	return [...parts.slice(0, MAX_PARTS - 1), [{ text, style: {} }]];
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
