/** The resources of an installation, by construct, from the templates of examples/. */
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { IgnoreStrategy } from "aws-cdk-lib";
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { acknowledgements } from "../lib/acknowledgements.ts";
import previousRelease from "./previous-release.json" with { type: "json" };
import { losses, type Stateful, statefulOf } from "./stateful.ts";
import { nagFindings, type Synthesised, synthesise } from "./synth.ts";
import { wildcardTable } from "./tables.ts";

let publicMode: Template;
let inNewVpc: Synthesised;
let newVpc: Template;
let existingVpc: Template;
let ownIssuer: Template;

beforeAll(() => {
	publicMode = synthesise("public").template;
	inNewVpc = synthesise("new-vpc");
	newVpc = inNewVpc.template;
	existingVpc = synthesise("existing-vpc").template;
	ownIssuer = synthesise("own-issuer").template;
});

/**
 * Properties of the only resource of its type, or of the only one with this prefix of its logical
 * id.
 */
function properties<T = Readonly<Record<string, unknown>>>(
	template: Template,
	type: string,
	idPrefix = "",
): T {
	const found = Object.entries(template.findResources(type)).filter(([id]) =>
		id.startsWith(idPrefix),
	);
	expect(found.map(([id]) => id)).toHaveLength(1);
	return (found[0]![1] as { readonly Properties: T }).Properties;
}

describe("the workspace bucket", () => {
	test("is versioned, encrypted with its own key, closed to the public, and outlives the stack", () => {
		publicMode.hasResource("AWS::S3::Bucket", {
			DeletionPolicy: "RetainExceptOnCreate",
			UpdateReplacePolicy: "Retain",
			Properties: {
				VersioningConfiguration: { Status: "Enabled" },
				BucketEncryption: {
					ServerSideEncryptionConfiguration: [
						{
							BucketKeyEnabled: true,
							ServerSideEncryptionByDefault: {
								SSEAlgorithm: "aws:kms",
								KMSMasterKeyID: Match.anyValue(),
							},
						},
					],
				},
				OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
				PublicAccessBlockConfiguration: {
					BlockPublicAcls: true,
					BlockPublicPolicy: true,
					IgnorePublicAcls: true,
					RestrictPublicBuckets: true,
				},
				LifecycleConfiguration: {
					Rules: [
						Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
						Match.objectLike({
							NoncurrentVersionExpiration: { NoncurrentDays: 30 },
							ExpiredObjectDeleteMarker: true,
						}),
					],
				},
			},
		});
	});

	test("every key rotates and outlives the stack, except the signing key, which cannot rotate and is useless without the stack", () => {
		const keys = Object.entries(newVpc.findResources("AWS::KMS::Key"));
		for (const [id, key] of keys) {
			const isSigning = id.startsWith("IssuerSigningKey");
			expect([id, key.DeletionPolicy]).toEqual([id, isSigning ? "Delete" : "RetainExceptOnCreate"]);
			expect([id, key.Properties.EnableKeyRotation]).toEqual([id, isSigning ? undefined : true]);
		}
		expect(keys).toHaveLength(4);
	});
});

