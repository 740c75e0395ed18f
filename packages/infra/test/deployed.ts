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

const ARNS: Readonly<Record<string, (id: string) => string>> = {
	"AWS::S3::Bucket": (id) => `arn:aws:s3:::${bucketName(id)}`,
	"AWS::IAM::Role": (id) => `arn:aws:iam::${ACCOUNT}:role/${id}`,
	"AWS::IAM::OIDCProvider": () => `arn:aws:iam::${ACCOUNT}:oidc-provider/issuer.example`,
	"AWS::KMS::Key": (id) => `arn:aws:kms:${REGION}:${ACCOUNT}:key/${id}`,
};

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

	/** The resources of a type whose logical id begins with this prefix. */
	idOf(type: string, prefix: string): string {
		const ids = Object.entries(this.#resources).filter(
			([id, { Type }]) => Type === type && id.startsWith(prefix),
		);
		if (ids.length !== 1) throw new Error(`${ids.length} resources ${type} begin with ${prefix}`);
		return ids[0]![0];
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
				return ARNS[this.#resources[first!]!.Type]?.(first!) ?? `${first}.${second}`;
			case "Fn::Join":
				return second!.join(first);
			case "Fn::Split":
				return second!.split(first!);
			case "Fn::Select":
				return second![Number(first)];
			case "Fn::Sub":
				return first!
					.replace(
						/\$\{(\w+)\}/g,
						(_, key: string) => (second as unknown as Record<string, string>)[key]!,
					)
					.replaceAll("$" + "{!", "$" + "{");
			default:
				throw new Error(`${name} is not known here`);
		}
	}

	#nameOf(id: string): string {
		return this.#resources[id]?.Type === "AWS::S3::Bucket" ? bucketName(id) : id;
	}
}

function bucketName(id: string): string {
	return id.toLowerCase();
}
