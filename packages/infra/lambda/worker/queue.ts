/**
 * Handles a batch of the queue. Users are independent, but the messages of one user stay in order.
 * After a failure, the rest of that user's messages is left for later, unhandled. Failed messages
 * return after the pauses of `attempts.ts`. The queue's visibility timeout would be too long, because
 * it must exceed the agent's time limit.
 */
import { ChangeMessageVisibilityCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import { QUICK } from "../shared/aws-limits.ts";
import { logger } from "../shared/log.ts";
import { pauseAfterS } from "./attempts.ts";

const client = new SQSClient(QUICK);

export async function handleBatch(
	{ Records }: SQSEvent,
	queueUrl: string,
	handle: (record: SQSRecord) => Promise<void>,
): Promise<SQSBatchResponse> {
	const users = Map.groupBy(
		Records,
		({ attributes, messageId }) => attributes.MessageGroupId ?? messageId,
	);
	const failed = (
		await Promise.all([...users.values()].map((records) => handleInOrder(records, handle)))
	).flat();
	await Promise.all(failed.map((record) => bringBackSoon(queueUrl, record)));
	return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}

/** @returns the first that failed and all after it */
async function handleInOrder(
	records: readonly SQSRecord[],
	handle: (record: SQSRecord) => Promise<void>,
): Promise<readonly SQSRecord[]> {
	for (const [index, record] of records.entries()) {
		try {
			await handle(record);
		} catch (error) {
			logger.error("worker.failed", {
				messageId: record.messageId,
				attempt: receiveCount(record),
				error,
			});
			return records.slice(index);
		}
	}
	return [];
}

async function bringBackSoon(QueueUrl: string, record: SQSRecord): Promise<void> {
	const VisibilityTimeout = pauseAfterS(receiveCount(record));
	const command = new ChangeMessageVisibilityCommand({
		QueueUrl,
		ReceiptHandle: record.receiptHandle,
		VisibilityTimeout,
	});
	// It then returns after the queue's own timeout.
	await client
		.send(command)
		.catch((error: unknown) =>
			logger.warn("worker.late-retry", { messageId: record.messageId, error }),
		);
}

export function receiveCount({ attributes }: SQSRecord): number {
	return Number(attributes.ApproximateReceiveCount) || 1;
}
