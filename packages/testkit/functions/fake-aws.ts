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

export class FakeAws implements AsyncDisposable {
	/** By secret, then by label. */
	readonly secrets = new Map<string, Partial<Record<string, object>>>();
	/** Messages sent to the queue; FIFO deduplication is not simulated. */
	readonly sent: SentMessage[] = [];
	/** The calls made, e.g. `AmazonSQS.SendMessage`. */
	readonly calls: string[] = [];
	/** Calls that must fail. */
	readonly broken = new Set<string>();
	/** Outputs by stack, for CloudFormation. */
	readonly stacks = new Map<string, Readonly<Record<string, string>>>();
	readonly #key = generateKeyPairSync("rsa", { modulusLength: 2_048 });
	#server: LocalServer | undefined;

	/** Points the SDK at this server. */
	static async start(): Promise<FakeAws> {
		const fake = new FakeAws();
		fake.#server = await LocalServer.start(({ headers, body }) => {
			if (headers["x-amz-target"] === undefined)
				return fake.#describe(new URLSearchParams(body.toString()));
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
		const outputs = this.stacks.get(input.get("StackName") ?? "");
		const members = Object.entries(outputs ?? {}).map(
			([key, value]) =>
				`<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
		);
		const body =
			outputs === undefined
				? "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack does not exist</Message></Error></ErrorResponse>"
				: `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>${input.get("StackName")}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join("")}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
		return {
			status: outputs === undefined ? 400 : 200,
			headers: { "content-type": "text/xml" },
			body,
		};
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#server?.[Symbol.asyncDispose]();
	}
}
