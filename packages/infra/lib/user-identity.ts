/**
 * A machine acts in S3 as its user. AWS STS trades the user's token for credentials with the
 * token's tag `namespace`, and the role allows the keys below `users/{that tag}/`. The machine's
 * own role has no access to them.
 *
 * The token's claim `https://aws.amazon.com/tags` must be `{"principal_tags": {"namespace":
 * ["…"]}}`. The namespace is the daemon's encoding of the user's id. Not guaranteed here: that your
 * own issuer sets the right namespace. docs/decisions/0028 explains why `${aws:userid}` is not
 * used.
 */
import { Duration, Fn } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { allow, allowKey } from "./bundled-function.ts";
import { modelArns } from "./models.ts";
import type { WorkspaceBucket } from "./workspace-bucket.ts";

/** The tag's value, which IAM inserts when it evaluates a request. */
export const NAMESPACE = "$" + "{aws:PrincipalTag/namespace}";

/**
 * Longer than a machine lives, so that credentials never expire before it. A machine without
 * requests has no token to renew them with.
 */
const MARGIN = Duration.hours(1);

export interface UserIdentityProps {
	/** Begins with https://; may be a token. */
	readonly issuer: string;
	readonly audience: string;
	readonly workspaces: WorkspaceBucket;
	/** Models of Bedrock that a user's session may call. */
	readonly models: readonly string[];
	/** The VPC from which alone models may be called; undefined: from anywhere. */
	readonly modelVpcId: string | undefined;
	/** The longest life of a machine. */
	readonly maxHours: number;
}

export class UserIdentity extends Construct {
	readonly role: iam.Role;
	readonly provider: iam.CfnOIDCProvider;
	/** The longest session of the role, which machines request. */
	readonly sessionDuration: Duration;

	constructor(
		scope: Construct,
		id: string,
		{ issuer, audience, workspaces, models, modelVpcId, maxHours }: UserIdentityProps,
	) {
		super(scope, id);
		this.sessionDuration = Duration.hours(maxHours).plus(MARGIN);
		this.provider = new iam.CfnOIDCProvider(this, "Provider", {
			url: issuer,
			clientIdList: [audience],
		});
		this.role = new iam.Role(this, "WorkspaceRole", {
			description:
				"A user's machine: lists, reads and creates below users/{namespace}/, and calls the models",
			assumedBy: new iam.FederatedPrincipal(
				this.provider.attrArn,
				{},
				"sts:AssumeRoleWithWebIdentity",
			),
			maxSessionDuration: this.sessionDuration,
		});
		// Condition keys contain the issuer's host, which is known only at deployment. Object keys
		// cannot be substituted then, but text can.
		(this.role.node.defaultChild as iam.CfnRole).addPropertyOverride(
			"AssumeRolePolicyDocument",
			Fn.sub(trustText(audience), {
				Issuer: Fn.select(1, Fn.split("https://", issuer)),
				Provider: this.provider.attrArn,
			}),
		);
		const { bucket, key } = workspaces;
		const own = `users/${NAMESPACE}/*`;
		allow(this.role, "OwnObjects", ["s3:GetObject", "s3:PutObject"], [bucket.arnForObjects(own)]);
		// The whole prefix, not only its log, because a first boot adopts the plain objects there.
		allow(this.role, "OwnListing", ["s3:ListBucket"], [bucket.bucketArn], {
			StringLike: { "s3:prefix": own },
		});
		allowKey(this.role, key, "s3", ["kms:Decrypt", "kms:GenerateDataKey"]);
		// The sidecar signs the agent's model requests with the user's session (decision 60).
		if (models.length > 0)
			allow(
				this.role,
				"CallModels",
				["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
				modelArns(this, models),
				// A user who holds a token of their own could otherwise call them from elsewhere, past the
				// sidecar's limits.
				modelVpcId === undefined ? undefined : { StringEquals: { "aws:SourceVpc": modelVpcId } },
			);
	}
}

/** `${Issuer}` is the issuer without its scheme, `${Provider}` the provider's ARN. */
function trustText(audience: string): string {
	const issuer = "$" + "{Issuer}";
	// Fn::Sub turns `$` + `{!` into a variable of IAM.
	const namespace = "$" + "{!aws:RequestTag/namespace}";
	return JSON.stringify({
		Version: "2012-10-17",
		Statement: [
			{
				Effect: "Allow",
				Principal: { Federated: "$" + "{Provider}" },
				Action: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
				Condition: {
					StringEquals: { [`${issuer}:aud`]: audience },
					// Without the tag, the session has no user. A tag with a slash could name a place inside
					// another user's prefix.
					StringLike: {
						"aws:RequestTag/namespace": "?*",
						// CloudTrail then shows the session's user. The hash replaces names that STS does not
						// accept (decision 25).
						"sts:RoleSessionName": [namespace, `=session-${"?".repeat(32)}`],
					},
					StringNotLike: { "aws:RequestTag/namespace": "*/*" },
					"ForAllValues:StringEquals": { "aws:TagKeys": ["namespace"] },
				},
			},
		],
	});
}
