/**
 * The inline session policy: the permissions of credentials made for one user, whatever their role
 * allows. The second wall next to the role's own policy; effective rights are what both allow.
 *
 * Grants list, get and put below the user's prefix, never delete: the log is append-only.
 */
import { SidecarError } from "../errors.ts";

export interface PolicyScope {
	readonly bucket: string;
	/** Of the store within the bucket: `""`, or segments joined by `/`. */
	readonly prefix: string;
	/**
	 * As returned by `encodeUserId`: none of its characters is a wildcard or a variable in a policy.
	 */
	readonly namespace: string;
	/** `aws`, `aws-cn`, `aws-us-gov`. */
	readonly partition: string;
	/** ARN of the key with which the bucket is encrypted, if it is customer-managed. */
	readonly kmsKeyArn?: string | undefined;
}

/** STS's limit for an inline policy. */
const MAX_POLICY_LENGTH = 2_048;

/** @throws SidecarError USAGE: longer than STS accepts */
export function sessionPolicy({
	bucket,
	prefix,
	namespace,
	partition,
	kmsKeyArn,
}: PolicyScope): string {
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
	const policy = JSON.stringify({ Version: "2012-10-17", Statement: statements });
	if (policy.length > MAX_POLICY_LENGTH) {
		const remedy = "shorten the store's prefix";
		throw new SidecarError("USAGE", {
			value: prefix,
			reason: `the session policy would exceed ${MAX_POLICY_LENGTH} characters`,
			remedy,
		});
	}
	return policy;
}

/**
 * `arn:aws-cn:iam::…` -> `aws-cn`. Servers other than AWS's name their roles differently, but S3's
 * resources like AWS.
 */
export function partitionOf(roleArn: string): string {
	return /^arn:(aws[a-z-]*):/.exec(roleArn)?.[1] ?? "aws";
}
