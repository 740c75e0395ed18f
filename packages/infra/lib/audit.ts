/**
 * Records who accessed what. Always: CloudTrail events for changes to what protects the data (the
 * bucket's policy, its versions, its key) go to a log and to the alarms' topic. Opt-in: a trail of
 * every access to the bucket's objects.
 *
 * It also has the Logs resource policy: which services may write into this stack's log groups, for
 * this account only. Lambda functions do not need it, because they write with their own roles.
 */
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as cloudtrail from "aws-cdk-lib/aws-cloudtrail";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import * as s3 from "aws-cdk-lib/aws-s3";
import type * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { bareArn, makeLogGroup } from "./keys.ts";
import type { WorkspaceBucket } from "./workspace-bucket.ts";

export interface AuditProps {
	readonly workspaces: WorkspaceBucket;
	readonly topic: sns.ITopic;
	readonly key: kms.Key;
	readonly logDays: number;
	readonly dataEvents: boolean;
}

export class Audit extends Construct {
	/** The log group of the trail; undefined without a trail. */
	readonly trailLogs: logs.LogGroup | undefined;

	constructor(
		scope: Construct,
		id: string,
		{ workspaces, topic, key, logDays, dataEvents }: AuditProps,
	) {
		super(scope, id);
		const { stackName, account, region, partition } = Stack.of(this);
		const changes = makeLogGroup(this, "Changes", {
			key,
			days: logDays,
			name: `/aws/events/${stackName}-changes`,
		});
		const rule = new events.Rule(this, "ProtectionChanged", {
			description: "The protection of the workspaces changed",
			eventPattern: {
				source: ["aws.s3", "aws.kms"],
				detailType: ["AWS API Call via CloudTrail"],
				detail: {
					eventName: [
						...[
							"BucketPolicy",
							"BucketVersioning",
							"BucketLifecycle",
							"BucketPublicAccessBlock",
						].map((what) => ({ suffix: what })),
						"DisableKey",
						"ScheduleKeyDeletion",
						"PutKeyPolicy",
					],
					$or: [
						{ requestParameters: { bucketName: [workspaces.bucket.bucketName] } },
						{ requestParameters: { keyId: [workspaces.key.keyId, workspaces.key.keyArn] } },
					],
				},
			},
			targets: [new targets.SnsTopic(topic), { bind: () => ({ arn: bareArn(changes) }) }],
		});
		const streams = (name: string) =>
			`arn:${partition}:logs:${region}:${account}:log-group:${name}:*`;
		const services = (...names: string[]) =>
			names.map((name) => new iam.ServicePrincipal(`${name}.amazonaws.com`));
		new logs.ResourcePolicy(this, "LogDelivery", {
			resourcePolicyName: `${stackName}-log-delivery`,
			policyStatements: [
				new iam.PolicyStatement({
					sid: "Firewall",
					principals: services("delivery.logs"),
					actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
					resources: [streams(`aws-waf-logs-${stackName.toLowerCase()}`)],
					conditions: {
						StringEquals: { "aws:SourceAccount": account },
						ArnLike: { "aws:SourceArn": `arn:${partition}:logs:${region}:${account}:*` },
					},
				}),
				// EventBridge creates streams without naming the rule. The events that it writes name our
				// rule, and so our account.
				new iam.PolicyStatement({
					sid: "ChangesStreams",
					principals: services("events", "delivery.logs"),
					actions: ["logs:CreateLogStream"],
					resources: [streams(`/aws/events/${stackName}-changes`)],
				}),
				new iam.PolicyStatement({
					sid: "Changes",
					principals: services("events", "delivery.logs"),
					actions: ["logs:PutLogEvents"],
					resources: [streams(`/aws/events/${stackName}-changes`)],
					conditions: { ArnEquals: { "aws:SourceArn": rule.ruleArn } },
				}),
			],
		});
		if (dataEvents) this.trailLogs = this.#followObjects(workspaces, key, logDays);
	}

	#followObjects({ bucket }: WorkspaceBucket, key: kms.Key, logDays: number): logs.LogGroup {
		const store = new s3.Bucket(this, "TrailBucket", {
			encryption: s3.BucketEncryption.S3_MANAGED,
			enforceSSL: true,
			blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
			objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
			removalPolicy: RemovalPolicy.RETAIN,
			lifecycleRules: [{ expiration: Duration.days(400) }],
		});
		const trailLogs = makeLogGroup(this, "TrailLogs", { key, days: logDays });
		const trail = new cloudtrail.Trail(this, "Trail", {
			bucket: store as s3.IBucket,
			cloudWatchLogGroup: trailLogs,
			sendToCloudWatchLogs: true,
			isMultiRegionTrail: false,
			includeGlobalServiceEvents: false,
			enableFileValidation: true,
		});
		// Advanced selectors: data events of this bucket only, and no second copy of management events.
		const resource = trail.node.defaultChild as cloudtrail.CfnTrail;
		resource.advancedEventSelectors = [
			{
				name: "objects",
				fieldSelectors: [
					{ field: "eventCategory", equalTo: ["Data"] },
					{ field: "resources.type", equalTo: ["AWS::S3::Object"] },
					{ field: "resources.ARN", startsWith: [`${bucket.bucketArn}/`] },
				],
			},
		];
		resource.addPropertyDeletionOverride("EventSelectors");
		return trailLogs;
	}
}
