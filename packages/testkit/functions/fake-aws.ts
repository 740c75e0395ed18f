/**
 * The few calls of Secrets Manager, SQS, KMS and CloudFormation that the functions and the
 * tools make, for the default suite. `*.heavy.test.ts` run the same code against moto. Only the SDK's own checks
 * of responses apply.
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { LocalServer } from "./local-server.ts";

export type SentMessage = Readonly<
	Record<"MessageBody" | "MessageGroupId" | "MessageDeduplicationId", string>
>;

const ARN_OF_STACK = "arn:aws:cloudformation:us-east-1:111111111111:stack/OpenClaw/0a1b";

export class FakeAws implements AsyncDisposable {
	/** By secret, then by label. */
	readonly secrets = new Map<string, Partial<Record<string, object>>>();
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
	/** The fields that a rotation of a secret makes; undefined: it fails. */
	rotate: (secretId: string) => Promise<object | undefined> | object | undefined = () => undefined;
	/** The version that the last rotation of a secret made current. */
	readonly #rotated = new Map<string, string>();
	/** Lines by log group. */
	readonly logs = new Map<string, readonly string[]>();
	/** Outputs by stack, for CloudFormation. */
	readonly stacks = new Map<string, Readonly<Record<string, string>>>();
	/** The resources of a stack, for those who know its id. */
	resources: readonly Readonly<Record<"id" | "type" | "status" | "logicalId", string>>[] = [];
	readonly #key = generateKeyPairSync("rsa", { modulusLength: 2_048 });
	#server: LocalServer | undefined;

	/** Points the SDK at this server. */
	static async start(): Promise<FakeAws> {
		const fake = new FakeAws();
		fake.#server = await LocalServer.start(async ({ headers, body }) => {
			if (headers["x-amz-target"] === undefined)
				return fake.#describe(new URLSearchParams(body.toString()));
			const target = String(headers["x-amz-target"]);
			fake.calls.push(target);
			const [status, answer] = fake.broken.has(target)
				? [500, { __type: "InternalServiceError", message: "broken" }]
				: await fake.#answer(target, JSON.parse(body.toString()));
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

	async #answer(
		target: string,
		input: Readonly<Record<string, string>>,
	): Promise<readonly [number, object]> {
		switch (target) {
			case "secretsmanager.GetSecretValue": {
				const version = this.secrets.get(input.SecretId ?? "")?.[
					input.VersionStage ?? "AWSCURRENT"
				];
				if (version === undefined)
					return [400, { __type: "ResourceNotFoundException", message: "no such version" }];
				return [200, { SecretString: JSON.stringify(version) }];
			}
			case "secretsmanager.PutSecretValue": {
				const { SecretId = "", SecretString = "{}" } = input;
				this.secrets.set(SecretId, { AWSCURRENT: JSON.parse(SecretString) });
				return [200, { Name: SecretId, VersionId: "put" }];
			}
			case "secretsmanager.RotateSecret": {
				const { SecretId = "" } = input;
				const next = await this.rotate(SecretId);
				const VersionId = `rotation-${this.calls.length}`;
				if (next !== undefined) {
					this.secrets.set(SecretId, { AWSCURRENT: next });
					this.#rotated.set(SecretId, VersionId);
				}
				return [200, { VersionId }];
			}
			case "secretsmanager.DescribeSecret": {
				const current = this.#rotated.get(input.SecretId ?? "");
				const VersionIdsToStages = current === undefined ? {} : { [current]: ["AWSCURRENT"] };
				return [200, { VersionIdsToStages }];
			}
			case "Logs_20140328.FilterLogEvents": {
				const pattern = (input.filterPattern ?? "").replaceAll('"', "");
				const lines = this.logs.get(input.logGroupName ?? "") ?? [];
				const events = lines.filter((line) => line.includes(pattern));
				return [200, { events: events.map((message) => ({ message })) }];
			}
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

	/** CloudFormation speaks another protocol than the others. */
	#describe(input: URLSearchParams) {
		const action = input.get("Action") ?? "";
		this.calls.push(`CloudFormation.${action}`);
		const headers = { "content-type": "text/xml" };
		if (action === "ListStackResources") {
			const members = this.resources.map(
				({ id, type, status, logicalId }) =>
					`<member><LogicalResourceId>${logicalId}</LogicalResourceId><PhysicalResourceId>${id}</PhysicalResourceId><ResourceType>${type}</ResourceType><ResourceStatus>${status}</ResourceStatus><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>`,
			);
			const found = input.get("StackName") === ARN_OF_STACK ? members : [];
			return {
				status: 200,
				headers,
				body: `<ListStackResourcesResponse><ListStackResourcesResult><StackResourceSummaries>${found.join("")}</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>`,
			};
		}
		const outputs = this.stacks.get(input.get("StackName") ?? "");
		const members = Object.entries(outputs ?? {}).map(
			([key, value]) =>
				`<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
		);
		const body =
			outputs === undefined
				? "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack does not exist</Message></Error></ErrorResponse>"
				: `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackId>${ARN_OF_STACK}</StackId><StackName>${input.get("StackName")}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join("")}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
		return {
			status: outputs === undefined ? 400 : 200,
			headers,
			body,
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}
