/** The webhooks, the queue, the worker and the secrets of the channels, in the templates of examples/. */
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { properties, synthesise } from "../synth.ts";

let publicMode: Template;

beforeAll(() => {
	publicMode = synthesise("public").template;
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
