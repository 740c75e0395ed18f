/**
 * Records who changed what protects the data, and who accessed the data.
 *
 * Always: each change that could open the data goes to a log and to the alarms' topic
 * (`changes.ts`). This needs a CloudTrail trail with management events, because EventBridge
 * gets no API call without one. The same trail records changes of the table of users. Opt-in: it
 * records every access to the bucket's objects.
 *
 * The trail notifies a topic of each file that it writes, so that a queue can feed Falco.
 *
 * It also has the Logs resource policy: which services may write into this stack's log groups, for
 * this account only. Lambda functions do not need it, because they write with their own roles.
 */
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as cloudtrail from "aws-cdk-lib/aws-cloudtrail";
import { Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { bareArn, letServices, makeLogGroup } from "../parts/keys.ts";
import type { Config } from "../settings/config.ts";
import type { WorkspaceBucket } from "../storage/workspace-bucket.ts";
import {
	type Change,
	eventDetail,
	filterPattern,
	type Protected,
	protectionChanges,
} from "./changes.ts";
import { selectors } from "./selectors.ts";

export interface AuditProps {
	readonly workspaces: WorkspaceBucket;
	/** Keys whose policies and grants protect the data. */
	readonly keys: readonly kms.IKey[];
	readonly provider: iam.CfnOIDCProvider;
	readonly runtimeId: string;
	/** Undefined with an issuer of your own. */
	readonly users?: dynamodb.ITable | undefined;
	/** Of the alarms. */
	readonly topic: sns.ITopic;
	/** Of the logs. */
	readonly key: kms.Key;
	readonly logDays: number;
	readonly auditTrail: Config["auditTrail"];
	readonly dataEvents: boolean;
	/** Whether the own trail also records what only reads, for Falco. */
	readonly reads: boolean;
}

export class Audit extends Construct {
	/** The log group of the changes that the rule sees. */
	readonly changes: logs.LogGroup;
	/** The log group of the trail; undefined without a trail. */
	readonly trailLogs: logs.LogGroup | undefined;
	/** The bucket of the trail, and the topic that names each new file; undefined without a trail. */
	readonly trailFiles: TrailFiles | undefined;
	/** Changes that only a trail sees; undefined if the trail is not ours. */
	readonly changesSeenByTrail: Metric | undefined;
	readonly hasDataEvents: boolean;

	constructor(scope: Construct, id: string, props: AuditProps) {
		super(scope, id);
		const { workspaces, topic, key, keys, logDays, auditTrail, dataEvents } = props;
		const { stackName, account, region, partition } = Stack.of(this);
		this.changes = makeLogGroup(this, "Changes", {
			key,
			days: logDays,
			name: `/aws/events/${stackName}-changes`,
		});
		this.hasDataEvents = dataEvents;
		const isOwn = auditTrail === "own";
		const trail = isOwn || dataEvents ? this.#makeTrail(props) : undefined;
		this.trailLogs = trail?.logGroup;
		this.trailFiles = trail;
		const resources: Omit<Protected, "ruleName"> = {
			namePrefix: namePrefix(stackName),
			functionArnPrefix: `arn:${partition}:lambda:${region}:${account}:function:${namePrefix(stackName)}`,
			bucketNames: [workspaces.bucket, ...(trail === undefined ? [] : [trail.bucket])].map(
				({ bucketName }) => bucketName,
			),
			keyIds: keys.map(({ keyId }) => keyId),
			providerArn: props.provider.attrArn,
			runtimeId: props.runtimeId,
			topicArn: topic.topicArn,
			trail: trail && { name: trail.resource.ref, arn: trail.resource.attrArn },
			logGroupNames: [this.changes, ...(trail === undefined ? [] : [trail.logGroup])].map(
				({ logGroupName }) => logGroupName,
			),
		};
		const rule = new events.Rule(this, "ProtectionChanged", {
			description: "The protection of the workspaces changed",
			eventPattern: {
				detailType: ["AWS API Call via CloudTrail"],
				detail: eventDetail(
					// The rule cannot name itself; it reports nothing that only the trail sees.
					protectionChanges({ ...resources, ruleName: "" }).filter(
						({ seenBy }) => seenBy !== "trail",
					),
				),
			},
			targets: [new targets.SnsTopic(topic), { bind: () => ({ arn: bareArn(this.changes) }) }],
		});
		if (trail !== undefined && isOwn)
			this.changesSeenByTrail = this.#countChanges(
				trail.logGroup,
				protectionChanges({ ...resources, ruleName: rule.ruleName }),
			);
		this.#letLogsIn(rule.ruleArn);
	}

	/** Which services may write into the log groups of this stack. */
	#letLogsIn(ruleArn: string): void {
		const { stackName, account, region, partition } = Stack.of(this);
		const logArn = `arn:${partition}:logs:${region}:${account}`;
		const changes = `${logArn}:log-group:/aws/events/${stackName}-changes:*`;
		const writers = ["events", "delivery.logs"];
		new logs.ResourcePolicy(this, "LogDelivery", {
			resourcePolicyName: `${stackName}-log-delivery`,
			policyStatements: [
				letServices(
					"Firewall",
					["delivery.logs"],
					["logs:CreateLogStream", "logs:PutLogEvents"],
					`${logArn}:log-group:aws-waf-logs-${stackName.toLowerCase()}:*`,
					{
						StringEquals: { "aws:SourceAccount": account },
						ArnLike: { "aws:SourceArn": `${logArn}:*` },
					},
				),
				// EventBridge creates streams without naming the rule. The events that it writes name our
				// rule, and so our account.
				letServices("ChangesStreams", writers, ["logs:CreateLogStream"], changes),
				letServices("Changes", writers, ["logs:PutLogEvents"], changes, {
					ArnEquals: { "aws:SourceArn": ruleArn },
				}),
			],
		});
	}

	/** One filter for each line, because a filter's pattern is short; all feed one metric. */
	#countChanges(logGroup: logs.ILogGroup, changes: readonly Change[]): Metric {
		const metricNamespace = `${Stack.of(this).stackName}/Audit`;
		const metricName = "ProtectionChanges";
		for (const [index, change] of changes.filter(({ seenBy }) => seenBy !== "rule").entries()) {
			new logs.MetricFilter(this, `Change${index}-${change.service}`, {
				logGroup,
				filterPattern: logs.FilterPattern.literal(filterPattern(change)),
				metricNamespace,
				metricName,
				metricValue: "1",
			});
		}
		return new Metric({
			namespace: metricNamespace,
			metricName,
			statistic: Stats.SUM,
			period: Duration.minutes(5),
		});
	}

	#makeTrail(props: AuditProps): OwnTrail {
		const { workspaces, users, key, logDays, auditTrail, dataEvents, reads } = props;
		const isOwn = auditTrail === "own";
		const bucket = new s3.Bucket(this, "TrailBucket", {
			encryption: s3.BucketEncryption.S3_MANAGED,
			enforceSSL: true,
			blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
			objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
			// Also when a first deployment fails: the trail has written by then, and a bucket that is not
			// empty cannot be deleted.
			removalPolicy: RemovalPolicy.RETAIN,
			lifecycleRules: [{ expiration: Duration.days(400) }],
		});
		const logGroup = makeLogGroup(this, "TrailLogs", { key, days: logDays });
		const topic = this.#makeFilesTopic(key);
		const trail = new cloudtrail.Trail(this, "Trail", {
			bucket: bucket as s3.IBucket,
			cloudWatchLogGroup: logGroup,
			sendToCloudWatchLogs: true,
			// IAM's changes are made in us-east-1, wherever the stack is.
			isMultiRegionTrail: isOwn,
			includeGlobalServiceEvents: isOwn,
			enableFileValidation: true,
		});
		trail.node.addDependency(topic);
		const resource = trail.node.defaultChild as cloudtrail.CfnTrail;
		const objects = dataEvents ? (workspaces.bucket as s3.IBucket) : undefined;
		resource.advancedEventSelectors = [...selectors({ isOwn, reads, users, objects })];
		resource.addPropertyDeletionOverride("EventSelectors");
		resource.snsTopicName = topic.topicArn;
		return { bucket, topic, logGroup, resource };
	}

	/** CloudTrail tells this topic the name of each file that it has written. */
	#makeFilesTopic(key: kms.Key): sns.Topic {
		const topic = new sns.Topic(this, "TrailFiles", {
			displayName: `${Stack.of(this).stackName}: new files of the trail`,
			masterKey: key as kms.IKey,
			enforceSSL: true,
		});
		// Not CDK's own statement, with which trails of every account could send messages here.
		const statement = (actions: string[], resource: string) =>
			letServices("TrailOfThisAccount", ["cloudtrail"], actions, resource, {
				StringEquals: { "aws:SourceAccount": Stack.of(this).account },
			});
		topic.addToResourcePolicy(statement(["sns:Publish"], topic.topicArn));
		key.addToResourcePolicy(statement(["kms:Decrypt", "kms:GenerateDataKey"], "*"));
		return topic;
	}
}

export interface TrailFiles {
	readonly bucket: s3.Bucket;
	readonly topic: sns.Topic;
}

interface OwnTrail extends TrailFiles {
	readonly logGroup: logs.LogGroup;
	readonly resource: cloudtrail.CfnTrail;
}

/** CloudFormation shortens a long stack name in the names that it makes, to no less than this. */
function namePrefix(stackName: string): string {
	return stackName.length <= 24 ? `${stackName}-` : stackName.slice(0, 24);
}
