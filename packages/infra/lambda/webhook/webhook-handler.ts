/**
 * Handles a channel's request: verifies it, remembers it, queues its message, and answers. The
 * worker does the rest later.
 *
 * Cheap steps come first. A verified request without a message for us gets the same status as an
 * accepted one, because the channel would retry any other. A user who is not allowed is told their id
 * once a day, and once more if they ask with a command, so that an operator can allow them.
 */
import { createHash } from "node:crypto";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { encodeUserId } from "openclaw-sidecar";
import { CHANNELS, isChannelName } from "../channels/by-name.ts";
import type { ChannelMessage, ChannelName, Opened } from "../channels/channel.ts";
import { type Delivery, deliveryOf } from "../channels/delivery.ts";
import { QUICK } from "../shared/aws-limits.ts";
import { ChannelSecrets } from "../shared/channel-secrets.ts";
import { required, requiredStrings } from "../shared/environment.ts";
import { logger } from "../shared/log.ts";
import { deliveryIdOf, type QueuedMessage } from "../shared/message.ts";
import { json, Refusal } from "../shared/refusal.ts";
import { AllowedUsers } from "../state/allowed-users.ts";
import { Deliveries } from "../state/deliveries.ts";
import { Pastes } from "../state/pastes.ts";
import { Stops } from "../state/stops.ts";
import { keptFor, openTable, provedId, type Table } from "../state/table.ts";

const PROOF_KEPT_DAYS = 30;

export class WebhookHandler {
	readonly #secrets = new ChannelSecrets(requiredStrings("CHANNEL_SECRETS"));
	readonly #users = new AllowedUsers();
	readonly #queueUrl = required("QUEUE_URL");
	readonly #queue = new SQSClient(QUICK);
	readonly #table: Table = openTable();
	readonly #deliveries = new Deliveries(this.#table);
	readonly #pastes = new Pastes(this.#table);
	readonly #stops = new Stops(this.#table);

	/** @throws Refusal, Error */
	async receive(event: APIGatewayProxyEvent, nowMs: number): Promise<APIGatewayProxyResult> {
		const channel = /^\/webhook\/([a-z]+)\/?$/.exec(event.path)?.[1] ?? "";
		if (!isChannelName(channel)) throw new Refusal("PATH_UNKNOWN");
		if (event.httpMethod !== "POST") throw new Refusal("METHOD_NOT_ALLOWED");
		if (!this.#secrets.has(channel)) throw new Refusal("CHANNEL_CLOSED");
		const { content, proof } = await this.#open(channel, deliveryOf(event, nowMs));
		if (content.kind === "challenge") return json(200, content.answer);
		if (content.kind === "ignored") {
			logger.info("webhook.ignored", { channel, reason: content.reason });
			return json(200, { code: "IGNORED" });
		}
		return await this.#take(channel, content.message, proof, nowMs);
	}

	/** Tries the current secret, and if that fails, one that is about to replace it. */
	async #open(channel: ChannelName, delivery: Delivery): Promise<Opened> {
		const { open, provedWith } = CHANNELS[channel];
		try {
			return open(delivery, await this.#secrets.current(channel, delivery.nowMs));
		} catch (error) {
			if (!isUnproved(error)) throw error;
			for (const secret of await this.#secrets.replacing(channel, delivery.nowMs)) {
				const opened = openOrUndefined(() => open(delivery, secret));
				if (opened === undefined) continue;
				// A rotation accepts an operator's key only once the channel has signed with it.
				const kept = keptFor(PROOF_KEPT_DAYS, delivery.nowMs);
				await this.#table.put(provedId(provedWith, secret), kept);
				return opened;
			}
			throw error;
		}
	}

	async #take(
		channel: ChannelName,
		message: ChannelMessage,
		proof: string | undefined,
		nowMs: number,
	): Promise<APIGatewayProxyResult> {
		const { sender } = message;
		const userId = await this.#users.find(sender);
		if (userId === undefined) logger.warn("security.user-refused", { channel, sender });
		const rule = ruleFor(message, userId);
		if (rule !== undefined && (await this.#wasTold(rule, nowMs)))
			return json(200, { code: "IGNORED" });
		const deliveryId = deliveryIdOf(channel, message.eventId);
		if ((await this.#deliveries.admit(deliveryId, proof, nowMs)) === "repeated") {
			logger.info("webhook.repeated", { channel, deliveryId });
			return json(200, { code: "DUPLICATE" });
		}
		await this.#pass(channel, deliveryId, userId, message, nowMs);
		// The message is in the queue; an error now would only make the channel retry.
		if (rule !== undefined)
			await this.#noteTold(rule, nowMs).catch((error: unknown) =>
				logger.warn("webhook.notice-not-remembered", { deliveryId, error }),
			);
		await this.#deliveries
			.markQueued(deliveryId)
			.catch((error: unknown) => logger.warn("webhook.not-remembered", { deliveryId, error }));
		logger.info("webhook.queued", { channel, deliveryId });
		return json(200, { code: userId === undefined ? "IGNORED" : "QUEUED" });
	}

	/** Queues it, or adds it to the message whose piece it is. */
	async #pass(
		channel: ChannelName,
		deliveryId: string,
		userId: string | undefined,
		message: ChannelMessage,
		nowMs: number,
	): Promise<void> {
		const { sender, language, piece, text, attachments, unread, replyTo } = message;
		const common = {
			channel,
			deliveryId,
			sender,
			replyTo,
			queuedMs: nowMs,
			...(language !== undefined && { language }),
		};
		const notice = noticeFor(message, userId);
		if (userId === undefined || notice !== undefined) {
			const own = { ...common, userId: userId ?? sender, notice };
			const group = groupBeside("aside", userId ?? sender);
			// Of several at the same time, the queue takes one.
			const rule = ruleFor(message, userId);
			return await this.#send(own, group, rule && deliveryIdOf(channel, rule.id));
		}
		const said = {
			...(text !== undefined && { text }),
			...(attachments !== undefined && { attachments }),
			...(unread !== undefined && { unread }),
		};
		const queued = { ...common, ...said, userId };
		// It would wait behind the turn that it is to end.
		if (commandIn(message) === "stop") {
			await this.#stops.note(userId, nowMs);
			return await this.#send({ ...queued, text: "/stop" }, groupBeside("stop", userId));
		}
		// A command of the agent is no piece of a text. A path or a paragraph may be.
		const mayBePiece = piece !== undefined && !/^\/[\w-]+(?:[^\S\n][^\n]*)?$/.test(text ?? "");
		if (mayBePiece && (await this.#pastes.join(sender, deliveryId, { ...piece, ...said }, nowMs)))
			return;
		const mayContinue = piece?.mayContinue === true;
		if (mayContinue) await this.#pastes.open(sender, deliveryId, { ...piece, ...said }, nowMs);
		await this.#send({ ...queued, ...(mayContinue && { mayContinue }) }, encodeUserId(userId));
	}

	async #send(message: QueuedMessage, group: string, onceId = message.deliveryId): Promise<void> {
		await this.#queue.send(
			new SendMessageCommand({
				QueueUrl: this.#queueUrl,
				MessageBody: JSON.stringify(message),
				MessageGroupId: group,
				MessageDeduplicationId: onceId,
			}),
		);
	}

	async #wasTold({ id }: Rule, nowMs: number): Promise<boolean> {
		const item = await this.#table.get(id);
		return Number(item?.expiresAt?.N) > nowMs / 1_000;
	}

