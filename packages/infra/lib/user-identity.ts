/**
 * Who a machine is to S3: its user. AWS STS trades the user's token for credentials that bear the
 * token's tag `namespace`, and the role allows what lies below `users/{that tag}/`. The machine's
 * own role has no right to any of it.
 *
 * The token's claim `https://aws.amazon.com/tags` must be `{"principal_tags": {"namespace":
 * ["…"]}}`; the namespace is the daemon's encoding of the user's id. Not guaranteed here: that an
 * issuer of your own puts the right namespace in. docs/decisions/0028 says why not `${aws:userid}`.
 */
import { Duration, Fn } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { allow, allowKey } from "./bundled-function.ts";
import type { WorkspaceBucket } from "./workspace-bucket.ts";

/** The tag's value, put in by IAM when a request is judged. */
export const NAMESPACE = "$" + "{aws:PrincipalTag/namespace}";

/**
 * Longer than a machine lives, so that credentials never end before it: a machine whose user is
 * silent has no token to renew them with.
 */
const MARGIN = Duration.hours(1);

export interface UserIdentityProps {
	/** Begins with https://; may be a token. */
	readonly issuer: string;
	readonly audience: string;
	readonly workspaces: WorkspaceBucket;
	/** How long a machine lives at most. */
	readonly maxHours: number;
}

export class UserIdentity extends Construct {
	readonly role: iam.Role;
	readonly provider: iam.CfnOIDCProvider;
	/** Of the role, and what machines ask for. */
	readonly sessionDuration: Duration;

	constructor(
		scope: Construct,
		id: string,
		{ issuer, audience, workspaces, maxHours }: UserIdentityProps,
	) {
		super(scope, id);
		this.sessionDuration = Duration.hours(maxHours).plus(MARGIN);
		this.provider = new iam.CfnOIDCProvider(this, "Provider", {
			url: issuer,
			clientIdList: [audience],
		});
		this.role = new iam.Role(this, "WorkspaceRole", {
			description: "A user's machine: lists, reads and creates below users/{namespace}/",
			assumedBy: new iam.FederatedPrincipal(
				this.provider.attrArn,
				{},
				"sts:AssumeRoleWithWebIdentity",
			),
			maxSessionDuration: this.sessionDuration,
		});
		// Condition keys hold the issuer's host, which is known at deployment only: keys of an object
		// cannot be filled in then, text can.
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
		// The whole prefix, not only its log: a first boot adopts the plain objects beside it.
		allow(this.role, "OwnListing", ["s3:ListBucket"], [bucket.bucketArn], {
			StringLike: { "s3:prefix": own },
		});
		allowKey(this.role, key, "s3", ["kms:Decrypt", "kms:GenerateDataKey"]);
	}
}

/** `${Issuer}` is the issuer without its scheme, `${Provider}` the provider's ARN. */
function trustText(audience: string): string {
	const issuer = "$" + "{Issuer}";
	// `$` + `{!` comes out of Fn::Sub as a variable of IAM's.
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
					// Without the tag there is nobody to be; with a slash in it, it could name a place inside
					// another's.
					StringLike: {
						"aws:RequestTag/namespace": "?*",
						// So CloudTrail shows whose session it was; the hash stands for names that STS does not
						// take (decision 25).
						"sts:RoleSessionName": [namespace, `=session-${"?".repeat(32)}`],
					},
					StringNotLike: { "aws:RequestTag/namespace": "*/*" },
					"ForAllValues:StringEquals": { "aws:TagKeys": ["namespace"] },
				},
			},
		],
	});
}
