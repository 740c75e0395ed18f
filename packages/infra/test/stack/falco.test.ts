/** The optional Falco service, in the template of examples/falco. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MANAGEMENT_RULES, NETWORK_RULE, RULES } from "../../lib/watch/falco-files.ts";
import { Deployed } from "../deployed.ts";
import { properties, synthesise } from "../synth.ts";

interface Item {
	readonly rule?: string;
	readonly list?: string;
	readonly macro?: string;
	readonly items?: readonly string[];
	readonly condition?: string;
	readonly enabled?: boolean;
}
interface Container {
	readonly Name: string;
	readonly Image: string;
	readonly Command: readonly string[];
	readonly Environment: readonly { readonly Name: string; readonly Value: unknown }[];
	readonly DependsOn?: readonly object[];
	readonly ReadonlyRootFilesystem: boolean;
}

const rules = parse(RULES) as readonly Item[];
let template: Template;
let deployed: Deployed;

beforeAll(() => {
	template = synthesise("falco").template;
	deployed = new Deployed(template);
});

function container(name: string, of = template): Container {
	const { ContainerDefinitions } = properties<{ ContainerDefinitions: readonly Container[] }>(
		of,
		"AWS::ECS::TaskDefinition",
	);
	return ContainerDefinitions.find(({ Name }) => Name === name)!;
}

function environment(name: string, of = template): Readonly<Record<string, string>> {
	const place = new Deployed(of);
	return Object.fromEntries(
		container(name, of).Environment.map(({ Name, Value }) => [
			Name,
			place.resolve(Value) as string,
		]),
	);
}

const site = (of = template) => JSON.parse(environment("falco", of).SITE!) as readonly Item[];
const switchedOff = (of: Template) =>
	site(of)
		.filter(({ enabled }) => enabled === false)
		.map(({ rule }) => rule);

test("is not there by default", () => {
	for (const mode of ["public", "new-vpc", "existing-vpc", "own-issuer"] as const) {
		const { template: other } = synthesise(mode);
		expect(Object.keys(other.findResources("AWS::ECS::Cluster"))).toEqual([]);
		expect(JSON.stringify(other.findResources("AWS::CloudTrail::Trail"))).not.toContain('"reads"');
	}
});

describe("the rules of the Falco service", () => {
	test("get each of their lists from the stack, and no list that they do not have", () => {
		const lists = (items: readonly Item[]) => items.flatMap(({ list }) => list ?? []).sort();
		expect(lists(site())).toEqual(lists(rules));
		const filled = Object.fromEntries(site().map(({ list, items }) => [list, items]));
		expect(filled).toMatchObject({
			openclaw_buckets: [
				expect.stringMatching(/^workspacebucket/),
				expect.stringMatching(/^audittrailbucket/),
			],
			openclaw_user_roles: [deployed.idOf("AWS::IAM::Role", "UserIdentityWorkspaceRole")],
			openclaw_deploy_roles: ["cdk-openclaw-cfn-exec-role-111111111111-eu-west-1"],
			openclaw_vpc_endpoints: [expect.stringMatching(/^EndpointsS3/)],
			openclaw_source_addresses: [],
		});
		expect(site().find(({ macro }) => macro !== undefined)).toMatchObject({
			macro: "openclaw_user_role_is_asked_for",
			condition: expect.stringMatching(/endswith ":role\/UserIdentityWorkspaceRole\w+"\)$/),
		});
	});

	test("override only what the rules define", () => {
		const defined = rules.flatMap(({ rule, list, macro }) => rule ?? list ?? macro ?? []);
		const overridden = site(
			synthesise("falco", { "openclaw:network": "public", "openclaw:auditTrail": "existing" })
				.template,
		).map(({ rule, list, macro }) => rule ?? list ?? macro);
		expect(overridden.filter((name) => !defined.includes(name!))).toEqual([]);
		expect(defined).toEqual(expect.arrayContaining([NETWORK_RULE, ...MANAGEMENT_RULES]));
	});

	test("are switched off where the stack cannot feed them, and only there", () => {
		expect(switchedOff(template)).toEqual([]);
		expect(switchedOff(synthesise("falco", { "openclaw:network": "public" }).template)).toEqual([
			NETWORK_RULE,
		]);
		const { template: withoutOwnTrail } = synthesise("falco", {
			"openclaw:auditTrail": "existing",
		});
		expect(switchedOff(withoutOwnTrail)).toEqual(MANAGEMENT_RULES);
	});

	test("get the token exchanges of STS, which CloudTrail counts as reads, from the own trail only", () => {
		const selectors = (of: Template) =>
			JSON.stringify(properties(of, "AWS::CloudTrail::Trail").AdvancedEventSelectors);
		const reads = '{"Equals":["true"],"Field":"readOnly"}';
		expect(selectors(template)).toContain(reads);
		expect(selectors(template)).toContain(
			'{"Field":"eventSource","NotEquals":["kms.amazonaws.com"]}',
		);
		const other = synthesise("falco", { "openclaw:auditTrail": "existing" }).template;
		expect(selectors(other)).not.toContain(reads);
		expect(selectors(other)).toContain("AWS::S3::Object");
	});
});

describe("the task of the Falco service", () => {
	test("writes its three files and starts the engine", () => {
		const place = mkdtempSync(join(tmpdir(), "openclaw-falco-task-"));
		try {
			const { CONFIG, RULES: text, SITE } = environment("falco");
			const script = container("falco")
				.Command[0]!.replaceAll("/etc/falco", place)
				.replace("exec falco", "echo started");
			const { stdout, status } = spawnSync("/bin/sh", ["-ec", script], {
				env: { CONFIG, RULES: text, SITE },
				encoding: "utf8",
			});
			expect([status, stdout]).toEqual([0, "started\n"]);
			const read = (name: string) => readFileSync(join(place, name), "utf8");
			expect(read("openclaw_cloudtrail_rules.yaml")).toBe(RULES);
			expect(parse(read("openclaw_cloudtrail_local.yaml"))).toEqual(site());
			expect(parse(read("falco.yaml"))).toMatchObject({
				engine: { kind: "nodriver" },
				load_plugins: ["cloudtrail", "json"],
				rules_files: [
					"/etc/falco/openclaw_cloudtrail_rules.yaml",
					"/etc/falco/openclaw_cloudtrail_local.yaml",
				],
				plugins: [
					{
						name: "cloudtrail",
						init_config: { sqsDelete: true },
						open_params: expect.stringMatching(/^sqs:\/\/FalcoQueue\w+/),
					},
					{ name: "json" },
				],
				plugins_hostinfo: false,
				http_output: { enabled: true, url: "http://127.0.0.1:2801/" },
				webserver: { listen_address: "127.0.0.1", listen_port: 8766 },
			});
		} finally {
			rmSync(place, { recursive: true });
		}
	});

	test("has room for larger rules: a definition may have 64 KiB", () => {
		const size = JSON.stringify(properties(template, "AWS::ECS::TaskDefinition")).length;
		expect(size).toBeLessThan(50_000);
	});

	test("starts the engine once its plugins are there and alerts can be sent", () => {
		expect(container("falco").DependsOn).toEqual([
			{ Condition: "SUCCESS", ContainerName: "falcoctl" },
			{ Condition: "HEALTHY", ContainerName: "falcosidekick" },
		]);
		expect(container("falcoctl").Command.slice(-2)).toEqual(
			["cloudtrail", "json"].map((name) => expect.stringContaining(`/${name}@sha256:`)),
		);
		expect(environment("falcosidekick")).toMatchObject({
			LISTENADDRESS: "127.0.0.1",
			AWS_SNS_TOPICARN: deployed.arnOf("AWS::SNS::Topic", "FalcoAlerts"),
			AWS_SNS_RAWJSON: "true",
		});
	});

	test("has images by digest and a file system that it cannot write", () => {
		for (const name of ["falco", "falcosidekick", "falcoctl"]) {
			expect(container(name).Image).toMatch(/@sha256:[0-9a-f]{64}$/);
			expect(container(name).ReadonlyRootFilesystem).toBe(true);
		}
	});

	test("takes messages, reads the trail and publishes alerts, and may do nothing else", () => {
		const { Statement } = deployed.identityPolicy("FalcoTaskRole");
		expect(Statement.map(({ Action, Resource }) => [Action, Resource])).toEqual([
			[
				["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
				deployed.arnOf("AWS::SQS::Queue", "FalcoQueue"),
			],
			[
				"s3:GetObject",
				`${deployed.arnOf("AWS::S3::Bucket", "AuditTrailBucket")}/AWSLogs/111111111111/CloudTrail/*`,
			],
			["sns:Publish", deployed.arnOf("AWS::SNS::Topic", "FalcoAlerts")],
			[["kms:Decrypt", "kms:GenerateDataKey"], deployed.arnOf("AWS::KMS::Key", "OperationsKey")],
		]);
	});

	test("is out of reach of the machines: a network of its own, and nothing inbound", () => {
		const { VpcId, SecurityGroupIngress, SecurityGroupEgress } = properties<
			Readonly<Record<string, unknown>>
		>(template, "AWS::EC2::SecurityGroup", "FalcoGroup");
		expect(VpcId).toEqual({ Ref: expect.stringMatching(/^FalcoVpc/) });
		expect(SecurityGroupIngress).toBeUndefined();
		expect(SecurityGroupEgress).toEqual([expect.objectContaining({ FromPort: 443, ToPort: 443 })]);
		expect(Object.keys(template.findResources("AWS::EC2::SecurityGroupIngress"))).not.toEqual(
			expect.arrayContaining([expect.stringMatching(/^Falco/)]),
		);
	});

	test("starts after the policies of its roles", () => {
		const [service] = Object.values(template.findResources("AWS::ECS::Service"));
		expect(service!.DependsOn).toEqual(
			expect.arrayContaining([
				expect.stringMatching(/^FalcoExecutionRoleDefaultPolicy/),
				expect.stringMatching(/^FalcoTaskRoleDefaultPolicy/),
			]),
		);
	});
});

test("a new file of the trail is waited for, not asked for again and again, and is kept for 14 days", () => {
	expect(properties(template, "AWS::SQS::Queue", "FalcoQueue")).toMatchObject({
		ReceiveMessageWaitTimeSeconds: 20,
		MessageRetentionPeriod: 1_209_600,
	});
	const subscriptions = Object.values(template.findResources("AWS::SNS::Subscription")).map(
		({ Properties }) => [Properties.Protocol, JSON.stringify(Properties.TopicArn)],
	);
	expect(subscriptions).toEqual(
		expect.arrayContaining([
			["sqs", expect.stringContaining("AuditTrailFiles")],
			["lambda", expect.stringContaining("FalcoAlerts")],
			["email", expect.stringContaining("FalcoAlerts")],
		]),
	);
});
