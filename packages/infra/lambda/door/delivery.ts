/** A request as it came: bytes, headers and the time. */
import type { APIGatewayProxyEvent } from "aws-lambda";
import { isRecord } from "../environment.ts";
import { Refusal } from "./refusal.ts";

export interface Delivery {
	/** By lower-case name; undefined where it is missing or sent more than once. */
	readonly header: (name: string) => string | undefined;
	readonly body: Buffer;
	readonly nowMs: number;
}

/** Slack's and Feishu's largest message (150 KB of text, encrypted, in base64) fits in twice. */
const MAX_BODY_BYTES = 512 * 1024;

/** @throws Refusal BODY_TOO_LARGE */
export function deliveryOf(event: APIGatewayProxyEvent, nowMs: number): Delivery {
	const body = Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8");
	if (body.length > MAX_BODY_BYTES)
		throw new Refusal("BODY_TOO_LARGE", `${body.length} bytes, at most ${MAX_BODY_BYTES}`);
	const headers = new Map<string, string | undefined>();
	for (const [name, value] of Object.entries(event.headers ?? {}))
		headers.set(name.toLowerCase(), value);
	for (const [name, values] of Object.entries(event.multiValueHeaders ?? {})) {
		headers.set(name.toLowerCase(), values?.length === 1 ? values[0] : undefined);
	}
	return { header: (name) => headers.get(name), body, nowMs };
}

/** @throws Refusal REQUEST_INVALID: no UTF-8, no JSON, or no object */
export function jsonObjectOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch {
		throw new Refusal("REQUEST_INVALID", "the body is not JSON in UTF-8");
	}
	if (!isRecord(value)) throw new Refusal("REQUEST_INVALID", "the body must be a JSON object");
	return value;
}
