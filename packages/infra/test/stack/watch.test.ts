/** The audit, the alarms and the dashboard, in the templates of examples/. */
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { properties, synthesise } from "../synth.ts";

let publicMode: Template;
let newVpc: Template;

beforeAll(() => {
	publicMode = synthesise("public").template;
	newVpc = synthesise("new-vpc").template;
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
