/**
 * Joins the pieces that Telegram makes of a long text or of an album, so that they are one turn.
 *
 * The first piece is queued as usual. Pieces that follow within seconds are added to it in the table
 * and not queued. The worker waits until no more come, and closes it. A piece that comes too late is
 * queued as a message of its own, so none is lost.
 */
import { setTimeout as wait } from "node:timers/promises";
import { parseJson } from "../shared/environment.ts";
import { logger } from "../shared/log.ts";
import { Said } from "../shared/message.ts";
import { keptFor, type Table } from "./table.ts";

/** Telegram tells the second at which a piece was written. */
const FOLLOWS_WITHIN_MS = 2_000;
/** An item can have 400 KB, and a piece of 4,096 characters has 12 KB. */
const MAX_PIECES = 25;
/** A shorter text was cut at a white space. */
const FULL_LENGTH = 4_096;
/** The worker deletes the texts earlier. A message can wait 1 day in the queue and 14 as a dead letter. */
const KEPT_DAYS = 16;

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
		const own = await this.#table.get(idOf(deliveryId));
		// Its queuing broke off, and others may have joined it.
		if (own?.orders !== undefined) return false;
		const first = own?.joins?.S ?? (await this.#findFirst(sender, piece));
		if (first === undefined) return false;
		const order = String(piece.order);
		if (own === undefined) {
			const fields = { joins: { S: first }, ...keptFor(KEPT_DAYS, nowMs) };
			await this.#table.put(idOf(deliveryId), fields);
		}
		const joined = await this.#table.update(idOf(first), {
			expression: "SET pieces.#order = :piece, atMs = :now, mayContinue = :may ADD orders :orders",
			condition: "mayContinue = :true AND attribute_not_exists(closed) AND size(pieces) < :max",
			names: { "#order": order },
			values: {
				...valuesOf(piece, nowMs),
				":orders": { SS: [order] },
				":true": { BOOL: true },
				":max": { N: String(MAX_PIECES) },
			},
		});
		if (joined === undefined)
			return (await this.#table.get(idOf(first)))?.orders?.SS?.includes(order) === true;
		await this.#noteLast(sender, first, piece, nowMs);
		return true;
	}

	/** Begins with the piece of a message that is about to be queued. */
	async open(sender: string, deliveryId: string, piece: Piece, nowMs: number): Promise<void> {
		const { ":piece": content, ":now": atMs, ":may": mayContinue } = valuesOf(piece, nowMs);
		const order = String(piece.order);
		const fields = {
			pieces: { M: { [order]: content } },
			orders: { SS: [order] },
			atMs,
			mayContinue,
			...keptFor(KEPT_DAYS, nowMs),
		};
		// The channel may repeat a delivery whose queuing broke off, and that others have joined.
		await this.#table.put(idOf(deliveryId), fields, "attribute_not_exists(orders)");
		await this.#noteLast(sender, deliveryId, piece, nowMs);
	}

	/** Waits for the last piece. @returns all of them as one, the same each time */
	async collect(deliveryId: string): Promise<Said | undefined> {
		for (;;) {
			const item = await this.#table.get(idOf(deliveryId));
			if (item?.pieces === undefined) return undefined;
			const quietMs = Date.now() - Number(item.atMs?.N);
			const isComplete = item.closed !== undefined || item.mayContinue?.BOOL !== true;
			if (!isComplete && quietMs < this.#waitMs) {
				await wait(this.#waitMs - quietMs);
				continue;
			}
			const closed = await this.#table.update(idOf(deliveryId), {
				expression: "SET closed = :true",
				condition: "atMs = :seen",
				values: { ":true": { BOOL: true }, ":seen": item.atMs! },
			});
			if (closed !== undefined) return joined(closed.pieces?.M ?? {});
		}
	}

	/** Deletes the texts. Which pieces it had stays known, because the channel may repeat them. */
	async forget(deliveryId: string): Promise<void> {
		await this.#table.update(idOf(deliveryId), {
			expression: "SET closed = :true REMOVE pieces",
			condition: "attribute_exists(id)",
			values: { ":true": { BOOL: true } },
		});
	}

	/** @returns the message that the sender wrote in the same seconds */
	async #findFirst(sender: string, { writtenMs }: Piece): Promise<string | undefined> {
		const last = await this.#table.get(lastOf(sender));
		const apartMs = Math.abs(writtenMs - Number(last?.writtenMs?.N));
		return apartMs <= FOLLOWS_WITHIN_MS ? last?.first?.S : undefined;
	}

	/** Without it, the next piece is a turn of its own: not worth a failure. */
	async #noteLast(
		sender: string,
		first: string,
		{ writtenMs }: Piece,
		nowMs: number,
	): Promise<void> {
		const fields = {
			first: { S: first },
			writtenMs: { N: String(writtenMs) },
			...keptFor(1, nowMs),
		};
		await this.#table
			.put(lastOf(sender), fields)
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

function idOf(deliveryId: string): string {
	return `paste#${deliveryId}`;
}

function lastOf(sender: string): string {
	return `last-paste#${sender}`;
}
