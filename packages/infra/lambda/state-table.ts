/**
 * The one table in which the functions remember things: partition key `id` (a string), TTL
 * attribute `expiresAt` (seconds).
 *
 * `event#…` deliveries, `answer#…` outcomes of messages, `paste#…` and `last-paste#…` messages in
 * pieces and the pieces that joined them, `stopped#…` when users wrote `/stop`, `stranger#…` and
 * `edited#…` people who were told something, `proved#…` keys that a channel has signed with.
 */
import { createHash } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { QUICK } from "./aws-limits.ts";
import { once, required } from "./environment.ts";

export const openTable = once(() => ({
	client: new DynamoDBClient(QUICK),
	TableName: required("STATE_TABLE"),
}));

export type Table = ReturnType<typeof openTable>;

/** Reveals nothing about the keys, which are random and long. */
export function provedId(
	fields: readonly string[],
	secret: Readonly<Record<string, unknown>>,
): string {
	const keys = fields.map((field) => `${field}\n${secret[field]}`).join("\n");
	return `proved#${createHash("sha256").update(keys).digest("hex")}`;
}

export function secondsFrom(nowMs: number, days: number): { readonly N: string } {
	return { N: String(Math.round(nowMs / 1_000 + days * 86_400)) };
}
