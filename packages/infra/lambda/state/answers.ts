/**
 * The state of each message, so that a message that the queue delivers again is neither asked nor
 * answered twice.
 *
 * The record is written before the agent is asked, and deleted if the agent certainly was not
 * asked. It keeps the answer until all parts are sent. A message that was asked and has no answer
 * has an unknown outcome. Not guaranteed: a part is sent twice if the function dies between sending
 * it and recording that.
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { keptFor, type Table } from "./table.ts";

/** A message can stay in the queue and in the dead-letter queue for 14 days each. */
const KEPT_DAYS = 29;
/** A DynamoDB item can hold 400 KB. */
const MAX_ANSWER_BYTES = 300_000;

export type Progress =
	| { readonly kind: "new" }
	| ((
			| { readonly kind: "asked" | "done" }
			| { readonly kind: "answered"; readonly answer: string; readonly sentParts: number }
	  ) & {
			/** The sign of progress that an earlier attempt may have left. */
			readonly shown: string | undefined;
	  });

export class Answers {
	readonly #table: Table;

	constructor(table: Table) {
		this.#table = table;
	}

	/**
	 * Records that the message is about to be asked, unless it already was. @returns the earlier
	 * record
	 */
	async begin(deliveryId: string, nowMs: number): Promise<Progress> {
		const { expiresAt } = keptFor(KEPT_DAYS, nowMs);
		const begun = await this.#table.update(idOf(deliveryId), {
			expression: "SET askedAt = :now, expiresAt = :end",
			values: { ":now": { N: String(nowMs) }, ":end": expiresAt },
			condition: "attribute_not_exists(id)",
		});
		return begun === undefined ? await this.#read(deliveryId) : { kind: "new" };
	}

	async #read(deliveryId: string): Promise<Progress> {
		const item = await this.#table.get(idOf(deliveryId));
		const shown = item?.shown?.S;
		if (item?.done !== undefined) return { kind: "done", shown };
		if (item?.answer?.S === undefined) return { kind: "asked", shown };
		const sentParts = Number(item.sentParts?.N ?? 0);
		return { kind: "answered", answer: item.answer.S, sentParts, shown };
	}

	/** The message was not asked. */
	async forget(deliveryId: string): Promise<void> {
		await this.#table.delete(idOf(deliveryId));
	}

	/**
	 * An answer that exceeds an item is not kept. If sending its parts is interrupted, the user is
	 * told that the outcome is unknown.
	 */
	async keep(deliveryId: string, answer: string): Promise<void> {
		if (Buffer.byteLength(answer) > MAX_ANSWER_BYTES) return;
		await this.#set(deliveryId, "SET answer = :value", { S: answer });
	}

	async noteSent(deliveryId: string, parts: number): Promise<void> {
		await this.#set(deliveryId, "SET sentParts = :value", { N: String(parts) });
	}

	/**
	 * So that a later attempt removes it if the function dies. A record that was deleted meanwhile
	 * must not come back: the message was not asked.
	 */
	async noteShown(deliveryId: string, shown: string): Promise<void> {
		await this.#set(deliveryId, "SET shown = :value", { S: shown }, "attribute_exists(id)");
	}

	/** All parts are sent, so the text is deleted. */
	async finish(deliveryId: string): Promise<void> {
		await this.#set(deliveryId, "SET done = :value REMOVE answer", { BOOL: true });
	}

	async #set(
		deliveryId: string,
		expression: string,
		value: AttributeValue,
		condition?: string,
	): Promise<void> {
		const change = { expression, values: { ":value": value } };
		await this.#table.update(idOf(deliveryId), {
			...change,
			...(condition !== undefined && { condition }),
		});
	}
}

function idOf(deliveryId: string): string {
	return `answer#${deliveryId}`;
}