describe("retention", () => {
	test("runs daily, with the role that may delete", () => {
		publicMode.hasResourceProperties("AWS::Scheduler::Schedule", {
			ScheduleExpression: "cron(17 3 * * ? *)",
			Target: {
				Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("^RetentionTasks"), "Arn"] },
				Input: '{"task":"start"}',
			},
		});
		publicMode.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
			BatchSize: 1,
			EventSourceArn: { "Fn::GetAtt": [Match.stringLikeRegexp("^RetentionTasks"), "Arn"] },
			FunctionName: { Ref: Match.stringLikeRegexp("^RetentionHandler") },
			ScalingConfig: { MaximumConcurrency: 4 },
		});
		publicMode.hasResourceProperties("AWS::Lambda::Function", {
			Timeout: 900,
			Role: { "Fn::GetAtt": [Match.stringLikeRegexp("^WorkspaceBucketSweeper"), "Arn"] },
			Environment: { Variables: { STORE_URL: Match.anyValue(), QUEUE_URL: Match.anyValue() } },
		});
	});

	test("repeats a failed message after the function's longest run, and keeps it after three", () => {
		const [deadLetters] = Object.keys(publicMode.findResources("AWS::SQS::Queue")).filter((id) =>
			id.startsWith("RetentionDeadLetters"),
		);
		publicMode.hasResourceProperties("AWS::SQS::Queue", {
			VisibilityTimeout: 960,
			SqsManagedSseEnabled: true,
			RedrivePolicy: {
				deadLetterTargetArn: { "Fn::GetAtt": [deadLetters, "Arn"] },
				maxReceiveCount: 3,
			},
		});
	});

	test("lets the schedule only send, and only to this queue", () => {
		const [policy] = Object.entries(publicMode.findResources("AWS::IAM::Policy"))
			.filter(([id]) => id.startsWith("RetentionStarter"))
			.map(([, { Properties }]) => Properties.PolicyDocument.Statement);
		expect(policy).toEqual([
			expect.objectContaining({
				Action: "sqs:SendMessage",
				Resource: { "Fn::GetAtt": [expect.stringMatching(/^RetentionTasks/), "Arn"] },
			}),
		]);
	});
});

describe("the user's identity", () => {
	test("has credentials that last an hour longer than a machine", () => {
		expect(
			properties(publicMode, "AWS::IAM::Role", "UserIdentityWorkspaceRole").MaxSessionDuration,
		).toBe(9 * 3_600);
		const short = synthesise("public", { "openclaw:maxHours": 2 }).template;
		expect(
			properties(short, "AWS::IAM::Role", "UserIdentityWorkspaceRole").MaxSessionDuration,
		).toBe(3 * 3_600);
		expect(properties(short, "AWS::BedrockAgentCore::Runtime")).toMatchObject({
			EnvironmentVariables: { OPENCLAW_SIDECAR_ROLE_DURATION: "180m" },
		});
	});

	test("comes from our own issuer, whose asymmetric key only the worker may use", () => {
		publicMode.hasResourceProperties("AWS::KMS::Key", {
			KeySpec: "RSA_2048",
			KeyUsage: "SIGN_VERIFY",
		});
		const signers = Object.entries(publicMode.findResources("AWS::IAM::Policy")).filter(
			([, policy]) => JSON.stringify(policy).includes("kms:Sign"),
		);
		expect(signers.map(([id]) => id)).toEqual([expect.stringMatching(/^RouterWorkerRole/)]);
	});

	test("can come from an external issuer: the stack then has no API, queue or secret, and the runtime requires its tokens", () => {
		for (const type of ["ApiGateway::RestApi", "SecretsManager::Secret", "WAFv2::WebACL"])
			ownIssuer.resourceCountIs(`AWS::${type}`, 0);
		const queues = Object.keys(ownIssuer.findResources("AWS::SQS::Queue"));
		expect(queues.filter((id) => !id.startsWith("Retention"))).toEqual([]);
		expect(properties(ownIssuer, "AWS::IAM::OIDCProvider")).toMatchObject({
			Url: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_example",
			ClientIdList: ["1example23456789"],
		});
		expect(properties(ownIssuer, "AWS::BedrockAgentCore::Runtime")).toMatchObject({
			AuthorizerConfiguration: { CustomJWTAuthorizer: { AllowedAudience: ["1example23456789"] } },
			RequestHeaderConfiguration: { RequestHeaderAllowlist: ["Authorization"] },
		});
	});
});

