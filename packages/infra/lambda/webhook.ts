/**
 * The webhook handler: receives what Feishu, Telegram and Slack post to `/webhook/{channel}`.
 *
 * Environment: `CHANNEL_SECRETS` `{"slack": "arn:…"}`, where a channel without a secret is closed;
 * `STATE_TABLE` (partition key `id`, a string; TTL attribute `expiresAt`; get, put and update);
 * `QUEUE_URL` of a FIFO queue; `USERS_TABLE`, see `state/allowed-users.ts`.
 *
 * Every answer is JSON. 4xx names the fault of the request, and 503 asks the channel to retry. No
 * answer says why a proof failed.
 */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { once } from "./shared/environment.ts";
import { logger } from "./shared/log.ts";
import { Refusal } from "./shared/refusal.ts";
import { WebhookHandler } from "./webhook/webhook-handler.ts";

const webhook = once(() => new WebhookHandler());

export async function handler(event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
	try {
		return await webhook().receive(event, Date.now());
	} catch (error) {
		if (!(error instanceof Refusal)) {
			logger.error("webhook.failed", { path: event.path, error });
			return new Refusal("UNAVAILABLE").toResult();
		}
		const isOurs = error.code === "CHANNEL_MISCONFIGURED";
		const kind = error.status === 401 || error.status === 409 ? "security" : "lifecycle";
		logger[isOurs ? "error" : "warn"]("webhook.refused", {
			path: event.path,
			code: error.code,
			reason: error.message,
			kind,
		});
		// Only the log names what the secret lacks.
		return (isOurs ? new Refusal("SIGNATURE_INVALID") : error).toResult();
	}
}
