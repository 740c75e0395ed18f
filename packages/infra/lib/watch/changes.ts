/**
 * The changes that could open the data, or hide that somebody did. Each line names a resource and
 * takes every change of it, so that an API that AWS adds later counts too.
 *
 * One table makes two things. EventBridge's pattern reports within seconds, but sees only this
 * region, and IAM only in us-east-1. Metric filters on the trail's log see all regions, and also
 * that the rule itself was removed.
 *
 * Does NOT see: changes of objects (data events), and what the owner of a shared VPC changes.
 */
export type Matcher =
	| string
	| { readonly prefix: string }
	| { readonly suffix: string }
	| { readonly "anything-but": string };

export interface Change {
	/** What changes, for the page. */
	readonly of: string;
	/** The first part of CloudTrail's `eventSource`. */
	readonly service: string;
	/** By path below the event. All paths must match, each one of its values. */
	readonly where: Readonly<Record<string, readonly Matcher[]>>;
	/** `both`: the rule sees it in us-east-1 only, or where a rule there forwards it. */
	readonly seenBy: "rule" | "trail" | "both";
}

export interface Protected {
	/** Names of this stack's roles, functions and alarms begin with it. */
	readonly namePrefix: string;
	readonly functionArnPrefix: string;
	readonly bucketNames: readonly string[];
	readonly keyIds: readonly string[];
	readonly providerArn: string;
	readonly runtimeId: string;
	readonly trail?: { readonly name: string; readonly arn: string } | undefined;
	readonly ruleName: string;
	/** Of the alarms. */
	readonly topicArn: string;
	readonly logGroupNames: readonly string[];
}

/**
 * Each deployment that changes code makes these changes through CloudFormation. An alarm at each
 * deployment would teach people to ignore it.
 */
const NOT_A_DEPLOYMENT = { sourceIPAddress: [{ "anything-but": "cloudformation.amazonaws.com" }] };

/**
 * Ways around a bucket's own settings. Their requests name the bucket in different places, or not
 * at all.
 */
const OTHER_DOORS = [
	"PutAccountPublicAccessBlock",
	"DeleteAccountPublicAccessBlock",
	"CreateAccessPoint",
	"PutAccessPointPolicy",
	"CreateMultiRegionAccessPoint",
	"PutMultiRegionAccessPointPolicy",
	"CreateAccessPointForObjectLambda",
	"CreateAccessGrant",
	"CreateAccessGrantsLocation",
	"CreateJob",
];

