/** Retention's queue, as its function sees it. */
import { GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";
import { once, required } from "../shared/environment.ts";
import type { RetentionTask } from "./task.ts";

/** SQS takes this many messages in a request. */
const BATCH = 10;
const PARALLEL_SENDS = 8;

const client = once(() => new SQSClient({}));

/** @throws Error if a message was not accepted; others may have been, so send all again */
export async function send(tasks: readonly RetentionTask[]): Promise<void> {
	const batches = Array.from({ length: Math.ceil(tasks.length / BATCH) }, (_, index) =>
		tasks.slice(index * BATCH, (index + 1) * BATCH),
	);
	for (let first = 0; first < batches.length; first += PARALLEL_SENDS)
		await Promise.all(batches.slice(first, first + PARALLEL_SENDS).map(sendBatch));
}

async function sendBatch(tasks: readonly RetentionTask[]): Promise<void> {
	const { Failed = [] } = await client().send(
		new SendMessageBatchCommand({
			QueueUrl: required("QUEUE_URL"),
			Entries: tasks.map((task, index) => ({
				Id: String(index),
				MessageBody: JSON.stringify(task),
			})),
		}),
	);
	const [first] = Failed;
	if (first !== undefined)
		throw new Error(`the queue did not accept ${Failed.length} messages: ${first.Message}`);
}

/** Waiting messages and those in work, but for the one that is being handled. About a minute old. */
export async function countOthers(): Promise<number> {
	const { Attributes = {} } = await client().send(
		new GetQueueAttributesCommand({
			QueueUrl: required("QUEUE_URL"),
			AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
		}),
	);
	const waiting = Number(Attributes.ApproximateNumberOfMessages);
	const inWork = Number(Attributes.ApproximateNumberOfMessagesNotVisible);
	return waiting + Math.max(0, inWork - 1);
}