	async #noteTold({ id, days }: Rule, nowMs: number): Promise<void> {
		await this.#table.put(id, keptFor(days, nowMs));
	}
}

/** A notice that is sent once in so many days, about. */
interface Rule {
	readonly id: string;
	readonly days: number;
}

/** Strangers cost money: two lines a day, one of them if they ask with a command. */
function ruleFor(message: ChannelMessage, userId: string | undefined): Rule | undefined {
	const { sender, isEdit } = message;
	const asked = commandIn(message) === undefined ? "" : "asked";
	if (userId === undefined) return { id: `stranger#${sender}#${asked}`, days: 1 };
	return isEdit ? { id: `edited#${sender}`, days: 1 / 24 } : undefined;
}

/** What the bot answers itself. `/start` is what Telegram sends when a person opens the bot. */
function noticeFor(message: ChannelMessage, userId: string | undefined): QueuedMessage["notice"] {
	const { sender } = message;
	if (userId === undefined) return { phrase: "stranger", values: { sender } };
	if (message.isEdit) return { phrase: "edited", values: {} };
	const command = commandIn(message);
	if (command === "whoami") return { phrase: "whoami", values: { sender, user: userId } };
	if (command === "help" || command === "start") return { phrase: "help", values: {} };
	return undefined;
}

function commandIn({ text, attachments }: ChannelMessage): string | undefined {
	if (attachments !== undefined) return undefined;
	return /^\s*\/(whoami|help|start|stop)\s*$/.exec(text ?? "")?.[1];
}

/** Beside the user's turns, which may take minutes. `/stop` does not wait for notices either. */
function groupBeside(name: "aside" | "stop", userId: string): string {
	return `${name}.${createHash("sha256").update(userId).digest("hex")}`;
}

function openOrUndefined(open: () => Opened): Opened | undefined {
	try {
		return open();
	} catch (error) {
		if (isUnproved(error)) return undefined;
		throw error;
	}
}

/** A secret that lacks what proves requests proves nothing, as a wrong one does. */
function isUnproved(error: unknown): boolean {
	return (
		error instanceof Refusal &&
		(error.code === "SIGNATURE_INVALID" || error.code === "CHANNEL_MISCONFIGURED")
	);
}
