/**
 * The few calls of Secrets Manager, SQS, KMS and SSM that the webhook handler and the worker make,
 * for the default suite. `*.heavy.test.ts` run the same code against moto. Only the SDK's own checks
 * of responses apply.
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { LocalServer } from "./local-server.ts";

export type SentMessage = Readonly<
	Record<"MessageBody" | "MessageGroupId" | "MessageDeduplicationId", string>
>;

export class FakeAws implements AsyncDisposable {
	/** By secret, then by label. */
	readonly secrets = new Map<string, Partial<Record<string, object>>>();
	readonly parameters = new Map<string, string>();
	/** Messages sent to the queue; FIFO deduplication is not simulated. */
	readonly sent: SentMessage[] = [];
	/** Bodies of messages that were sent in batches. */
	readonly batched: string[] = [];
	/** What the queue says about itself. */
	readonly queue = { waiting: 0, inWork: 0 };
	/** The calls made, e.g. `AmazonSQS.SendMessage`. */
	readonly calls: string[] = [];
	/** Calls that must fail. */
	readonly broken = new Set<string>();
	readonly #key = generateKeyPairSync("rsa", { modulusLength: 2_048 });
	#server: LocalServer | undefined;

	/** Points the SDK at this server. */
	static async start(): Promise<FakeAws> {
		const fake = new FakeAws();
		fake.#server = await LocalServer.start(({ headers, body }) => {
			const target = String(headers["x-amz-target"]);
			fake.calls.push(target);
			const [status, answer] = fake.broken.has(target)
				? [500, { __type: "InternalServiceError", message: "broken" }]
				: fake.#answer(target, JSON.parse(body.toString()));
			return {
				status,
				headers: { "content-type": "application/x-amz-json-1.1" },
				body: JSON.stringify(answer),
			};
		});
		process.env.AWS_ENDPOINT_URL = fake.#server.url;
		process.env.QUEUE_URL = `${fake.#server.url}/000000000000/messages.fifo`;
		return fake;
	}

	#answer(target: string, input: Readonly<Record<string, string>>): readonly [number, object] {
		switch (target) {
			case "secretsmanager.GetSecretValue": {
				const version = this.secrets.get(input.SecretId ?? "")?.[
					input.VersionStage ?? "AWSCURRENT"
				];
				if (version === undefined)
					return [400, { __type: "ResourceNotFoundException", message: "no such version" }];
				return [200, { SecretString: JSON.stringify(version) }];
			}
			case "AmazonSSM.GetParameter":
				return [200, { Parameter: { Value: this.parameters.get(input.Name ?? "") } }];
			case "AmazonSQS.SendMessage":
				this.sent.push(input as SentMessage);
				return [
					200,
					{
						MessageId: "1",
						MD5OfMessageBody: createHash("md5")
							.update(input.MessageBody ?? "")
							.digest("hex"),
					},
				];
			case "AmazonSQS.SendMessageBatch": {
				const entries = input.Entries as unknown as readonly Record<"Id" | "MessageBody", string>[];
				if (entries.length > 10)
					return [400, { __type: "TooManyEntriesInBatchRequest", message: "10 at most" }];
				this.batched.push(...entries.map(({ MessageBody }) => MessageBody));
				const Successful = entries.map(({ Id, MessageBody }) => ({
					...{ Id, MessageId: Id },
					MD5OfMessageBody: createHash("md5").update(MessageBody).digest("hex"),
				}));
				return [200, { Successful, Failed: [] }];
			}
			case "AmazonSQS.GetQueueAttributes":
				return [
					200,
					{
						Attributes: {
							ApproximateNumberOfMessages: String(this.queue.waiting),
							ApproximateNumberOfMessagesNotVisible: String(this.queue.inWork),
						},
					},
				];
			case "AmazonSQS.ChangeMessageVisibility":
				return [200, {}];
			case "TrentService.GetPublicKey":
				return [
					200,
					{
						PublicKey: this.#key.publicKey
							.export({ type: "spki", format: "der" })
							.toString("base64"),
					},
				];
			case "TrentService.Sign":
				return [
					200,
					{
						Signature: sign(
							"sha256",
							Buffer.from(input.Message ?? "", "base64"),
							this.#key.privateKey,
						).toString("base64"),
					},
				];
			default:
				return [400, { __type: "UnknownOperationException", message: target }];
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}