describe("the agent's runtime", () => {
	test("sets the lifetime, platform and environment of machines", () => {
		const runtime = properties(newVpc, "AWS::BedrockAgentCore::Runtime");
		expect(runtime).toMatchObject({
			AgentRuntimeName: "OpenClaw",
			ProtocolConfiguration: "HTTP",
			PlatformVersion: "V2",
			LifecycleConfiguration: { IdleRuntimeSessionTimeout: 900, MaxLifetime: 28_800 },
			NetworkConfiguration: { NetworkMode: "VPC" },
		});
		expect(runtime).not.toHaveProperty("RequestHeaderConfiguration");
		expect(Object.keys(runtime.EnvironmentVariables as object).sort()).toEqual([
			"AWS_REGION",
			"OPENCLAW_IMAGE_WARM_UP",
			"OPENCLAW_MODEL_ID",
			...[
				"AUDIENCE",
				"IDENTITY",
				"ISSUER",
				"KMS_KEY",
				"METRICS",
				"MODEL_IDS",
				"REGION",
				"ROLE_ARN",
				"ROLE_DURATION",
				"STORE",
			].map((name) => `OPENCLAW_SIDECAR_${name}`),
		]);
	});

	test("runs V1 if the region is not known to have V2, without a warm-up for which users would wait", () => {
		for (const template of [publicMode, ownIssuer]) {
			const runtime = properties(template, "AWS::BedrockAgentCore::Runtime");
			expect(runtime.PlatformVersion).toBe("V1");
			expect(runtime.EnvironmentVariables).not.toHaveProperty("OPENCLAW_IMAGE_WARM_UP");
		}
	});

	test("has an encrypted log group before its endpoint can write to it", () => {
		const [endpoint] = Object.values(
			publicMode.findResources("AWS::BedrockAgentCore::RuntimeEndpoint"),
		);
		expect(endpoint?.DependsOn).toEqual(
			expect.arrayContaining([expect.stringMatching(/^AgentRuntimeLogs/)]),
		);
		expect(endpoint?.Properties.Name).toBe("live");
		publicMode.hasResourceProperties("AWS::Logs::LogGroup", {
			LogGroupName: {
				"Fn::Join": ["", ["/aws/bedrock-agentcore/runtimes/", Match.anyValue(), "-live"]],
			},
			KmsKeyId: Match.anyValue(),
			RetentionInDays: 90,
		});
	});

	test("gets from .dockerignore every file that the Containerfile copies, and no file of a working copy", () => {
		const root = new URL("../../../", import.meta.url);
		const staged = IgnoreStrategy.docker(
			fileURLToPath(root),
			readFileSync(new URL(".dockerignore", root), "utf8").trim().split("\n"),
		);
		const lines =
			readFileSync(new URL("Containerfile", root), "utf8").match(/^COPY (?!--from).*/gm) ?? [];
		const sources = lines.flatMap((line) =>
			line
				.split(/\s+/)
				.filter((word) => !word.startsWith("--"))
				.slice(1, -1),
		);
		expect(sources.length).toBeGreaterThan(5);
		const isLeftOut = (path: string) => {
			const absolute = fileURLToPath(new URL(path, root));
			return statSync(absolute, { throwIfNoEntry: false })?.isDirectory()
				? staged.completelyIgnores(absolute)
				: staged.ignores(absolute);
		};
		expect(sources.filter(isLeftOut)).toEqual([]);
		expect(isLeftOut("packages/sidecar/src/index.ts")).toBe(false);
		for (const path of [
			"node_modules/any",
			".cache/bin/any",
			".git/config",
			"packages/sidecar/node_modules/any",
		])
			expect(isLeftOut(path)).toBe(true);
	});

	test("pulls the image from one repository only", () => {
		publicMode.hasResourceProperties("AWS::IAM::Policy", {
			PolicyDocument: {
				Statement: Match.arrayWith([
					Match.objectLike({
						Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
						Resource: { "Fn::Join": ["", Match.arrayWith([":repository/"])] },
					}),
				]),
			},
		});
	});
});

