/**
 * Takes messages from the queue: asks the user's agent and sends its answer to the channel.
 *
 * Environment: `RUNTIME_ARN`, `RUNTIME_QUALIFIER`, `SIGNING_KEY_ID` (RSA_2048, SIGN_VERIFY; needs
 * kms:Sign and kms:GetPublicKey), `ISSUER`, `AUDIENCE`, `CHANNEL_SECRETS`, `STATE_TABLE` (get,
 * update, delete), `USERS_TABLE` (get), `QUEUE_URL` (needs sqs:ChangeMessageVisibility) and
 * `MAX_RECEIVES`, the redrive policy's maxReceiveCount: after the last attempt the user is informed.
 * `PIECE_WAIT_MS`, for tests: see `state/pastes.ts`. `FEISHU_API_URL` is set for Lark.
 *
 * A message is asked at most once and answered at least once. The queue's visibility timeout must
 * be longer than the function's.
 */
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { ChannelSecrets } from "./shared/channel-secrets.ts";
import { once, parseJson, required, requiredStrings } from "./shared/environment.ts";
import { QueuedMessage } from "./shared/message.ts";
import { SigningKey } from "./shared/signing-key.ts";
import { AllowedUsers } from "./state/allowed-users.ts";
import { Answers } from "./state/answers.ts";
import { Pastes } from "./state/pastes.ts";
import { Stops } from "./state/stops.ts";
import { openTable } from "./state/table.ts";
import { handleMessage } from "./worker/handle-message.ts";
import { handleBatch, receiveCount } from "./worker/queue.ts";

/**
 * The rest of the function's time after the wait for the agent ends, for up to a dozen calls that
 * tell the user.
 */
const RESERVE_MS = 20_000;

const tools = once(() => ({
	answers: new Answers(openTable()),
	users: new AllowedUsers(),
	pastes: new Pastes(openTable(), Number(process.env.PIECE_WAIT_MS) || undefined),
	stops: new Stops(openTable()),
	secrets: new ChannelSecrets(requiredStrings("CHANNEL_SECRETS")),
	key: new SigningKey(required("SIGNING_KEY_ID")),
	tokenRules: { issuer: required("ISSUER"), audience: required("AUDIENCE") },
	runtime: { arn: required("RUNTIME_ARN"), qualifier: required("RUNTIME_QUALIFIER") },
}));

const settings = once(() => ({
	queueUrl: required("QUEUE_URL"),
	maxReceives: Number(required("MAX_RECEIVES")),
}));

export async function handler(
	event: SQSEvent,
	context: Pick<Context, "getRemainingTimeInMillis">,
): Promise<SQSBatchResponse> {
	const { queueUrl, maxReceives } = settings();
	const signal = AbortSignal.timeout(
		Math.max(1_000, context.getRemainingTimeInMillis() - RESERVE_MS),
	);
	return await handleBatch(event, queueUrl, async (record) => {
		const message = QueuedMessage.parse(parseJson(record.body));
		const number = receiveCount(record);
		await handleMessage(message, { number, isLast: number >= maxReceives, signal }, tools());
	});
}
