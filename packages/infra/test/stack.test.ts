/** What an installation is made of, per construct. The templates are those of examples/. */
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { IgnoreStrategy } from "aws-cdk-lib";
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { acknowledgements } from "../lib/acknowledgements.ts";
import { nagFindings, type Synthesised, synthesise } from "./synth.ts";
import { alarmTable, wildcardTable } from "./tables.ts";

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

/** Properties of the only resource of its type, or of the only one whose logical id begins so. */
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

describe("the bucket of workspaces", () => {
	test("is versioned, encrypted with a key of its own, closed to the public, and outlives the stack", () => {
		publicMode.hasResource("AWS::S3::Bucket", {
			DeletionPolicy: "Retain",
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

	test("every key rotates and outlives the stack, but the signing key, which cannot rotate and is worth nothing without it", () => {
		const keys = Object.entries(newVpc.findResources("AWS::KMS::Key"));
		for (const [id, key] of keys) {
			const isSigning = id.startsWith("IssuerSigningKey");
			expect([id, key.DeletionPolicy]).toEqual([id, isSigning ? "Delete" : "Retain"]);
			expect([id, key.Properties.EnableKeyRotation]).toEqual([id, isSigning ? undefined : true]);
		}
		expect(keys).toHaveLength(4);
	});
});

describe("retention", () => {
	test("runs daily, as the role that may delete", () => {
		publicMode.hasResourceProperties("AWS::Scheduler::Schedule", {
			ScheduleExpression: "cron(17 3 * * ? *)",
			Target: { Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("RetentionHandler"), "Arn"] } },
		});
		publicMode.hasResourceProperties("AWS::Lambda::Function", {
			Timeout: 900,
			Role: { "Fn::GetAtt": [Match.stringLikeRegexp("^WorkspaceBucketSweeper"), "Arn"] },
			Environment: { Variables: { STORE_URL: Match.anyValue(), NONCE_TABLE: Match.anyValue() } },
		});
	});
});

describe("the user's identity", () => {
	test("credentials last an hour longer than a machine", () => {
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

	test("our own issuer signs with an asymmetric key that only the worker may use", () => {
		publicMode.hasResourceProperties("AWS::KMS::Key", {
			KeySpec: "RSA_2048",
			KeyUsage: "SIGN_VERIFY",
		});
		const signers = Object.entries(publicMode.findResources("AWS::IAM::Policy")).filter(
			([, policy]) => JSON.stringify(policy).includes("kms:Sign"),
		);
		expect(signers.map(([id]) => id)).toEqual([expect.stringMatching(/^RouterWorkerRole/)]);
	});

	test("with an issuer of one's own there is no door: no API, no queue, no secret, and the runtime asks for its tokens", () => {
		for (const type of [
			"ApiGateway::RestApi",
			"SQS::Queue",
			"SecretsManager::Secret",
			"WAFv2::WebACL",
		])
			ownIssuer.resourceCountIs(`AWS::${type}`, 0);
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
	test("says how long machines live, on which platform, and what they are told", () => {
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
			"OPENCLAW_MODEL_ID",
			...[
				"AUDIENCE",
				"IDENTITY",
				"ISSUER",
				"KMS_KEY",
				"METRICS",
				"REGION",
				"ROLE_ARN",
				"ROLE_DURATION",
				"STORE",
			].map((name) => `OPENCLAW_SIDECAR_${name}`),
		]);
	});

	test("runs V1 where V2 is not known to be", () => {
		expect(properties(publicMode, "AWS::BedrockAgentCore::Runtime").PlatformVersion).toBe("V1");
		expect(properties(ownIssuer, "AWS::BedrockAgentCore::Runtime").PlatformVersion).toBe("V1");
	});

	test("its endpoint's log group is made, encrypted, before anything can write to it", () => {
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

	test("all that the Containerfile copies is let through by .dockerignore, and nothing of a working copy is", () => {
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

	test("pulls the image from one repository", () => {
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
	test("PUBLIC mode has no VPC and no endpoint, and the bucket asks for none", () => {
		for (const type of ["VPC", "VPCEndpoint", "SecurityGroup"])
			publicMode.resourceCountIs(`AWS::EC2::${type}`, 0);
		expect(JSON.stringify(publicMode.findResources("AWS::S3::BucketPolicy"))).not.toContain(
			"SourceVpce",
		);
	});

	test("a new VPC lies in zones that AgentCore supports, by id, and logs its flows", () => {
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

	test("machines open HTTPS and accept nothing; endpoints accept machines", () => {
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

	test("every endpoint has a policy, and that of S3 knows two buckets", () => {
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
			expect.stringMatching(/WorkspaceBucket.*\/users\/\*/),
			expect.stringMatching(/WorkspaceBucket/),
			expect.stringMatching(/prod-eu-west-1-starport-layer-bucket/),
		]);
	});

	test("an existing VPC keeps its endpoints, and the bucket goes by its S3 endpoint", () => {
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

	test("without NAT machines have no way out but endpoints", () => {
		ownIssuer.resourceCountIs("AWS::EC2::NatGateway", 0);
		ownIssuer.resourceCountIs("AWS::EC2::InternetGateway", 0);
	});
});

interface WafStatement {
	readonly RateBasedStatement?: object;
	readonly SizeConstraintStatement?: object;
	readonly ManagedRuleGroupStatement?: {
		readonly RuleActionOverrides: readonly {
			readonly Name: string;
			readonly ActionToUse: object;
		}[];
	};
}

describe("the door", () => {
	test("is a regional API, throttled, behind WAF, with access logs and no bodies in them", () => {
		publicMode.hasResourceProperties("AWS::ApiGateway::RestApi", {
			EndpointConfiguration: { Types: ["REGIONAL"] },
		});
		publicMode.hasResourceProperties("AWS::ApiGateway::Stage", {
			AccessLogSetting: { DestinationArn: Match.anyValue() },
			MethodSettings: [
				Match.objectLike({
					ThrottlingRateLimit: 50,
					ThrottlingBurstLimit: 100,
					DataTraceEnabled: false,
				}),
			],
		});
		publicMode.resourceCountIs("AWS::WAFv2::WebACLAssociation", 1);
	});

	test("WAF limits addresses and bodies, and only counts what looks into what people write", () => {
		const { Rules } = properties<{
			readonly Rules: readonly { readonly Statement: WafStatement }[];
		}>(publicMode, "AWS::WAFv2::WebACL");
		const statements = Rules.map(({ Statement }) => Statement);
		expect(statements[0]!.RateBasedStatement).toMatchObject({
			Limit: 2_000,
			EvaluationWindowSec: 300,
		});
		expect(statements[1]!.SizeConstraintStatement).toMatchObject({
			FieldToMatch: { Body: { OversizeHandling: "MATCH" } },
			Size: 65_536,
		});
		const groups = statements.slice(2).map(({ ManagedRuleGroupStatement: group }) => group!);
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

	test("the API calls the alias, whose version has instances that wait", () => {
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

	test("messages of a user keep their order, and what fails three times is kept for 14 days", () => {
		publicMode.hasResourceProperties("AWS::SQS::Queue", {
			FifoQueue: true,
			// Longer than the worker's 900 s, or Lambda refuses the queue.
			VisibilityTimeout: 930,
			RedrivePolicy: { maxReceiveCount: 3, deadLetterTargetArn: Match.anyValue() },
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

	test("the worker calls this runtime only, by its endpoint", () => {
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
	test("one each, with a key of their own, rotated by a schedule and never at deployment", () => {
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

	test("a rotation may change its own channel's secret only", () => {
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

describe("audit", () => {
	test("services write into our log groups for this account only", () => {
		const text = JSON.stringify(properties(publicMode, "AWS::Logs::ResourcePolicy"));
		expect(text).toContain('\\"StringEquals\\":{\\"aws:SourceAccount\\":');
		expect(text).toContain('\\"ArnEquals\\":{\\"aws:SourceArn\\":');
		expect(text.match(/delivery\.logs\.amazonaws\.com/g)).toHaveLength(3);
	});

	test("WAF and EventBridge are given log groups by the ARN that they take, without `:*`", () => {
		const logging = JSON.stringify(properties(publicMode, "AWS::WAFv2::LoggingConfiguration"));
		expect(logging).toMatch(
			/"LogDestinationConfigs":\[\{"Fn::Join":\["",\[.*":log-group:",\{"Ref":"DoorFirewallLogs\w+"\}\]\]\}\]/,
		);
		const rule = JSON.stringify(properties(publicMode, "AWS::Events::Rule"));
		expect(rule).toMatch(/":log-group:",\{"Ref":"AuditChanges\w+"\}\]\]/);
	});

	test("object access is followed where that is asked for, and nothing is recorded twice", () => {
		publicMode.resourceCountIs("AWS::CloudTrail::Trail", 0);
		const trail = properties(newVpc, "AWS::CloudTrail::Trail");
		expect(trail.EventSelectors).toBeUndefined();
		expect(JSON.stringify(trail.AdvancedEventSelectors)).toContain(
			'{"Equals":["Data"],"Field":"eventCategory"}',
		);
		expect(trail.EnableLogFileValidation).toBe(true);
	});

	test("every log group is encrypted and ends some day", () => {
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

describe("what is watched", () => {
	test("every alarm says why, and goes to the topic", () => {
		const alarms = Object.values(publicMode.findResources("AWS::CloudWatch::Alarm"));
		expect(alarms.length).toBeGreaterThanOrEqual(20);
		for (const { Properties } of alarms) {
			expect(Properties.AlarmDescription.length).toBeGreaterThan(60);
			expect(Properties.AlarmActions).toEqual([{ Ref: expect.stringMatching(/^Alarms/) }]);
		}
	});

	test("the questions are saved, with those to the trail where there is one", () => {
		const names = (template: Template) =>
			Object.values(template.findResources("AWS::Logs::QueryDefinition")).map(
				({ Properties }) => Properties.Name.split("/")[1],
			);
		const always = [
			"errors by code",
			"slow restores",
			"fenced writers",
			"denied access",
			"durability lag",
		];
		expect(names(publicMode)).toEqual(always);
		expect(names(newVpc)).toEqual([...always, "denied access to objects"]);
	});

	test("the dashboard shows every row", () => {
		const body = JSON.stringify(properties(publicMode, "AWS::CloudWatch::Dashboard").DashboardBody);
		for (const title of [
			"Durability lag",
			"Restore time",
			"Failures",
			"Sessions",
			"Refused by the platform",
			"Machines, estimated",
			"Door",
			"WAF blocks",
			"Queue",
		])
			expect(body).toContain(title);
	});

	test("docs/alarms.md is the table of alarms", async () => {
		await expect(alarmTable(publicMode)).toMatchFileSnapshot("../../../docs/alarms.md");
	});
});

describe("all of it", () => {
	test("every wildcard in IAM has a reason, and docs/iam-wildcards.md has them all", async () => {
		const { stack, config } = inNewVpc;
		await expect(wildcardTable(newVpc, acknowledgements(stack, config))).toMatchFileSnapshot(
			"../../../docs/iam-wildcards.md",
		);
	});

	test("every acknowledged finding of cdk-nag is one that it has, and the other way round", () => {
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

	test("has the resources it had: one whose id changes is deleted and made anew, with what was in it", () => {
		const resources = Object.entries(
			newVpc.toJSON().Resources as Record<string, { readonly Type: string }>,
		);
		// Versions of functions and deployments of the API are named after what is in them.
		const named = resources.map(([id, { Type }]) => `${id.replace(/[0-9a-f]{32}$/, "…")} ${Type}`);
		expect(named.sort().join("\n")).toMatchSnapshot();
	});
});
