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
import { Duration, Fn, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { allow, allowKey } from "../parts/bundled-function.ts";
import type { Config } from "../settings/config.ts";
import { modelArns } from "../settings/models.ts";
import type { WorkspaceBucket } from "../storage/workspace-bucket.ts";

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
	/** Models of Bedrock that a user's session may call, and where. */
	readonly models: Pick<Config, "models" | "modelUpstream">;
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
		this.#allowModels(models, modelVpcId);
	}

	/** The sidecar signs the agent's model requests with the user's session (decision 60). */
	#allowModels(
		{ models, modelUpstream }: UserIdentityProps["models"],
		vpcId: string | undefined,
	): void {
		// A user who holds a token of their own could otherwise call them from elsewhere, past the
		// sidecar's limits.
		const fromVpc = vpcId === undefined ? {} : { "aws:SourceVpc": vpcId };
		if (modelUpstream === "bedrock-mantle") {
			const { partition, region, account } = Stack.of(this);
			allow(
				this.role,
				"CallModels",
				["bedrock-mantle:CreateInference"],
				// Mantle knows projects, and the models in a condition.
				[`arn:${partition}:bedrock-mantle:${region}:${account}:project/*`],
				{ StringEquals: { "bedrock-mantle:Model": models, ...fromVpc } },
			);
			return;
		}
		allow(
			this.role,
			"CallModels",
			["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
			modelArns(this, models),
			vpcId === undefined ? undefined : { StringEquals: fromVpc },
		);
	}
}

/**
 * `${Issuer}` is the issuer without its scheme, `${Provider}` the provider's ARN.
 *
 * Two statements, because AWS lists neither the issuer's keys nor `sts:RoleSessionName` for
 * `sts:TagSession` (Service Authorization Reference, AWS Security Token Service, of 2026-09-26). A
 * condition on a key that a request does not have denies it.
 */
function trustText(audience: string): string {
	const issuer = "$" + "{Issuer}";
	// Fn::Sub turns `$` + `{!` into a variable of IAM.
	const namespace = "$" + "{!aws:RequestTag/namespace}";
	// Without the tag, the session has no user. A tag with a slash could name a place inside another
	// user's prefix.
	const onlyNamespace = {
		StringLike: { "aws:RequestTag/namespace": "?*" },
		StringNotLike: { "aws:RequestTag/namespace": "*/*" },
		"ForAllValues:StringEquals": { "aws:TagKeys": ["namespace"] },
	};
	const statement = (action: string, condition: object) => ({
		Effect: "Allow",
		Principal: { Federated: "$" + "{Provider}" },
		Action: action,
		Condition: condition,
	});
	return JSON.stringify({
		Version: "2012-10-17",
		Statement: [
			statement("sts:AssumeRoleWithWebIdentity", {
				...onlyNamespace,
				StringEquals: { [`${issuer}:aud`]: audience },
				StringLike: {
					...onlyNamespace.StringLike,
					// CloudTrail then shows the session's user. The hash replaces names that STS does not
					// accept (decision 25).
					"sts:RoleSessionName": [namespace, `=session-${"?".repeat(32)}`],
				},
			}),
			statement("sts:TagSession", onlyNamespace),
		],
	});
}
