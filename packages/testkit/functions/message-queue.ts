/** What moto holds for the path of a message: the queue, a signing key, channels' secrets. */
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import {
	CreateQueueCommand,
	DeleteMessageCommand,
	type Message,
	ReceiveMessageCommand,
	SQSClient,
} from "@aws-sdk/client-sqs";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";

type Handler = (
	event: SQSEvent,
	context: { readonly getRemainingTimeInMillis: () => number },
) => Promise<SQSBatchResponse>;

/** @returns the ARN of a key that signs users' tokens */
export async function makeSigningKey(): Promise<string> {
	const { KeyMetadata } = await new KMSClient({}).send(
		new CreateKeyCommand({ KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" }),
	);
	return KeyMetadata!.Arn!;
}

export async function storeSecret(Name: string, secret: object): Promise<void> {
	await new SecretsManagerClient({}).send(
		new CreateSecretCommand({ Name, SecretString: JSON.stringify(secret) }),
	);
}

export class MessageQueue {
	readonly url: string;
	readonly #client: SQSClient;

	private constructor(client: SQSClient, url: string) {
		this.#client = client;
		this.url = url;
	}

	static async make(): Promise<MessageQueue> {
		const client = new SQSClient({});
		const Attributes = { FifoQueue: "true", VisibilityTimeout: "900" };
		const { QueueUrl } = await client.send(
			new CreateQueueCommand({ QueueName: "messages.fifo", Attributes }),
		);
		return new MessageQueue(client, QueueUrl!);
	}

	/**
	 * Does the work of Lambda's event source: takes messages, and deletes those that did not fail.
	 * @returns the number of failures
	 */
	async work(handler: Handler, remainingMs: number): Promise<number> {
		const { Messages = [] } = await this.#client.send(
			new ReceiveMessageCommand({
				QueueUrl: this.url,
				MaxNumberOfMessages: 10,
				MessageSystemAttributeNames: ["All"],
			}),
		);
		const { batchItemFailures } = await handler(
			{ Records: Messages.map(recordOf) },
			{ getRemainingTimeInMillis: () => remainingMs },
		);
		const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
		for (const { MessageId, ReceiptHandle } of Messages) {
			if (failed.has(MessageId!)) continue;
			await this.#client.send(new DeleteMessageCommand({ QueueUrl: this.url, ReceiptHandle }));
		}
		return failed.size;
	}
}

function recordOf({ MessageId, ReceiptHandle, Body, Attributes }: Message): SQSRecord {
	return {
		messageId: MessageId,
		receiptHandle: ReceiptHandle,
		body: Body,
		attributes: Attributes,
	} as unknown as SQSRecord;
}