export function protectionChanges(what: Protected): readonly Change[] {
	const { namePrefix, functionArnPrefix, bucketNames, keyIds, providerArn, runtimeId } = what;
	const { trail, ruleName, topicArn, logGroupNames } = what;
	const named = (path: string, ...values: readonly Matcher[]) => ({
		[`requestParameters.${path}`]: values,
	});
	return [
		{
			of: "the settings and policies of the buckets",
			service: "s3",
			where: named("bucketName", ...bucketNames),
			seenBy: "rule",
		},
		{
			of: "access points, access grants, batch jobs and the account's public access block",
			service: "s3",
			where: { eventName: OTHER_DOORS },
			seenBy: "rule",
		},
		{
			of: "the keys: policies, grants, deletion",
			service: "kms",
			// A request has the id or the ARN.
			where: named("keyId", ...keyIds.map((suffix) => ({ suffix }))),
			seenBy: "rule",
		},
		{
			of: "who may read secrets of this account",
			service: "secretsmanager",
			where: {
				eventName: ["PutResourcePolicy", "DeleteResourcePolicy", "ReplicateSecretToRegions"],
			},
			seenBy: "rule",
		},
		{
			of: "the agent's runtime, outside a deployment",
			service: "bedrock-agentcore",
			where: { ...named("agentRuntimeId", runtimeId), ...NOT_A_DEPLOYMENT },
			seenBy: "rule",
		},
		{
			of: "the functions, outside a deployment",
			service: "lambda",
			where: {
				// CloudTrail appends a date to these names. Auto scaling changes a function's concurrency.
				eventName: [
					"UpdateFunction",
					"PutFunction",
					"UpdateAlias",
					"AddPermission",
					"CreateFunctionUrl",
				].map((prefix) => ({ prefix })),
				...named("functionName", { prefix: namePrefix }, { prefix: functionArnPrefix }),
				...NOT_A_DEPLOYMENT,
			},
			seenBy: "rule",
		},
		{
			of: "the roles: trust, policies, tags",
			service: "iam",
			where: named("roleName", { prefix: namePrefix }),
			seenBy: "both",
		},
		{
			of: "the issuer that the roles trust",
			service: "iam",
			where: named("openIDConnectProviderArn", providerArn),
			seenBy: "both",
		},
		...(trail === undefined
			? []
			: ["name", "trailName"].map((path) => ({
					of: "the trail",
					service: "cloudtrail",
					where: named(path, trail.name, trail.arn),
					seenBy: "trail" as const,
				}))),
		...["name", "rule"].map((path) => ({
			of: "the rule that reports these changes",
			service: "events",
			where: named(path, ruleName),
			seenBy: "trail" as const,
		})),
		{
			of: "the logs of changes",
			service: "logs",
			where: {
				// Not all: services create streams in these groups every day.
				eventName: [
					{ prefix: "Delete" },
					{ prefix: "Disassociate" },
					...["PutRetentionPolicy", "PutMetricFilter", "PutSubscriptionFilter"],
				],
				...named("logGroupName", ...logGroupNames),
			},
			seenBy: "trail",
		},
		{
			of: "alarms of this account, outside a deployment",
			service: "monitoring",
			// One request names many alarms, and a filter sees the first of them only.
			where: { eventName: ["DeleteAlarms", "DisableAlarmActions"], ...NOT_A_DEPLOYMENT },
			seenBy: "trail",
		},
		{
			of: "what the alarms watch, outside a deployment",
			service: "monitoring",
			where: { ...named("alarmName", { prefix: namePrefix }), ...NOT_A_DEPLOYMENT },
			seenBy: "trail",
		},
		{
			of: "the alarms' topic, outside a deployment",
			service: "sns",
			where: {
				eventName: [
					...["SetTopicAttributes", "DeleteTopic", "AddPermission", "RemovePermission"],
					"PutDataProtectionPolicy",
				],
				...named("topicArn", topicArn),
				...NOT_A_DEPLOYMENT,
			},
			seenBy: "trail",
		},
		{
			of: "who gets the alarms, outside a deployment",
			service: "sns",
			where: { ...named("subscriptionArn", { prefix: `${topicArn}:` }), ...NOT_A_DEPLOYMENT },
			seenBy: "trail",
		},
	];
}

/**
 * `detail` of an EventBridge pattern. Without `readOnly`, it would get KMS's cryptographic calls;
 * without `managementEvent`, each PUT of a trail of data events.
 */
export function eventDetail(changes: readonly Change[]): Readonly<Record<string, unknown>> {
	return {
		readOnly: [false],
		managementEvent: [true],
		$or: changes.map(({ service, where }) => ({
			eventSource: [`${service}.amazonaws.com`],
			...Object.entries(where).reduce<Record<string, unknown>>(
				(tree, [path, values]) => put(tree, path.split("."), values),
				{},
			),
		})),
	};
}

/** A filter pattern of CloudWatch Logs for one change. The service takes 1,024 characters. */
export function filterPattern({ service, where }: Change): string {
	const terms = Object.entries(where).map(([path, values]) => {
		return `(${values.map((value) => term(`$.${path}`, value)).join(" || ")})`;
	});
	return `{ ($.eventSource = "${service}.amazonaws.com") && ($.readOnly IS FALSE) && ${terms.join(" && ")} }`;
}

function term(field: string, value: Matcher): string {
	if (typeof value === "string") return `(${field} = "${value}")`;
	if ("prefix" in value) return `(${field} = "${value.prefix}*")`;
	if ("suffix" in value) return `(${field} = "*${value.suffix}")`;
	return `(${field} != "${value["anything-but"]}")`;
}

function put(
	tree: Readonly<Record<string, unknown>>,
	[first = "", ...rest]: readonly string[],
	value: unknown,
): Record<string, unknown> {
	const below = (tree[first] ?? {}) as Record<string, unknown>;
	return { ...tree, [first]: rest.length === 0 ? value : put(below, rest, value) };
}
