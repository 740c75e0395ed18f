/**
 * Handles a channel's request: verifies it, remembers it, queues its message, and answers. The
 * worker does the rest later.
 *
 * Cheap steps come first. A verified request without a message for us, or from a user who is not
 * allowed, gets the same answer as an accepted one. Otherwise the channel would retry it, and a
 * stranger would learn something.
 */
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { encodeUserId } from "openclaw-sidecar";
import { QUICK } from "../aws-limits.ts";
import { ChannelSecrets } from "../channel-secrets.ts";
import { CHANNELS, isChannelName } from "../channels/by-name.ts";
import type { ChannelMessage, ChannelName, Opened } from "../channels/channel.ts";
import { required, requiredStrings } from "../environment.ts";
import { logger } from "../log.ts";
import { deliveryIdOf, type QueuedMessage } from "../message.ts";
import { openTable, provedId, secondsFrom, type Table } from "../state-table.ts";
import { AllowedUsers } from "./allowed-users.ts";
import { Deliveries } from "./deliveries.ts";
import { type Delivery, deliveryOf } from "./delivery.ts";
import { json, Refusal } from "./refusal.ts";

const PROOF_KEPT_DAYS = 30;

export class WebhookHandler {
	readonly #secrets = new ChannelSecrets(requiredStrings("CHANNEL_SECRETS"));
	readonly #users = new AllowedUsers(required("ALLOWED_USERS"));
	readonly #queueUrl = required("QUEUE_URL");
	readonly #queue = new SQSClient(QUICK);
	readonly #table: Table = openTable();
	readonly #deliveries = new Deliveries(this.#table);

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
				await this.#noteProof(provedId(provedWith, secret), delivery.nowMs);
				return opened;
			}
			throw error;
		}
	}

	/** A rotation accepts an operator's key only once the channel has signed with it. */
	async #noteProof(id: string, nowMs: number): Promise<void> {
		const { client, TableName } = this.#table;
		await client.send(
			new PutItemCommand({
				TableName,
				Item: { id: { S: id }, expiresAt: secondsFrom(nowMs, PROOF_KEPT_DAYS) },
			}),
		);
	}

	async #take(
		channel: ChannelName,
		{ eventId, sender, text, replyTo }: ChannelMessage,
		proof: string | undefined,
		nowMs: number,
	): Promise<APIGatewayProxyResult> {
		const userId = await this.#users.find(sender, nowMs);
		if (userId === undefined) {
			logger.warn("security.user-refused", { channel, sender });
			return json(200, { code: "IGNORED" });
		}
		const deliveryId = deliveryIdOf(channel, eventId);
		if ((await this.#deliveries.admit(deliveryId, proof, nowMs)) === "repeated") {
			logger.info("webhook.repeated", { channel, deliveryId });
			return json(200, { code: "DUPLICATE" });
		}
		const message: QueuedMessage = {
			channel,
			deliveryId,
			userId,
			replyTo,
			...(text !== undefined && { text }),
		};
		await this.#queue.send(
			new SendMessageCommand({
				QueueUrl: this.#queueUrl,
				MessageBody: JSON.stringify(message),
				MessageGroupId: encodeUserId(userId),
				MessageDeduplicationId: deliveryId,
			}),
		);
		// The message is in the queue; an error now would only make the channel retry.
		await this.#deliveries
			.markQueued(deliveryId)
			.catch((error: unknown) => logger.warn("webhook.not-remembered", { deliveryId, error }));
		logger.info("webhook.queued", { channel, deliveryId });
		return json(200, { code: "QUEUED" });
	}
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
