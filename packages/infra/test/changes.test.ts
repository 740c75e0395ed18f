/** Which changes are reported: events as CloudTrail writes them, against the deployed patterns. */
import type { Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { Deployed } from "./deployed.ts";
import { synthesise } from "./synth.ts";

let open: Template;
let deployed: Deployed;

beforeAll(() => {
	open = synthesise("public").template;
	deployed = new Deployed(open);
});

interface CloudTrailEvent {
	readonly eventSource: string;
	readonly eventName: string;
	readonly readOnly: boolean;
	readonly managementEvent: boolean;
	readonly sourceIPAddress: string;
	readonly requestParameters: Readonly<Record<string, unknown>>;
}

/** A name of a role, a bucket, a key ..., as it would be in a request. */
const id = (type: string, prefix: string) => deployed.idOf(type, prefix);
const bucket = () => id("AWS::S3::Bucket", "WorkspaceBucket").toLowerCase();
const keyArn = (prefix: string) => deployed.arnOf("AWS::KMS::Key", prefix);
const ROLE = "OpenClaw-UserIdentityWorkspaceRole-0123456789AB";
const FUNCTION = "OpenClaw-RouterWorkerFunction-0123456789AB";

function event(
	service: string,
	eventName: string,
	requestParameters: CloudTrailEvent["requestParameters"],
	changes: Partial<CloudTrailEvent> = {},
): CloudTrailEvent {
	return {
		eventSource: `${service}.amazonaws.com`,
		eventName,
		readOnly: false,
		managementEvent: true,
		sourceIPAddress: "192.0.2.7",
		requestParameters,
		...changes,
	};
}

const S3 = [
	...[
		"BucketPolicy",
		"BucketPublicAccessBlock",
		"BucketReplication",
		"BucketEncryption",
		"BucketLifecycle",
	],
	...["BucketOwnershipControls", "BucketWebsite", "BucketCors"],
].flatMap((what) => [`Put${what}`, `Delete${what}`]);
const S3_ONCE = ["PutBucketAcl", "PutBucketVersioning", "PutBucketLogging", "DeleteBucket"];
const S3_INVENTORY = ["PutBucketInventoryConfiguration", "PutBucketObjectLockConfiguration"];
const S3_ELSEWHERE = [
	"PutAccountPublicAccessBlock",
	"DeleteAccountPublicAccessBlock",
	"CreateAccessPoint",
];
const S3_GRANTS = [
	"PutAccessPointPolicy",
	"CreateMultiRegionAccessPoint",
	"CreateAccessGrant",
	"CreateJob",
];
const KMS = [
	"PutKeyPolicy",
	"CreateGrant",
	"DisableKey",
	"ScheduleKeyDeletion",
	"DisableKeyRotation",
];
const IAM_ROLE = [
	...[
		"UpdateAssumeRolePolicy",
		"AttachRolePolicy",
		"DetachRolePolicy",
		"PutRolePolicy",
		"DeleteRolePolicy",
	],
	...[
		"PutRolePermissionsBoundary",
		"DeleteRolePermissionsBoundary",
		"UpdateRole",
		"TagRole",
		"DeleteRole",
	],
];
const IAM_PROVIDER = [
	...["UpdateOpenIDConnectProviderThumbprint", "AddClientIDToOpenIDConnectProvider"],
	...["RemoveClientIDFromOpenIDConnectProvider", "DeleteOpenIDConnectProvider"],
];
const RUNTIME = ["UpdateAgentRuntime", "UpdateAgentRuntimeEndpoint", "CreateAgentRuntimeEndpoint"];
const LAMBDA = [
	"UpdateFunctionCode20150331v2",
	"UpdateFunctionConfiguration20150331v2",
	"AddPermission20150331v2",
];
const SECRETS = ["PutResourcePolicy", "DeleteResourcePolicy", "ReplicateSecretToRegions"];

const each = (names: readonly string[], make: (name: string) => CloudTrailEvent) =>
	names.map((name) => [name, () => make(name)] as const);

describe("the rule reports", () => {
	test.each([
		...each([...S3, ...S3_ONCE, ...S3_INVENTORY], (name) =>
			event("s3", name, { bucketName: bucket() }),
		),
		...each([...S3_ELSEWHERE, ...S3_GRANTS], (name) =>
			event("s3", name, { accountId: "111111111111" }),
		),
		...each(KMS, (name) => event("kms", name, { keyId: keyArn("WorkspaceBucketKey") })),
		...each(IAM_ROLE, (name) => event("iam", name, { roleName: ROLE })),
		...each(IAM_PROVIDER, (name) =>
			event("iam", name, {
				openIDConnectProviderArn: deployed.arnOf("AWS::IAM::OIDCProvider", "UserIdentityProvider"),
			}),
		),
		...each(RUNTIME, (name) =>
			event("bedrock-agentcore", name, {
				agentRuntimeId: `${id("AWS::BedrockAgentCore::Runtime", "AgentRuntime")}.AgentRuntimeId`,
			}),
		),
		...each(LAMBDA, (name) => event("lambda", name, { functionName: FUNCTION })),
		...each(SECRETS, (name) => event("secretsmanager", name, { secretId: "any" })),
	])("%s", (_, make) => {
		expect(isReported(make())).toBe(true);
	});

	test("changes of every bucket and every key of the stack", () => {
		for (const prefix of ["WorkspaceBucket", "AuditTrailBucket"])
			expect(
				isReported(
					event("s3", "PutBucketPolicy", {
						bucketName: id("AWS::S3::Bucket", prefix).toLowerCase(),
					}),
				),
			).toBe(true);
		const keys = Object.keys(open.findResources("AWS::KMS::Key"));
		expect(keys.length).toBeGreaterThanOrEqual(4);
		for (const keyId of keys)
			expect([keyId, isReported(event("kms", "PutKeyPolicy", { keyId }))]).toEqual([keyId, true]);
	});

	test("a function that is named by its ARN", () => {
		const functionName = `arn:aws:lambda:eu-west-1:111111111111:function:${FUNCTION}`;
		expect(isReported(event("lambda", "UpdateFunctionCode20150331v2", { functionName }))).toBe(
			true,
		);
	});

	test("code that CloudFormation does not deploy only, but every change of a policy", () => {
		const deployment = { sourceIPAddress: "cloudformation.amazonaws.com" };
		expect(isReported(event("lambda", LAMBDA[0]!, { functionName: FUNCTION }, deployment))).toBe(
			false,
		);
		expect(isReported(event("s3", "PutBucketPolicy", { bucketName: bucket() }, deployment))).toBe(
			true,
		);
	});

	test("nothing that is read, no object, nothing of another resource, and no scaling", () => {
		const keyId = keyArn("WorkspaceBucketKey");
		expect(isReported(event("kms", "Decrypt", { keyId }, { readOnly: true }))).toBe(false);
		expect(
			isReported(event("s3", "PutObject", { bucketName: bucket() }, { managementEvent: false })),
		).toBe(false);
		expect(isReported(event("s3", "PutBucketPolicy", { bucketName: "another" }))).toBe(false);
		expect(isReported(event("iam", "PutRolePolicy", { roleName: "OpenClawdia-Role" }))).toBe(false);
		expect(isReported(event("kms", "PutKeyPolicy", { keyId: "another" }))).toBe(false);
		expect(
			isReported(event("lambda", "PutProvisionedConcurrencyConfig", { functionName: FUNCTION })),
		).toBe(false);
	});

	test("with a pattern that EventBridge accepts, also for a long name", () => {
		const { template } = synthesise("public", { "openclaw:stackName": `A${"b".repeat(39)}` });
		const [rule] = Object.values(template.findResources("AWS::Events::Rule"));
		const pattern = new Deployed(template).resolve(rule!.Properties.EventPattern);
		// Real names of two buckets have up to 63 characters, ids of four keys 36 and of a runtime 59;
		// the stand-ins here have at least 15.
		const grows = 2 * (63 - 15) + 4 * (36 - 15) + (59 - 15);
		expect(JSON.stringify(pattern).length + grows).toBeLessThan(2_048);
	});
});

describe("the trail", () => {
	test("records changes in every region, with IAM's and those of the users, and no reads", () => {
		const [trail] = Object.values(open.findResources("AWS::CloudTrail::Trail"));
		expect(trail!.Properties).toMatchObject({
			IsLogging: true,
			IsMultiRegionTrail: true,
			IncludeGlobalServiceEvents: true,
			EnableLogFileValidation: true,
			AdvancedEventSelectors: [
				{
					FieldSelectors: [
						{ Field: "eventCategory", Equals: ["Management"] },
						{ Field: "readOnly", Equals: ["false"] },
					],
				},
				{
					FieldSelectors: [
						{ Field: "eventCategory", Equals: ["Data"] },
						{ Field: "resources.type", Equals: ["AWS::DynamoDB::Table"] },
						{
							Field: "resources.ARN",
							Equals: [{ "Fn::GetAtt": [id("AWS::DynamoDB::Table", "RouterUsers"), "Arn"] }],
						},
						{ Field: "readOnly", Equals: ["false"] },
					],
				},
			],
		});
	});

	test("announces its files on an encrypted topic, which CloudTrail may use before the trail exists", () => {
		const [trail] = Object.values(open.findResources("AWS::CloudTrail::Trail"));
		const topic = deployed.idOf("AWS::SNS::Topic", "AuditTrailFiles");
		expect(JSON.stringify(trail!.Properties.SnsTopicName)).toContain(topic);
		const policy = deployed.idOf("AWS::SNS::TopicPolicy", "AuditTrailFiles");
		expect(trail!.DependsOn).toEqual(expect.arrayContaining([policy]));
		const statements = JSON.stringify(open.findResources("AWS::SNS::TopicPolicy")[policy]);
		expect(statements).toContain(
			'"Condition":{"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}}},"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"}',
		);
		expect(statements.split('"Effect":"Allow"')).toHaveLength(2);
		const operations = open.findResources("AWS::KMS::Key")[id("AWS::KMS::Key", "OperationsKey")];
		expect(JSON.stringify(operations!.Properties.KeyPolicy)).toContain("TrailOfThisAccount");
	});

	test("counts what the rule cannot see: IAM's changes, and those of the trail, the rule, the logs and the alarms", () => {
		const rule = id("AWS::Events::Rule", "AuditProtectionChanged");
		const trail = id("AWS::CloudTrail::Trail", "AuditTrail");
		const logGroupName = id("AWS::Logs::LogGroup", "AuditChanges");
		const topicArn = deployed.arnOf("AWS::SNS::Topic", "Alarms");
		for (const one of [
			...IAM_ROLE.map((name) => event("iam", name, { roleName: ROLE })),
			...IAM_PROVIDER.map((name) =>
				event("iam", name, {
					openIDConnectProviderArn: deployed.arnOf(
						"AWS::IAM::OIDCProvider",
						"UserIdentityProvider",
					),
				}),
			),
			...["StopLogging", "DeleteTrail", "UpdateTrail"].map((name) =>
				event("cloudtrail", name, { name: trail }),
			),
			event("cloudtrail", "PutEventSelectors", { trailName: trail }),
			...["DisableRule", "DeleteRule", "PutRule"].map((name) =>
				event("events", name, { name: rule }),
			),
			event("events", "RemoveTargets", { rule }),
			...[
				...["DeleteLogGroup", "DisassociateKmsKey", "DeleteMetricFilter", "PutRetentionPolicy"],
				...["PutSubscriptionFilter", "PutMetricFilter", "DeleteLogStream"],
			].map((name) => event("logs", name, { logGroupName })),
			...["DeleteAlarms", "DisableAlarmActions"].map((name) =>
				event("monitoring", name, { alarmNames: ["another", "OpenClaw-ObservabilityX-Y"] }),
			),
			event("monitoring", "PutMetricAlarm", { alarmName: "OpenClaw-ObservabilityX-Y" }),
			...["SetTopicAttributes", "DeleteTopic"].map((name) => event("sns", name, { topicArn })),
			event("sns", "Unsubscribe", { subscriptionArn: `${topicArn}:0a1b` }),
		])
			expect([one.eventName, countOf(one)]).toEqual([one.eventName, 1]);
		expect(countOf(event("logs", "CreateLogStream", { logGroupName }))).toBe(0);
		expect(countOf(event("monitoring", "PutMetricAlarm", { alarmName: "another" }))).toBe(0);
		expect(countOf(event("sns", "DeleteTopic", { topicArn: `${topicArn}2` }))).toBe(0);
		expect(countOf(event("sns", "ConfirmSubscription", { topicArn }))).toBe(0);
		const byDeployment = { sourceIPAddress: "cloudformation.amazonaws.com" };
		expect(countOf(event("sns", "SetTopicAttributes", { topicArn }, byDeployment))).toBe(0);
		expect(countOf(event("iam", "PutRolePolicy", { roleName: "another" }))).toBe(0);
		expect(countOf(event("iam", "GetRole", { roleName: ROLE }, { readOnly: true }))).toBe(0);
		expect(countOf(event("s3", "PutBucketPolicy", { bucketName: bucket() }))).toBe(0);
	});

	test("has filters that CloudWatch Logs accepts, and an alarm on their metric", () => {
		const filters = filtersOf(open);
		for (const { Properties } of filters)
			expect((deployed.resolve(Properties.FilterPattern) as string).length).toBeLessThan(1_024);
		const names = new Set(
			filters.map(
				({
					Properties: {
						MetricTransformations: [one],
					},
				}) => `${one.MetricNamespace} ${one.MetricName}`,
			),
		);
		const [alarm] = Object.entries(open.findResources("AWS::CloudWatch::Alarm")).filter(([key]) =>
			key.includes("ProtectionChanged"),
		);
		const { Namespace, MetricName } = alarm![1].Properties;
		expect([...names]).toEqual([`${Namespace} ${MetricName}`]);
	});

	test("of the account can take its place, and then nothing is recorded twice", () => {
		const { template } = synthesise("public", { "openclaw:auditTrail": "existing" });
		template.resourceCountIs("AWS::CloudTrail::Trail", 0);
		expect(filtersOf(template)).toEqual([]);
		template.resourceCountIs("AWS::Events::Rule", 1);
		const objects = synthesise("public", {
			"openclaw:auditTrail": "existing",
			"openclaw:dataEvents": true,
		}).template;
		const [trail] = Object.values(objects.findResources("AWS::CloudTrail::Trail"));
		expect(trail!.Properties.IsMultiRegionTrail).toBe(false);
		expect(JSON.stringify(trail!.Properties.AdvancedEventSelectors)).not.toContain("Management");
	});
});

/** The metric filters on the trail's log. */
function filtersOf(template: Template) {
	return Object.entries(template.findResources("AWS::Logs::MetricFilter"))
		.filter(([id]) => id.startsWith("AuditChange"))
		.map(([, filter]) => filter);
}

function isReported(one: CloudTrailEvent): boolean {
	const [rule] = Object.values(open.findResources("AWS::Events::Rule"));
	const pattern = deployed.resolve(rule!.Properties.EventPattern) as Readonly<
		Record<string, unknown>
	>;
	return matches(pattern, { "detail-type": "AWS API Call via CloudTrail", detail: one });
}

/** EventBridge's rules of matching, as far as our pattern uses them. */
function matches(pattern: Readonly<Record<string, unknown>>, value: unknown): boolean {
	return Object.entries(pattern).every(([key, wanted]) => {
		if (key === "$or")
			return (wanted as readonly Readonly<Record<string, unknown>>[]).some((one) =>
				matches(one, value),
			);
		const found = (value as Readonly<Record<string, unknown>> | undefined)?.[key];
		return Array.isArray(wanted)
			? wanted.some((one) => equals(one, found))
			: matches(wanted as Readonly<Record<string, unknown>>, found);
	});
}

function equals(wanted: unknown, found: unknown): boolean {
	if (typeof wanted !== "object" || wanted === null) return wanted === found;
	const [[operator, text] = []] = Object.entries(wanted as Readonly<Record<string, string>>);
	if (typeof found !== "string") return false;
	if (operator === "prefix") return found.startsWith(text!);
	if (operator === "suffix") return found.endsWith(text!);
	if (operator === "anything-but") return found !== text;
	throw new Error(`${operator} is not known here`);
}

/** How many metric filters count the event. */
function countOf(one: CloudTrailEvent): number {
	return filtersOf(open).filter(({ Properties }) =>
		passes(deployed.resolve(Properties.FilterPattern) as string, one),
	).length;
}

/** Filter patterns of CloudWatch Logs: terms in brackets, `&&` before `||` only in brackets. */
function passes(pattern: string, one: CloudTrailEvent): boolean {
	const verdicts = pattern
		.replace(/^\{ | \}$/g, "")
		.replaceAll(
			/\$\.([\w.[\]]+) (=|!=|IS) ("[^"]*"|TRUE|FALSE)/g,
			(_, path: string, operator: string, text: string) => {
				const found = path
					.split(/[.[\]]+/)
					.filter(Boolean)
					.reduce<unknown>(
						(at, key) => (at as Readonly<Record<string, unknown>> | undefined)?.[key],
						one,
					);
				if (operator === "IS") return String(found === (text === "TRUE"));
				const wanted = text.slice(1, -1);
				const isEqual =
					typeof found === "string" &&
					(wanted.endsWith("*")
						? found.startsWith(wanted.slice(0, -1))
						: wanted.startsWith("*")
							? found.endsWith(wanted.slice(1))
							: found === wanted);
				return String(isEqual === (operator === "="));
			},
		);
	expect(verdicts).toMatch(/^[()&| truefals]+$/);
	return evaluate(verdicts);
}

/** Brackets from the inside out; inside one pair, there is one kind of operator. */
function evaluate(text: string): boolean {
	let rest = text;
	while (/\(/.test(rest))
		rest = rest.replace(/\(([^()]*)\)/, (_, inner: string) => String(evaluate(inner)));
	const isAnd = rest.includes("&&");
	expect(isAnd && rest.includes("||")).toBe(false);
	const parts = rest.split(isAnd ? "&&" : "||").map((part) => part.trim() === "true");
	return isAnd ? parts.every(Boolean) : parts.some(Boolean);
}
