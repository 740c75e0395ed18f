/**
 * The bucket of all workspaces, and the only principals that may delete from it. It outlives the
 * stack with its key and its policy. Another stack can adopt all three.
 *
 * The bucket's own policy applies to everyone, including administrators and stolen keys. Objects
 * are created and never replaced. Only the sweeper, the repairer and the operator delete, which
 * versioning can undo, and only the operator removes versions. With a VPC, data moves only through
 * its endpoint. Not guaranteed: a principal with permission can change the policy; `Audit` reports
 * that.
 */
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as s3 from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { AUDIT_PREFIX, type Operators } from "../access/operators.ts";
import { allow, allowKey, makeLambdaRole } from "../parts/bundled-function.ts";
import { makeKey } from "../parts/keys.ts";

/** What an earlier stack left: bucket and key. */
export interface Adopted {
	readonly bucketName: string;
	readonly keyArn: string;
}

export interface WorkspaceBucketProps {
	/** Undefined: new ones are made. */
	readonly adopted?: Adopted | undefined;
	/** Gateway endpoint of the VPC in which machines run. */
	readonly s3EndpointId?: string | undefined;
	readonly operators: Operators;
}

export class WorkspaceBucket extends Construct {
	readonly bucket: s3.IBucket;
	readonly key: kms.IKey;
	/** Role of the retention function. */
	readonly sweeper: iam.Role;

	constructor(
		scope: Construct,
		id: string,
		{ adopted, s3EndpointId, operators }: WorkspaceBucketProps,
	) {
		super(scope, id);
		this.key =
			adopted === undefined
				? makeKey(this, "Key", "Workspaces of OpenClaw")
				: kms.Key.fromKeyArn(this, "Key", adopted.keyArn);
		this.bucket =
			adopted === undefined
				? this.#makeBucket()
				: s3.Bucket.fromBucketName(this, "Bucket", adopted.bucketName);
		this.sweeper = makeLambdaRole(this, "Sweeper", "Retention: deletes objects past it");
		this.#allowSweeping();
		this.#allowOperating(operators);
		// A bucket that CDK did not make ignores `addToResourcePolicy`. The policy's path gives it the
		// same logical id in both cases.
		const policy = new s3.BucketPolicy(this.bucket, "Policy", { bucket: this.bucket });
		policy.document.addStatements(...this.#denials(operators, s3EndpointId));
		policy.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
	}

	#makeBucket(): s3.IBucket {
		return new s3.Bucket(this, "Bucket", {
			encryption: s3.BucketEncryption.KMS,
			encryptionKey: this.key,
			// One request to KMS per bucket and interval, instead of one per object.
			bucketKeyEnabled: true,
			versioned: true,
			blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
			objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
			// A first deployment that fails leaves nothing.
			removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
			lifecycleRules: [
				{ id: "unfinished-uploads", abortIncompleteMultipartUploadAfter: Duration.days(1) },
				// The period in which objects that retention deleted can be restored.
				{
					id: "deleted",
					noncurrentVersionExpiration: Duration.days(30),
					expiredObjectDeleteMarker: true,
				},
			],
		}) as s3.IBucket;
	}

	/**
	 * Lists and reads all logs, and deletes commits, packs and its own records, but no plain objects
	 * of a workspace.
	 */
	#allowSweeping(): void {
		const below = (...rooms: string[]) =>
			rooms.map((room) => this.bucket.arnForObjects(`users/*${room}`));
		allow(this.sweeper, "ListWorkspaces", ["s3:ListBucket"], [this.bucket.bucketArn], {
			StringLike: { "s3:prefix": "users/*" },
		});
		allow(this.sweeper, "ReadLogs", ["s3:GetObject"], below("/log/*", "/packs/*", "/sweeps/*"));
		allow(this.sweeper, "WriteSweeps", ["s3:PutObject"], below("/sweeps/*"));
		allow(
			this.sweeper,
			"DeleteExpired",
			["s3:DeleteObject"],
			below("/log/*", "/packs/*", "/sweeps/*"),
		);
		allowKey(this.sweeper, this.key, "s3", ["kms:Decrypt", "kms:GenerateDataKey"]);
	}

	/** Erasing needs no right to read. Repairing reads packs too, because `verify` looks for them. */
	#allowOperating({ operator, repairer }: Operators): void {
		const { bucketArn } = this.bucket;
		const users = { StringLike: { "s3:prefix": "users/*" } };
		allow(operator, "ListVersions", ["s3:ListBucketVersions"], [bucketArn], users);
		// S3's API page of DeleteObjects names both actions for a version.
		allow(
			operator,
			"EraseVersions",
			["s3:DeleteObject", "s3:DeleteObjectVersion"],
			[this.bucket.arnForObjects("users/*")],
		);
		allow(
			operator,
			"WriteAudit",
			["s3:PutObject"],
			[this.bucket.arnForObjects(`${AUDIT_PREFIX}*`)],
		);
		allowKey(operator, this.key, "s3", ["kms:GenerateDataKey"]);
		allow(repairer, "ListLogs", ["s3:ListBucket"], [bucketArn], users);
		allow(
			repairer,
			"RepairLogs",
			["s3:GetObject", "s3:DeleteObject"],
			[this.bucket.arnForObjects("users/*/log/*")],
		);
		allow(repairer, "ReadPacks", ["s3:GetObject"], [this.bucket.arnForObjects("users/*/packs/*")]);
		allowKey(repairer, this.key, "s3", ["kms:Decrypt"]);
	}

	#denials(
		{ operator, repairer }: Operators,
		s3EndpointId: string | undefined,
	): readonly iam.PolicyStatement[] {
		const objects = this.bucket.arnForObjects("*");
		const deny = (
			sid: string,
			actions: string[],
			resources: string[],
			conditions?: Record<string, Record<string, unknown>>,
		) =>
			new iam.PolicyStatement({
				sid,
				effect: iam.Effect.DENY,
				principals: [new iam.AnyPrincipal()],
				actions,
				resources,
				...(conditions !== undefined && { conditions }),
			});
		const all = [this.bucket.bucketArn, objects];
		const unless = (...roles: iam.Role[]) => ({
			ArnNotEquals: { "aws:PrincipalArn": roles.map(({ roleArn }) => roleArn) },
		});
		return [
			deny("OnlyTls", ["s3:*"], all, { Bool: { "aws:SecureTransport": "false" } }),
			deny("OnlyTls12", ["s3:*"], all, { NumericLessThan: { "s3:TlsVersion": 1.2 } }),
			deny("CreateOnly", ["s3:PutObject"], [objects], {
				// Parts of a multipart upload have no condition. Its completion has one, and creates the
				// object.
				Null: { "s3:if-none-match": "true" },
				Bool: { "s3:ObjectCreationOperation": "true" },
			}),
			deny(
				"OnlyRetentionDeletes",
				["s3:DeleteObject"],
				[objects],
				unless(this.sweeper, repairer, operator),
			),
			deny("VersionsGoByLifecycle", ["s3:DeleteObjectVersion"], [objects], unless(operator)),
			...(s3EndpointId === undefined
				? []
				: [
						deny(
							"OnlyThroughTheVpc",
							[
								"s3:GetObject",
								"s3:GetObjectVersion",
								"s3:PutObject",
								"s3:ListBucket",
								"s3:ListBucketVersions",
							],
							all,
							// The operator's role sees names and writes audit records, but reads no object.
							{
								StringNotEquals: { "aws:SourceVpce": s3EndpointId },
								...unless(this.sweeper, operator),
							},
						),
					]),
		];
	}
}
