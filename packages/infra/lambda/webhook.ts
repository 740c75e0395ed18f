/**
 * The door: what Feishu, Telegram and Slack post to `/webhook/{channel}`.
 *
 * Environment: `CHANNEL_SECRETS` `{"slack": "arn:…"}`, a channel without a secret is closed; `NONCE_TABLE` (partition key `id`, a string;
 * TTL attribute `expiresAt`); `QUEUE_URL` of a FIFO queue; `ALLOWED_USERS`, JSON or the name of an SSM parameter that holds it.
 */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";

export async function handler(_event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
	throw new Error("not written yet");
}
