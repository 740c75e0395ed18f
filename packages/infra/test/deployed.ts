/**
 * Policies as IAM would get them: CloudFormation's functions are replaced by names that resources
 * could have.
 */
import type { Template } from "aws-cdk-lib/assertions";

export const ACCOUNT = "111111111111";
export const REGION = "eu-west-1";

const PSEUDO: Readonly<Record<string, string>> = {
	"AWS::AccountId": ACCOUNT,
	"AWS::Region": REGION,
	"AWS::Partition": "aws",
	"AWS::URLSuffix": "amazonaws.com",
	"AWS::StackName": "OpenClaw",
};

const inRegion = (service: string, rest: string) =>
	`arn:aws:${service}:${REGION}:${ACCOUNT}:${rest}`;
const ARNS: Readonly<Record<string, (id: string) => string>> = {
	"AWS::S3::Bucket": (id) => `arn:aws:s3:::${bucketName(id)}`,
	"AWS::IAM::Role": (id) => `arn:aws:iam::${ACCOUNT}:role/${id}`,
	"AWS::IAM::OIDCProvider": () => `arn:aws:iam::${ACCOUNT}:oidc-provider/issuer.example`,
	"AWS::KMS::Key": (id) => inRegion("kms", `key/${id}`),
	"AWS::SQS::Queue": (id) => inRegion("sqs", id),
	"AWS::SNS::Topic": (id) => inRegion("sns", id),
	"AWS::DynamoDB::Table": (id) => inRegion("dynamodb", `table/${id}`),
	"AWS::Lambda::Function": (id) => inRegion("lambda", `function:${id}`),
	"AWS::Logs::LogGroup": (id) => inRegion("logs", `log-group:${id}`),
	"AWS::Events::Rule": (id) => inRegion("events", `rule/${id}`),
	"AWS::ECR::Repository": (id) => inRegion("ecr", `repository/${id.toLowerCase()}`),
	"AWS::SecretsManager::Secret": (id) => inRegion("secretsmanager", `secret:${id}-AbCdEf`),
	"AWS::BedrockAgentCore::Runtime": (id) => inRegion("bedrock-agentcore", `runtime/${id}`),
	"AWS::BedrockAgentCore::RuntimeEndpoint": (id) =>
		inRegion("bedrock-agentcore", `runtime/OpenClaw/runtime-endpoint/${id}`),
};

/** `Ref` of these is the ARN. */
const REFERS_TO_ARN = new Set(["AWS::SecretsManager::Secret", "AWS::SNS::Topic"]);

export interface PolicyStatement {
	readonly Sid?: string;
	readonly Effect: "Allow" | "Deny";
	readonly Principal?: unknown;
	readonly Action: string | readonly string[];
	readonly Resource?: string | readonly string[];
	readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface PolicyDocument {
	readonly Version: string;
	readonly Statement: readonly PolicyStatement[];
}

export class Deployed {
	readonly #resources: Readonly<
		Record<
			string,
			{ readonly Type: string; readonly Properties: Readonly<Record<string, unknown>> }
		>
	>;

	constructor(template: Template) {
		this.#resources = template.toJSON().Resources;
	}

	/** The resource of a type whose logical id begins with this prefix. */
	idOf(type: string, prefix: string): string {
		const ids = Object.entries(this.#resources).filter(
			([id, { Type }]) => Type === type && id.startsWith(prefix),
		);
		if (ids.length !== 1) throw new Error(`${ids.length} resources ${type} begin with ${prefix}`);
		return ids[0]![0];
	}

	/** Logical id and properties of every resource of this type. */
	all(type: string): readonly (readonly [string, Readonly<Record<string, unknown>>])[] {
		return Object.entries(this.#resources)
			.filter(([, { Type }]) => Type === type)
			.map(([id, { Properties }]) => [id, Properties]);
	}

	arnOf(type: string, prefix: string): string {
		return ARNS[type]!(this.idOf(type, prefix));
	}

	/** The policies attached to the role, as one document. */
	identityPolicy(rolePrefix: string): PolicyDocument {
		const role = this.idOf("AWS::IAM::Role", rolePrefix);
		const attached = Object.values(this.#resources).filter(
			({ Type, Properties }) =>
				Type === "AWS::IAM::Policy" &&
				(Properties.Roles as { readonly Ref: string }[]).some(({ Ref }) => Ref === role),
		);
		const documents = attached.map(
			({ Properties }) => this.resolve(Properties.PolicyDocument) as PolicyDocument,
		);
		return { Version: "2012-10-17", Statement: documents.flatMap(({ Statement }) => Statement) };
	}

	bucketPolicy(bucketPrefix: string): PolicyDocument {
		return this.resolve(
			this.#resources[this.idOf("AWS::S3::BucketPolicy", bucketPrefix)]!.Properties.PolicyDocument,
		) as PolicyDocument;
	}

	keyPolicy(keyPrefix: string): PolicyDocument {
		return this.resolve(
			this.#resources[this.idOf("AWS::KMS::Key", keyPrefix)]!.Properties.KeyPolicy,
		) as PolicyDocument;
	}

	trustPolicy(rolePrefix: string): PolicyDocument {
		const document = this.resolve(
			this.#resources[this.idOf("AWS::IAM::Role", rolePrefix)]!.Properties.AssumeRolePolicyDocument,
		);
		return (typeof document === "string" ? JSON.parse(document) : document) as PolicyDocument;
	}

	/** @throws Error for an unknown function, because its result must not be ignored */
	resolve(value: unknown): unknown {
		if (Array.isArray(value)) return value.map((item) => this.resolve(item));
		if (typeof value !== "object" || value === null) return value;
		const entries = Object.entries(value);
		const [name, argument] = entries[0] ?? ["", undefined];
		if (entries.length === 1 && (name === "Ref" || name.startsWith("Fn::")))
			return this.#call(name, argument);
		return Object.fromEntries(entries.map(([key, item]) => [key, this.resolve(item)]));
	}

	#call(name: string, argument: unknown): unknown {
		const parts = (Array.isArray(argument) ? argument : [argument]).map((part) =>
			this.resolve(part),
		) as unknown as readonly (string & string[])[];
		const [first, second] = parts;
		switch (name) {
			case "Ref":
				return PSEUDO[first!] ?? this.#nameOf(first!);
			case "Fn::GetAtt":
				return (
					(/Arn$/.test(second as string) && ARNS[this.#resources[first!]!.Type]?.(first!)) ||
					`${first}.${second}`
				);
			case "Fn::Join":
				return second!.join(first);
			case "Fn::Split":
				return second!.split(first!);
			case "Fn::Select":
				return second![Number(first)];
			case "Fn::Sub":
				return first!
					.replace(
						/\$\{([\w:]+)\}/g,
						(_, key: string) => PSEUDO[key] ?? (second as unknown as Record<string, string>)[key]!,
					)
					.replaceAll("$" + "{!", "$" + "{");
			default:
				throw new Error(`${name} is not known here`);
		}
	}

	#nameOf(id: string): string {
		const type = this.#resources[id]?.Type ?? "";
		if (type === "AWS::S3::Bucket") return bucketName(id);
		if (type === "AWS::SSM::Parameter")
			return this.resolve(this.#resources[id]!.Properties.Name) as string;
		return REFERS_TO_ARN.has(type) ? ARNS[type]!(id) : id;
	}
}

function bucketName(id: string): string {
	return id.toLowerCase();
}