describe("the network", () => {
	test("has no VPC and no endpoint in PUBLIC mode, and the bucket requires none", () => {
		for (const type of ["VPC", "VPCEndpoint", "SecurityGroup"])
			publicMode.resourceCountIs(`AWS::EC2::${type}`, 0);
		expect(JSON.stringify(publicMode.findResources("AWS::S3::BucketPolicy"))).not.toContain(
			"SourceVpce",
		);
	});

	test("can be a new VPC in zones that AgentCore supports, by id, with flow logs", () => {
		const subnets = Object.values(newVpc.findResources("AWS::EC2::Subnet")).map(
			({ Properties }) => Properties,
		);
		expect(subnets.map(({ AvailabilityZoneId }) => AvailabilityZoneId).sort()).toEqual([
			"euw1-az1",
			"euw1-az1",
			"euw1-az2",
			"euw1-az2",
		]);
		expect(
			subnets.every(
				(subnet) => subnet.AvailabilityZone === undefined && subnet.MapPublicIpOnLaunch === false,
			),
		).toBe(true);
		newVpc.resourceCountIs("AWS::EC2::NatGateway", 1);
		newVpc.hasResourceProperties("AWS::EC2::FlowLog", {
			TrafficType: "ALL",
			LogDestinationType: "cloud-watch-logs",
		});
	});

	test("lets machines open HTTPS and accept nothing, and endpoints accept machines", () => {
		const groups = newVpc.findResources("AWS::EC2::SecurityGroup");
		const machines = Object.entries(groups).find(([id]) => id.startsWith("NetworkMachines"))![1]
			.Properties;
		expect(machines.SecurityGroupEgress).toEqual([
			expect.objectContaining({ IpProtocol: "tcp", FromPort: 443, ToPort: 443 }),
		]);
		expect(machines.SecurityGroupIngress).toBeUndefined();
		newVpc.hasResourceProperties("AWS::EC2::SecurityGroupIngress", {
			FromPort: 443,
			ToPort: 443,
			SourceSecurityGroupId: {
				"Fn::GetAtt": [Match.stringLikeRegexp("^NetworkMachines"), "GroupId"],
			},
		});
	});

	test("has a policy on every endpoint, and that of S3 names two buckets", () => {
		const endpoints = Object.values(newVpc.findResources("AWS::EC2::VPCEndpoint")).map(
			({ Properties }) => Properties,
		);
		const names = ["bedrock-runtime", "ecr.api", "ecr.dkr", "logs", "s3", "sts"];
		expect(
			endpoints
				.map(({ ServiceName }) =>
					names.find((name) => JSON.stringify(ServiceName).includes(`.${name}"`)),
				)
				.sort(),
		).toEqual(names);
		for (const endpoint of endpoints) {
			expect(JSON.stringify(endpoint.PolicyDocument)).toMatch(/"Action"/);
			expect(
				JSON.stringify(
					endpoint.PolicyDocument.Statement.map(
						({ Action }: { readonly Action: unknown }) => Action,
					),
				),
			).not.toContain("*");
		}
		const s3 = endpoints.find(({ VpcEndpointType }) => VpcEndpointType === "Gateway")!;
		const resources = s3.PolicyDocument.Statement.map(
			({ Resource }: { readonly Resource: unknown }) => JSON.stringify(Resource),
		);
		expect(resources).toEqual([
			expect.stringMatching(/WorkspaceBucket.*\/users\/\*"/),
			expect.stringMatching(/WorkspaceBucket/),
			expect.stringMatching(/prod-eu-west-1-starport-layer-bucket/),
			expect.stringMatching(/WorkspaceBucket.*\/users\/\*\/log\/\*"/),
			expect.stringMatching(/WorkspaceBucket/),
			expect.stringMatching(/WorkspaceBucket.*\/users\/\*"/),
			expect.stringMatching(/WorkspaceBucket.*\/audit\/\*"/),
		]);
	});

	test("can be an existing VPC, which keeps its endpoints, and the bucket requires its S3 endpoint", () => {
		existingVpc.resourceCountIs("AWS::EC2::VPC", 0);
		existingVpc.resourceCountIs("AWS::EC2::VPCEndpoint", 0);
		expect(
			properties(existingVpc, "AWS::BedrockAgentCore::Runtime").NetworkConfiguration,
		).toMatchObject({
			NetworkMode: "VPC",
			NetworkModeConfig: { Subnets: ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"] },
		});
		expect(JSON.stringify(existingVpc.findResources("AWS::S3::BucketPolicy"))).toContain(
			'"aws:SourceVpce":"vpce-0123456789abcdef0"',
		);
	});

	test("without NAT has no way out except endpoints", () => {
		ownIssuer.resourceCountIs("AWS::EC2::NatGateway", 0);
		ownIssuer.resourceCountIs("AWS::EC2::InternetGateway", 0);
	});
});

interface WafStatement {
	readonly RateBasedStatement?: object;
	readonly ManagedRuleGroupStatement?: {
		readonly RuleActionOverrides: readonly {
			readonly Name: string;
			readonly ActionToUse: object;
		}[];
	};
}

describe("the webhook API", () => {
	test("is a throttled regional API behind WAF, with access logs without bodies", () => {
		publicMode.hasResourceProperties("AWS::ApiGateway::RestApi", {
			EndpointConfiguration: { Types: ["REGIONAL"] },
		});
		publicMode.hasResourceProperties("AWS::ApiGateway::Stage", {
			AccessLogSetting: { DestinationArn: Match.anyValue() },
			MethodSettings: Match.arrayWith([
				Match.objectLike({
					ResourcePath: "/*",
					ThrottlingRateLimit: 50,
					ThrottlingBurstLimit: 100,
					DataTraceEnabled: false,
				}),
			]),
		});
		publicMode.resourceCountIs("AWS::WAFv2::WebACLAssociation", 1);
	});

	test("throttles the issuer's documents on their own, so that webhooks cannot use up what STS needs", () => {
		const { MethodSettings } = properties<{
			readonly MethodSettings: readonly Readonly<Record<string, unknown>>[];
		}>(publicMode, "AWS::ApiGateway::Stage");
		expect(MethodSettings.slice(1)).toEqual(
			["openid-configuration", "jwks.json"].map((name) => ({
				ResourcePath: `/~1.well-known~1${name}`,
				HttpMethod: "GET",
				ThrottlingRateLimit: 50,
				ThrottlingBurstLimit: 100,
				MetricsEnabled: true,
				LoggingLevel: "ERROR",
				DataTraceEnabled: false,
			})),
		);
	});

	test("gives STS, which reads the documents for all users, a limit of its own below their throttle", () => {
		const { Rules } = properties<{
			readonly Rules: readonly { readonly Name: string; readonly Statement: WafStatement }[];
		}>(publicMode, "AWS::WAFv2::WebACL");
		const rates = Rules.flatMap(({ Statement }) => Statement.RateBasedStatement ?? []);
		const documents = {
			ByteMatchStatement: { PositionalConstraint: "CONTAINS", SearchString: "/.well-known/" },
		};
		expect(rates).toMatchObject([
			{ Limit: 2_000, ScopeDownStatement: { NotStatement: { Statement: documents } } },
			{ Limit: 6_000, ScopeDownStatement: documents },
		]);
		expect(6_000 / 300).toBeLessThan(50);
	});

	test("has WAF limits on addresses and bodies, and rules on message text only count", () => {
		const { Rules } = properties<{
			readonly Rules: readonly { readonly Statement: WafStatement }[];
		}>(publicMode, "AWS::WAFv2::WebACL");
		const statements = Rules.map(({ Statement }) => Statement);
		expect(statements[0]!.RateBasedStatement).toMatchObject({
			Limit: 2_000,
			EvaluationWindowSec: 300,
		});
		const groups = statements.flatMap(({ ManagedRuleGroupStatement: group }) => group ?? []);
		expect(groups).toHaveLength(3);
		const counted = groups.flatMap(({ RuleActionOverrides }) => RuleActionOverrides);
		expect(counted.every(({ ActionToUse }) => "Count" in ActionToUse)).toBe(true);
		expect(counted.map(({ Name }) => Name)).toEqual(
			expect.arrayContaining([
				"NoUserAgent_HEADER",
				"CrossSiteScripting_BODY",
				"SizeRestrictions_BODY",
				"Log4JRCE_BODY",
			]),
		);
	});

	test("calls the alias, whose version has ready instances", () => {
		publicMode.hasResourceProperties("AWS::Lambda::Alias", {
			Name: "live",
			ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 },
		});
		publicMode.hasResourceProperties("AWS::ApplicationAutoScaling::ScalableTarget", {
			ScalableDimension: "lambda:function:ProvisionedConcurrency",
			MinCapacity: 1,
			MaxCapacity: 5,
		});
		const posts = Object.values(
			publicMode.findResources("AWS::ApiGateway::Method", { Properties: { HttpMethod: "POST" } }),
		);
		expect(posts).toHaveLength(3);
		for (const { Properties } of posts) {
			expect(JSON.stringify(Properties.Integration.Uri)).toMatch(/"Ref":"RouterLive/);
			expect(Properties.RequestValidatorId).toBeDefined();
			expect(Properties.RequestModels).toHaveProperty(["application/json"]);
		}
		const required = posts.flatMap(({ Properties }) =>
			Object.keys(Properties.RequestParameters ?? {}),
		);
		expect(required.sort()).toEqual(
			["X-Slack-Request-Timestamp", "X-Slack-Signature", "X-Telegram-Bot-Api-Secret-Token"].map(
				(name) => `method.request.header.${name}`,
			),
		);
	});

	test("keeps a user's messages in order, and those that fail in every attempt for 14 days", () => {
		publicMode.hasResourceProperties("AWS::SQS::Queue", {
			FifoQueue: true,
			// Longer than the worker's 900 s; otherwise Lambda refuses the queue.
			VisibilityTimeout: 930,
			RedrivePolicy: { maxReceiveCount: 8, deadLetterTargetArn: Match.anyValue() },
		});
		publicMode.hasResourceProperties("AWS::SQS::Queue", {
			FifoQueue: true,
			MessageRetentionPeriod: 14 * 86_400,
		});
		publicMode.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
			BatchSize: 1,
			FunctionResponseTypes: ["ReportBatchItemFailures"],
			ScalingConfig: { MaximumConcurrency: 20 },
		});
	});

	test("has a worker that calls only this runtime, by its endpoint", () => {
		publicMode.hasResourceProperties("AWS::IAM::Policy", {
			PolicyDocument: {
				Statement: Match.arrayWith([
					Match.objectLike({
						Action: "bedrock-agentcore:InvokeAgentRuntime",
						Resource: [
							{ "Fn::GetAtt": [Match.stringLikeRegexp("^AgentRuntime"), "AgentRuntimeArn"] },
							{
								"Fn::GetAtt": [
									Match.stringLikeRegexp("^AgentRuntimeEndpoint"),
									"AgentRuntimeEndpointArn",
								],
							},
						],
					}),
				]),
			},
		});
	});
});

describe("channel secrets", () => {
	test("are one per channel, with their own key, rotated by a schedule and never at deployment", () => {
		publicMode.resourceCountIs("AWS::SecretsManager::Secret", 3);
		publicMode.allResourcesProperties("AWS::SecretsManager::Secret", {
			KmsKeyId: { "Fn::GetAtt": [Match.stringLikeRegexp("^SecretsKey"), "Arn"] },
		});
		publicMode.allResourcesProperties("AWS::SecretsManager::RotationSchedule", {
			RotateImmediatelyOnUpdate: false,
		});
		publicMode.resourcePropertiesCountIs(
			"AWS::Scheduler::Schedule",
			{
				ScheduleExpression: "rate(30 days)",
				Target: { Arn: Match.objectLike({ "Fn::Join": Match.anyValue() }) },
			},
			3,
		);
	});

	test("can each be changed only by the rotation of their own channel", () => {
		for (const channel of ["feishu", "telegram", "slack"]) {
			const policies = Object.entries(publicMode.findResources("AWS::IAM::Policy")).filter(([id]) =>
				id.startsWith(`Secrets${channel}rotation`),
			);
			const text = JSON.stringify(policies);
			expect(text).toContain("secretsmanager:UpdateSecretVersionStage");
			expect(
				[...text.matchAll(/"Ref":"Secrets(feishu|telegram|slack)[0-9A-F]{8}"/g)].map(
					([, name]) => name,
				),
			).toEqual([channel]);
		}
	});
});

describe("the audit", () => {
	test("lets services write into our log groups for this account only", () => {
		const text = JSON.stringify(properties(publicMode, "AWS::Logs::ResourcePolicy"));
		expect(text).toContain('\\"StringEquals\\":{\\"aws:SourceAccount\\":');
		expect(text).toContain('\\"ArnEquals\\":{\\"aws:SourceArn\\":');
		expect(text.match(/delivery\.logs\.amazonaws\.com/g)).toHaveLength(3);
	});

	test("gives WAF and EventBridge the ARN of log groups that they accept, without `:*`", () => {
		const logging = JSON.stringify(properties(publicMode, "AWS::WAFv2::LoggingConfiguration"));
		expect(logging).toMatch(
			/"LogDestinationConfigs":\[\{"Fn::Join":\["",\[.*":log-group:",\{"Ref":"WebhookApiFirewallLogs\w+"\}\]\]\}\]/,
		);
		const rule = JSON.stringify(properties(publicMode, "AWS::Events::Rule"));
		expect(rule).toMatch(/":log-group:",\{"Ref":"AuditChanges\w+"\}\]\]/);
	});

	test("records object access if configured, and nothing twice", () => {
		const selectors = (template: Template) => {
			const trail = properties(template, "AWS::CloudTrail::Trail");
			expect(trail.EventSelectors).toBeUndefined();
			return JSON.stringify(trail.AdvancedEventSelectors);
		};
		const objects = '{"Equals":["AWS::S3::Object"],"Field":"resources.type"}';
		expect(selectors(publicMode)).not.toContain(objects);
		expect(selectors(newVpc).split(objects)).toHaveLength(2);
		const trail = properties(newVpc, "AWS::CloudTrail::Trail");
		expect(trail.EnableLogFileValidation).toBe(true);
	});

	test("creates the log group of the API's errors before the stage can write there", () => {
		const [id, group] = Object.entries(publicMode.findResources("AWS::Logs::LogGroup")).find(
			([, { Properties }]) =>
				JSON.stringify(Properties.LogGroupName)?.includes("API-Gateway-Execution-Logs_"),
		)!;
		expect(JSON.stringify(group.Properties.LogGroupName)).toMatch(/"Ref":"WebhookApi\w+"\},"\/v1"/);
		const [stage] = Object.values(publicMode.findResources("AWS::ApiGateway::Stage"));
		expect(stage!.DependsOn).toContain(id);
		expect(stage!.Properties.StageName).toBe("v1");
	});

	test("lets machines list log groups, through the VPC's endpoint too", () => {
		const lists = (policies: Readonly<Record<string, object>>) =>
			Object.values(policies).filter((policy) =>
				JSON.stringify(policy).includes("logs:DescribeLogGroups"),
			);
		expect(lists(newVpc.findResources("AWS::IAM::Policy"))).toHaveLength(1);
		expect(lists(newVpc.findResources("AWS::EC2::VPCEndpoint"))).toHaveLength(1);
	});

	test("has only encrypted log groups with a retention", () => {
		newVpc.allResourcesProperties("AWS::Logs::LogGroup", {
			KmsKeyId: Match.anyValue(),
			RetentionInDays: 90,
		});
		const functions = Object.values(newVpc.findResources("AWS::Lambda::Function"));
		expect(
			functions.every(({ Properties }) => Properties.LoggingConfig?.LogGroup !== undefined),
		).toBe(true);
	});
});

