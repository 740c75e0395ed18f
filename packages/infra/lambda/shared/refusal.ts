/** A refused request: its sender gets exactly this and nothing more. */
import type { APIGatewayProxyResult } from "aws-lambda";

const REFUSALS = {
	REQUEST_INVALID: [400, "unsupported request", "send what the channel's documentation describes"],
	PATH_UNKNOWN: [
		404,
		"unknown channel",
		"use /webhook/feishu, /webhook/telegram or /webhook/slack",
	],
	METHOD_NOT_ALLOWED: [405, "a webhook accepts only POST", "send the request as POST"],
	BODY_TOO_LARGE: [413, "the body is larger than any channel's message", "send less"],
	SIGNATURE_INVALID: [
		401,
		"the request does not prove that it comes from the channel",
		"check the channel's secret in Secrets Manager",
	],
	TIMESTAMP_INVALID: [
		401,
		"the request's time is missing, or more than 5 minutes away from now",
		"check the sender's clock",
	],
	REPLAYED: [409, "this request was already accepted", "no action is needed"],
	CHANNEL_CLOSED: [404, "this channel has no secret", "add its secret to CHANNEL_SECRETS"],
	CHANNEL_MISCONFIGURED: [
		500,
		"the channel's secret is incomplete",
		"complete the secret in Secrets Manager; the function's log names the missing fields",
	],
	UNAVAILABLE: [503, "the request cannot be accepted now", "send it again"],
} as const satisfies Record<string, readonly [number, string, string]>;

export type RefusalCode = keyof typeof REFUSALS;

export class Refusal extends Error {
	readonly code: RefusalCode;
	readonly status: number;

	/** @param reason what is wrong with the request. The sender sees it, so it must not be secret. */
	constructor(code: RefusalCode, reason?: string, cause?: unknown) {
		const [status, meaning] = REFUSALS[code];
		super(reason === undefined ? meaning : `${meaning}: ${reason}`, { cause });
		this.name = "Refusal";
		this.code = code;
		this.status = status;
	}

	toResult(): APIGatewayProxyResult {
		return json(this.status, {
			code: this.code,
			message: this.message,
			remedy: REFUSALS[this.code][2],
		});
	}
}

export function json(
	statusCode: number,
	body: object,
	headers: Readonly<Record<string, string>> = {},
): APIGatewayProxyResult {
	return {
		statusCode,
		headers: { "content-type": "application/json; charset=utf-8", ...headers },
		body: JSON.stringify(body),
	};
}
