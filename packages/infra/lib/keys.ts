/** KMS keys and the log groups, of which every construct here needs one. */
import { ArnFormat, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";

/** Rotated yearly. A key outlives its stack: without it nothing that it encrypted can be read. */
export function makeKey(scope: Construct, id: string, description: string): kms.Key {
	return new kms.Key(scope, id, {
		description,
		enableKeyRotation: true,
		removalPolicy: RemovalPolicy.RETAIN,
		pendingWindow: Duration.days(30),
	});
}

/**
 * For logs, alarms and what else the services themselves write: each may use it for this account's
 * resources only.
 */
export function makeOperationsKey(scope: Construct, id: string): kms.Key {
	const key = makeKey(scope, id, "Logs and alarms of OpenClaw");
	const { account, region } = Stack.of(scope);
	key.addToResourcePolicy(
		new iam.PolicyStatement({
			sid: "LogsOfThisAccount",
			principals: [new iam.ServicePrincipal(`logs.${region}.amazonaws.com`)],
			actions: ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
			resources: ["*"],
			conditions: {
				ArnLike: {
					"kms:EncryptionContext:aws:logs:arn": Stack.of(scope).formatArn({
						service: "logs",
						resource: "log-group",
						resourceName: "*",
						arnFormat: ArnFormat.COLON_RESOURCE_NAME,
					}),
				},
			},
		}),
	);
	key.addToResourcePolicy(
		new iam.PolicyStatement({
			sid: "AlarmsOfThisAccount",
			principals: ["cloudwatch", "events"].map(
				(service) => new iam.ServicePrincipal(`${service}.amazonaws.com`),
			),
			actions: ["kms:Decrypt", "kms:GenerateDataKey"],
			resources: ["*"],
			conditions: { StringEquals: { "aws:SourceAccount": account } },
		}),
	);
	return key;
}

/**
 * Without the `:*` at the end of what CDK calls the group's ARN: WAF and EventBridge refuse that
 * one.
 */
export function bareArn(group: logs.ILogGroup): string {
	return Stack.of(group).formatArn({
		service: "logs",
		resource: "log-group",
		resourceName: group.logGroupName,
		arnFormat: ArnFormat.COLON_RESOURCE_NAME,
	});
}

export interface LogGroupProps {
	readonly key: kms.IKey;
	/** One of the numbers that CloudWatch knows. */
	readonly days: number;
	/** Default: made up by CloudFormation. */
	readonly name?: string;
}

export function makeLogGroup(
	scope: Construct,
	id: string,
	{ key, days, name }: LogGroupProps,
): logs.LogGroup {
	return new logs.LogGroup(scope, id, {
		encryptionKey: key,
		retention: days as logs.RetentionDays,
		removalPolicy: RemovalPolicy.DESTROY,
		...(name !== undefined && { logGroupName: name }),
	});
}
