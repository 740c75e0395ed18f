/**
 * Joins the pieces that Telegram makes of a long text or of an album, so that they are one turn.
 *
 * The first piece is queued as usual. Pieces that follow within seconds are added to it in the table
 * and not queued. The worker waits until no more come, and closes it. A piece that comes too late is
 * queued as a message of its own, so none is lost.
 */
import { setTimeout as wait } from "node:timers/promises";
import {
	type AttributeValue,
	ConditionalCheckFailedException,
	GetItemCommand,
	PutItemCommand,
	UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { parseJson } from "./environment.ts";
import { logger } from "./log.ts";
import { Said } from "./message.ts";
import { secondsFrom, type Table } from "./state-table.ts";

/** Telegram tells the second at which a piece was written. */
const FOLLOWS_WITHIN_MS = 2_000;
/** An item can have 400 KB, and a piece of 4,096 characters has 12 KB. */
const MAX_PIECES = 25;
/** A shorter text was cut at a white space. */
const FULL_LENGTH = 4_096;
/** The worker deletes the texts earlier. A message can wait 1 day in the queue and 14 as a dead letter. */
const KEPT_DAYS = 16;

type Key = Record<"id", { readonly S: string }>;

export interface Piece extends Said {
	readonly order: number;
	readonly writtenMs: number;
	readonly mayContinue: boolean;
}

export class Pastes {
	readonly #table: Table;
	readonly #waitMs: number;

	/** @param waitMs for the next piece; every long message waits this long */
	constructor(table: Table, waitMs = 1_500) {
		this.#table = table;
		this.#waitMs = waitMs;
	}

	/**
	 * Adds a piece to the message before it. A piece that the channel repeats stays in the message
	 * that it joined, also after that was asked.
	 * @returns whether it is in another message, and so must not be queued
	 */
	async join(sender: string, deliveryId: string, piece: Piece, nowMs: number): Promise<boolean> {
		const { client, TableName } = this.#table;
		const own = await this.#read(keyOf(deliveryId));
		// Its queuing broke off, and others may have joined it.
		if (own?.orders !== undefined) return false;
		const first = own?.joins?.S ?? (await this.#findFirst(sender, piece));
		if (first === undefined) return false;
		const order = String(piece.order);
		if (own === undefined) {
			const expiresAt = secondsFrom(nowMs, KEPT_DAYS);
			const Item = { ...keyOf(deliveryId), joins: { S: first }, expiresAt };
			await client.send(new PutItemCommand({ TableName, Item }));
		}
		try {
			await client.send(
				new UpdateItemCommand({
					TableName,
					Key: keyOf(first),
					UpdateExpression:
						"SET pieces.#order = :piece, atMs = :now, mayContinue = :may ADD orders :orders",
					ConditionExpression:
						"mayContinue = :true AND attribute_not_exists(closed) AND size(pieces) < :max",
					ExpressionAttributeNames: { "#order": order },
					ExpressionAttributeValues: {
						...valuesOf(piece, nowMs),
						":orders": { SS: [order] },
						":true": { BOOL: true },
						":max": { N: String(MAX_PIECES) },
					},
				}),
			);
		} catch (error) {
			if (!(error instanceof ConditionalCheckFailedException)) throw error;
			return (await this.#read(keyOf(first)))?.orders?.SS?.includes(order) === true;
		}
		await this.#noteLast(sender, first, piece, nowMs);
		return true;
	}

	/** Begins with the piece of a message that is about to be queued. */
	async open(sender: string, deliveryId: string, piece: Piece, nowMs: number): Promise<void> {
		const { client, TableName } = this.#table;
		const { ":piece": content, ":now": atMs, ":may": mayContinue } = valuesOf(piece, nowMs);
		const order = String(piece.order);
		const Item = {
			...keyOf(deliveryId),
			pieces: { M: { [order]: content } },
			orders: { SS: [order] },
			atMs,
			mayContinue,
			expiresAt: secondsFrom(nowMs, KEPT_DAYS),
		};
		try {
			await client.send(
				new PutItemCommand({
					TableName,
					Item,
					ConditionExpression: "attribute_not_exists(orders)",
				}),
			);
		} catch (error) {
			// The channel repeats a delivery whose queuing broke off, and others have joined it.
			if (!(error instanceof ConditionalCheckFailedException)) throw error;
		}
		await this.#noteLast(sender, deliveryId, piece, nowMs);
	}

	/** Waits for the last piece. @returns all of them as one, the same each time */
	async collect(deliveryId: string): Promise<Said | undefined> {
		const { client, TableName } = this.#table;
		for (;;) {
			const Item = await this.#read(keyOf(deliveryId));
			if (Item?.pieces === undefined) return undefined;
			const quietMs = Date.now() - Number(Item.atMs?.N);
			const isComplete = Item.closed !== undefined || Item.mayContinue?.BOOL !== true;
			if (!isComplete && quietMs < this.#waitMs) {
				await wait(this.#waitMs - quietMs);
				continue;
			}
			try {
				const closed = await client.send(
					new UpdateItemCommand({
						TableName,
						Key: keyOf(deliveryId),
						UpdateExpression: "SET closed = :true",
						ConditionExpression: "atMs = :seen",
						ExpressionAttributeValues: { ":true": { BOOL: true }, ":seen": Item.atMs! },
						ReturnValues: "ALL_NEW",
					}),
				);
				return joined(closed.Attributes?.pieces?.M ?? {});
			} catch (error) {
				if (!(error instanceof ConditionalCheckFailedException)) throw error;
			}
		}
	}

	/** Deletes the texts. Which pieces it had stays known, because the channel may repeat them. */
	async forget(deliveryId: string): Promise<void> {
		const { client, TableName } = this.#table;
		await client
			.send(
				new UpdateItemCommand({
					TableName,
					Key: keyOf(deliveryId),
					UpdateExpression: "SET closed = :true REMOVE pieces",
					ConditionExpression: "attribute_exists(id)",
					ExpressionAttributeValues: { ":true": { BOOL: true } },
				}),
			)
			.catch((error: unknown) => {
				if (!(error instanceof ConditionalCheckFailedException)) throw error;
			});
	}

	/** @returns the message that the sender wrote in the same seconds */
	async #findFirst(sender: string, { writtenMs }: Piece): Promise<string | undefined> {
		const last = await this.#read(lastKey(sender));
		const apartMs = Math.abs(writtenMs - Number(last?.writtenMs?.N));
		return apartMs <= FOLLOWS_WITHIN_MS ? last?.first?.S : undefined;
	}

	async #read(Key: Key): Promise<Record<string, AttributeValue> | undefined> {
		const { client, TableName } = this.#table;
		const { Item } = await client.send(
			new GetItemCommand({ TableName, Key, ConsistentRead: true }),
		);
		return Item;
	}

	/** Without it, the next piece is a turn of its own: not worth a failure. */
	async #noteLast(
		sender: string,
		first: string,
		{ writtenMs }: Piece,
		nowMs: number,
	): Promise<void> {
		const { client, TableName } = this.#table;
		const Item = {
			...lastKey(sender),
			first: { S: first },
			writtenMs: { N: String(writtenMs) },
			expiresAt: secondsFrom(nowMs, 1),
		};
		await client
			.send(new PutItemCommand({ TableName, Item }))
			.catch((error: unknown) => logger.warn("webhook.piece-not-noted", { first, error }));
	}
}

function valuesOf({ order: _, writtenMs: __, mayContinue, ...said }: Piece, nowMs: number) {
	return {
		":piece": { S: JSON.stringify(said) },
		":now": { N: String(nowMs) },
		":may": { BOOL: mayContinue },
	};
}

function joined(pieces: Readonly<Record<string, { readonly S?: string | undefined }>>): Said {
	const said = Object.entries(pieces)
		.toSorted(([a], [b]) => Number(a) - Number(b))
		.map(([, { S = "" }]) => Said.parse(parseJson(S)));
	const texts = said.flatMap(({ text }) => text ?? []);
	const text = texts.reduce(
		(whole, next, index) =>
			whole + ((texts[index - 1]?.length ?? FULL_LENGTH) < FULL_LENGTH ? "\n" : "") + next,
		"",
	);
	const attachments = said.flatMap((one) => one.attachments ?? []);
	const unread = said.flatMap((one) => one.unread ?? []);
	return {
		...(text !== "" && { text }),
		...(attachments.length > 0 && { attachments }),
		...(unread.length > 0 && { unread }),
	};
}

function keyOf(deliveryId: string): Key {
	return { id: { S: `paste#${deliveryId}` } };
}

function lastKey(sender: string): Key {
	return { id: { S: `last-paste#${sender}` } };
}
