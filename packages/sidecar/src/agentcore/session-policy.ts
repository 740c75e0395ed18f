/**
 * The inline session policy: the permissions of credentials made for one user, whatever their role
 * allows. The second wall next to the role's own policy; effective rights are what both allow.
 *
 * Grants list, get and put below the user's prefix, never delete: the log is append-only. Grants the
 * use of models if the sidecar signs the agent's requests to Amazon Bedrock.
 */
import { SidecarError } from "../errors.ts";

export interface PolicyScope {
	/** `prefix`: of the store within the bucket, `""`, or segments joined by `/`. */
	readonly bucket: { readonly bucket: string; readonly prefix: string } | undefined;
	/**
	 * As returned by `encodeUserId`: none of its characters is a wildcard or a variable in a policy.
	 */
	readonly namespace: string;
	/** `aws`, `aws-cn`, `aws-us-gov`. */
	readonly partition: string;
	/** ARN of the key with which the bucket is encrypted, if it is customer-managed. */
	readonly kmsKeyArn?: string | undefined;
	readonly model?: ModelScope | undefined;
}

export interface ModelScope {
	/** The prefix of the actions. */
	readonly service: "bedrock" | "bedrock-mantle";
	/** Ids of models and inference profiles, or beginnings followed by `*`; undefined: all. */
	readonly ids: readonly string[] | undefined;
}

/** Of cross-region inference profiles. */
const PROFILE_PREFIX = /^(?:global|us|us-gov|eu|apac|jp|au|ca)\./;
/** STS's limit for an inline policy. */
const MAX_POLICY_LENGTH = 2_048;

/** @throws SidecarError USAGE: longer than STS accepts */
export function sessionPolicy(scope: PolicyScope): string {
	const { bucket, partition, model } = scope;
	const statements = [
		...(bucket === undefined ? [] : dataStatements({ ...scope, ...bucket })),
		...(model === undefined ? [] : [modelStatement(model, partition)]),
	];
	const policy = JSON.stringify({ Version: "2012-10-17", Statement: statements });
	if (policy.length > MAX_POLICY_LENGTH) {
		throw new SidecarError("USAGE", {
			value: bucket?.prefix ?? "--model-ids",
			reason: `the session policy would exceed ${MAX_POLICY_LENGTH} characters`,
			remedy: "shorten the store's prefix, or --model-ids",
		});
	}
	return policy;
}

type DataScope = Omit<PolicyScope, "bucket"> & NonNullable<PolicyScope["bucket"]>;

function dataStatements({ bucket, prefix, namespace, partition, kmsKeyArn }: DataScope): object[] {
	const below = `${prefix === "" ? "" : `${prefix}/`}users/${namespace}/*`;
	const arn = `arn:${partition}:s3:::${bucket}`;
	const statements: object[] = [
		{ Effect: "Allow", Action: ["s3:GetObject", "s3:PutObject"], Resource: `${arn}/${below}` },
		{
			Effect: "Allow",
			Action: "s3:ListBucket",
			Resource: arn,
			Condition: { StringLike: { "s3:prefix": below } },
		},
	];
	if (kmsKeyArn !== undefined)
		statements.push({
			Effect: "Allow",
			Action: ["kms:Decrypt", "kms:GenerateDataKey"],
			Resource: kmsKeyArn,
		});
	return statements;
}

/**
 * Signed requests only: without `CallWithBearerToken`, a key that somebody makes of the session opens
 * nothing. Mantle's resource is the project, not the model.
 */
function modelStatement({ service, ids = ["*"] }: ModelScope, partition: string): object {
	if (service === "bedrock-mantle")
		return {
			Effect: "Allow",
			Action: "bedrock-mantle:CreateInference",
			Resource: `arn:${partition}:bedrock-mantle:*:*:project/*`,
		};
	const arns = ids.flatMap((id) => {
		if (id.startsWith("arn:")) return [id];
		const profile = `arn:${partition}:bedrock:*:*:inference-profile/${id}`;
		// A profile's use also needs the right to its model in each region: the id without `global.`.
		const model = id.replace(PROFILE_PREFIX, "");
		return [`arn:${partition}:bedrock:*::foundation-model/${model}`, profile];
	});
	return {
		Effect: "Allow",
		Action: ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
		Resource: [...new Set(arns)],
	};
}

/**
 * `arn:aws-cn:iam::…` -> `aws-cn`. Servers other than AWS's name their roles differently, but S3's
 * resources like AWS.
 */
export function partitionOf(roleArn: string): string {
	return /^arn:(aws[a-z-]*):/.exec(roleArn)?.[1] ?? "aws";
}