describe("observability", () => {
	test("gives every alarm a reason and the topic", () => {
		const alarms = Object.values(publicMode.findResources("AWS::CloudWatch::Alarm"));
		expect(alarms.length).toBeGreaterThanOrEqual(20);
		for (const { Properties } of alarms) {
			expect(Properties.AlarmDescription.length).toBeGreaterThan(60);
			expect(Properties.AlarmActions).toEqual([{ Ref: expect.stringMatching(/^Alarms/) }]);
		}
	});

	test("shows every row on the dashboard", () => {
		const body = JSON.stringify(properties(publicMode, "AWS::CloudWatch::Dashboard").DashboardBody);
		for (const title of [
			"Durability lag",
			"Restore time",
			"Failures",
			"Sessions",
			"Refused by the platform",
			"Machines, estimated",
			"WebhookApi",
			"WAF blocks",
			"Queue",
		])
			expect(body).toContain(title);
	});
});

describe("the whole stack", () => {
	test("has a reason for every wildcard in IAM, and docs/iam-wildcards.md lists them all", async () => {
		const { stack, config } = inNewVpc;
		await expect(wildcardTable(newVpc, acknowledgements(stack, config))).toMatchFileSnapshot(
			"../../../docs/iam-wildcards.md",
		);
	});

	test("has exactly the findings of cdk-nag that are acknowledged", () => {
		const { stack, config } = inNewVpc;
		const acknowledged = acknowledgements(stack, config);
		const covers = (finding: string) =>
			acknowledged.filter(
				({ at, id }) => finding.startsWith(`${at}/`) && finding.endsWith(` ${id}`),
			);
		const findings = nagFindings("new-vpc").filter((finding) => !finding.includes(" Annotation::"));
		expect(findings.filter((finding) => covers(finding).length === 0)).toEqual([]);
		const used = new Set(findings.flatMap(covers));
		expect(acknowledged.filter((one) => !used.has(one))).toEqual([]);
	});

	test("keeps its logical ids: a resource with a changed id is deleted and recreated without its data", () => {
		const resources = Object.entries(
			newVpc.toJSON().Resources as Record<string, { readonly Type: string }>,
		);
		// Versions of functions and deployments of the API have ids derived from their content.
		const named = resources.map(([id, { Type }]) => `${id.replace(/[0-9a-f]{32}$/, "…")} ${Type}`);
		expect(named.sort().join("\n")).toMatchSnapshot();
	});

	test("replaces no stateful resource of the previous release", () => {
		expect(losses(previousRelease, statefulOf(newVpc))).toEqual([]);
		expect(Object.keys(previousRelease).length).toBeGreaterThan(30);
	});

	test("notices a stateful resource that is deleted, replaced or no longer retained", () => {
		const [bucket, provider, key] = ["WorkspaceBucket4", "UserIdentityProvider", "SecretsKey"].map(
			(prefix) => Object.keys(previousRelease).find((id) => id.startsWith(prefix))!,
		);
		const next = structuredClone(previousRelease) as Record<string, Stateful>;
		delete next[bucket!];
		next[provider!] = { ...next[provider!]!, properties: { Url: "https://other.example" } };
		next[key!] = { ...next[key!]!, deletion: "Delete" };
		expect(losses(previousRelease, { ...next, added: next[key!]! })).toEqual([
			expect.stringMatching(/^SecretsKey.*no longer outlives the stack$/),
			expect.stringMatching(/^UserIdentityProvider.*is replaced, because Url changes$/),
			expect.stringMatching(/^WorkspaceBucket4.*is deleted, or has another id$/),
		]);
	});
});
