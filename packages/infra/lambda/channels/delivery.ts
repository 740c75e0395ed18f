/** A request as received: bytes, headers and the time. */
import type { APIGatewayProxyEvent } from "aws-lambda";
import { isRecord } from "../shared/environment.ts";
import { Refusal } from "../shared/refusal.ts";

export interface Delivery {
	/** By lower-case name; undefined if the header is missing or repeated. */
	readonly header: (name: string) => string | undefined;
	readonly body: Buffer;
	readonly nowMs: number;
}

/**
 * Twice the size of the largest message of Slack and Feishu (150 KB of text, encrypted, in base64).
 */
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

/** @throws Refusal REQUEST_INVALID if it is not UTF-8, not JSON, or not an object */
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
