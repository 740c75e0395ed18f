/**
 * Takes messages off the queue: asks the user's agent and sends its answer to the channel.
 *
 * Environment: `RUNTIME_ARN`, `RUNTIME_QUALIFIER`, `SIGNING_KEY_ID` (RSA_2048, SIGN_VERIFY; needs kms:Sign and kms:GetPublicKey), `ISSUER`,
 * `AUDIENCE`, `CHANNEL_SECRETS`, `NONCE_TABLE`, `QUEUE_URL` (needs sqs:ChangeMessageVisibility) and `MAX_RECEIVES`, the redrive policy's
 * maxReceiveCount: after the last attempt the user is told.
 */
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";

export async function handler(_event: SQSEvent, _context: Context): Promise<SQSBatchResponse> {
	throw new Error("not written yet");
}
