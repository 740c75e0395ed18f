/**
 * What a first deployment needs: resources in an order that AWS accepts, a way to every host, and a
 * configuration that can answer somebody.
 */
import { readFileSync } from "node:fs";
import type { Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { OWN_BOOTSTRAP } from "../lib/settings/bootstrap.ts";
import { readConfig } from "../lib/settings/config.ts";
import { hostsOf, unreachableHosts } from "../lib/settings/hosts.ts";
import { REGIONS } from "../lib/settings/regions.ts";
import { contextOf, type Mode, type Synthesised, synthesise } from "./synth.ts";

const MODES = ["public", "new-vpc", "existing-vpc", "own-issuer", "falco"] satisfies Mode[];

let newVpc: Synthesised;

beforeAll(() => {
	newVpc = synthesise("new-vpc");
});

describe("the order of creation", () => {
	test.each([
		[
			"a rotation schedule",
			"SecretsManager::RotationSchedule",
			"Secretsslackrotationfunction",
			["SecretsslackrotationFunctionSecretsManager", "SecretsslackrotationRoleDefaultPolicy"],
		],
		[
			"the identity provider, for which IAM reads the issuer's documents",
			"IAM::OIDCProvider",
			"",
			[
				"WebhookApiDeploymentStage",
				"WebhookApiwellknownopenidconfigurationGETApiPermission",
				"WebhookApiwellknownjwksjsonGETApiPermission",
				"IssuerHandlerRoleDefaultPolicy",
			],
		],
		[
			"the runtime, whose image AgentCore pulls",
			"BedrockAgentCore::Runtime",
			"",
			["AgentRuntimeExecutionRoleDefaultPolicy"],
		],
		["the endpoint", "BedrockAgentCore::RuntimeEndpoint", "", ["AgentRuntimeLogs"]],
		["the stage, which writes access logs", "ApiGateway::Stage", "", ["WebhookApiAccount"]],
		[
			"the worker's queue",
			"Lambda::EventSourceMapping",
			"RouterWorker",
			["RouterWorkerRoleDefaultPolicy"],
		],
		[
			"retention's queue",
			"Lambda::EventSourceMapping",
			"RetentionHandler",
			["WorkspaceBucketSweeperDefaultPolicy"],
		],
		["the trail", "CloudTrail::Trail", "", ["AuditTrailBucketPolicy"]],
	])("puts %s after what it calls", (_, type, prefix, expected) => {
		const [id] = Object.keys(newVpc.template.findResources(`AWS::${type}`)).filter((name) =>
			name.startsWith(prefix),
		);
		const before = [...createdBefore(newVpc.template, id!)];
		expect(expected.filter((name) => !before.some((one) => one.startsWith(name)))).toEqual([]);
	});

	test("puts every function after the policies of its role", () => {
		const functions = newVpc.template.findResources("AWS::Lambda::Function");
		const policies = Object.entries(newVpc.template.findResources("AWS::IAM::Policy"));
		const late = Object.entries(functions).flatMap(([id, { Properties }]) => {
			const role = Properties.Role["Fn::GetAtt"][0];
			const before = createdBefore(newVpc.template, id);
			return policies
				.filter(([, policy]) => JSON.stringify(policy.Properties.Roles).includes(`"${role}"`))
				.filter(([policy]) => !before.has(policy))
				.map(([policy]) => `${id} before ${policy}`);
		});
		expect(late).toEqual([]);
	});
});

/** Everything that CloudFormation creates before this resource: what it refers to, or depends on. */
function createdBefore(template: Template, id: string, seen = new Set<string>()): Set<string> {
	const resources = template.toJSON().Resources as Record<string, object>;
	const text = JSON.stringify(resources[id]);
	const { DependsOn = [] } = resources[id] as { readonly DependsOn?: string | string[] };
	const named = [
		...[DependsOn].flat(),
		...[...text.matchAll(/\{"(?:Ref|Fn::GetAtt)":\[?"(\w+)"/g)].map(([, name]) => name!),
	];
	for (const name of named) {
		if (seen.has(name) || !(name in resources)) continue;
		seen.add(name);
		createdBefore(template, name, seen);
	}
	return seen;
}

test("the image is in a repository that other CDK apps of the account do not use", () => {
	const image = JSON.stringify(newVpc.template.findResources("AWS::BedrockAgentCore::Runtime"));
	expect(image).toContain("/cdk-openclaw-container-assets-111111111111-eu-west-1:");
	const pull = JSON.stringify(newVpc.template.findResources("AWS::IAM::Policy"));
	expect(pull).toContain(":repository/cdk-openclaw-container-assets-111111111111-eu-west-1");
	for (const path of ["..", ...MODES.map((mode) => `../examples/${mode}`)]) {
		const url = new URL(`${path}/cdk.json`, import.meta.url);
		expect(JSON.parse(readFileSync(url, "utf8"))).toMatchObject(OWN_BOOTSTRAP);
	}
});

const configOf = (context: Record<string, unknown>) => readConfig(context, {});
const refused = (context: Record<string, unknown>) => expect(() => configOf(context));

describe("the hosts that a machine must reach", () => {
	test.each(MODES)("have a way in the example %s", (mode) => {
		const config = configOf(contextOf(mode));
		expect(hostsOf(config).map(({ name }) => name)).toEqual(
			expect.arrayContaining([expect.stringMatching(/^bedrock-runtime\./)]),
		);
		expect(unreachableHosts(config)).toEqual([]);
	});

	test("have an endpoint each in the template without NAT", () => {
		const { template, config } = synthesise("own-issuer");
		template.resourceCountIs("AWS::EC2::NatGateway", 0);
		const services = JSON.stringify(template.findResources("AWS::EC2::VPCEndpoint"));
		const missing = hostsOf(config).filter(
			({ service }) => !new RegExp(`eu-central-1\\.${service}"|\\.${service}"`).test(services),
		);
		expect(hostsOf(config).length).toBeGreaterThanOrEqual(7);
		expect(missing).toEqual([]);
	});

	const closed = {
		...contextOf("own-issuer"),
		"openclaw:issuer": "https://idp.example.com/tenant",
	};

	test("are named when they have none, with what to do", () => {
		refused(closed).toThrow(
			"HOST_UNREACHABLE: a machine cannot reach idp.example.com (the issuer's keys): set openclaw:natGateways to 1 or more",
		);
		refused({ ...contextOf("own-issuer"), "openclaw:endpoints": "ecr.api,logs,sts" }).toThrow(
			/cannot reach dkr\.ecr\.eu-central-1\.amazonaws\.com \(the image\): add ecr\.dkr.*\n.*bedrock-runtime\.eu-central-1.*add bedrock-runtime, or .*\n.*cognito-idp\.eu-central-1.*add cognito-idp/,
		);
		refused({ "openclaw:network": "vpc", "openclaw:natGateways": 0 }).toThrow(
			/cannot reach execute-api\.REGION.*\(the issuer's keys\): set openclaw:natGateways/,
		);
	});

	test("include Mantle's instead of the runtime's, if models are called there", () => {
		const mantle = {
			...contextOf("own-issuer"),
			"openclaw:modelUpstream": "bedrock-mantle",
			"openclaw:models": "anthropic.claude-opus-5",
		};
		refused(mantle).toThrow(
			"cannot reach bedrock-mantle.eu-central-1.api.aws (the model): add bedrock-mantle",
		);
	});
});

describe("an own domain", () => {
	const domain = {
		"openclaw:domainName": "chat.example.com",
		"openclaw:certificateArn": "arn:aws:acm:eu-west-1:111111111111:certificate/abc",
		"openclaw:hostedZoneId": "Z0123456789",
	};

	test("is the URL of the webhooks and the issuer, and answers before IAM reads it", () => {
		const { template } = synthesise("new-vpc", domain);
		template.hasResourceProperties("AWS::ApiGateway::DomainName", {
			DomainName: "chat.example.com",
			EndpointConfiguration: { Types: ["REGIONAL"] },
			SecurityPolicy: "TLS_1_2",
		});
		template.hasResourceProperties("AWS::Route53::RecordSet", {
			Name: "chat.example.com",
			Type: "A",
		});
		template.hasResourceProperties("AWS::IAM::OIDCProvider", { Url: "https://chat.example.com" });
		template.hasResourceProperties("AWS::BedrockAgentCore::Runtime", {
			EnvironmentVariables: { OPENCLAW_SIDECAR_ISSUER: "https://chat.example.com" },
		});
		template.hasOutput("Webhooktelegram", { Value: "https://chat.example.com/webhook/telegram" });
		const [provider] = Object.keys(template.findResources("AWS::IAM::OIDCProvider"));
		const types = [...createdBefore(template, provider!)].map(
			(id) => template.toJSON().Resources[id].Type,
		);
		expect(types).toEqual(
			expect.arrayContaining(["AWS::Route53::RecordSet", "AWS::ApiGateway::BasePathMapping"]),
		);
		expect(hostsOf(configOf({ ...contextOf("new-vpc"), ...domain })).at(-1)?.name).toBe(
			"chat.example.com",
		);
	});

	test("needs its certificate, in the region of the API, and its zone", () => {
		refused({ "openclaw:domainName": "chat.example.com" }).toThrow(
			/openclaw:domainName .*needs certificateArn and hostedZoneId/,
		);
		refused({ ...domain, "openclaw:region": "us-east-1" }).toThrow(/must be of us-east-1/);
		refused({ ...contextOf("own-issuer"), ...domain }).toThrow(/no use with openclaw:issuer/);
	});
});

describe("the workspaces' bucket of an earlier stack", () => {
	const left = {
		"openclaw:bucketName": "openclaw-workspaces",
		"openclaw:bucketKeyArn": "arn:aws:kms:eu-west-1:111111111111:key/1234",
	};

	test("is adopted with its key, under the policy of a new one", () => {
		const { template } = synthesise("new-vpc", left);
		const policyOf = (one: Template) =>
			Object.entries(one.findResources("AWS::S3::BucketPolicy")).find(([id]) =>
				id.startsWith("WorkspaceBucketPolicy"),
			)!;
		const [id, policy] = policyOf(template);
		const [idOfNew, policyOfNew] = policyOf(newVpc.template);
		expect(id).toBe(idOfNew);
		expect(policy.Properties.Bucket).toBe("openclaw-workspaces");
		const sids = ({ Properties }: typeof policy) =>
			Properties.PolicyDocument.Statement.map(({ Sid }: { readonly Sid: string }) => Sid);
		expect(sids(policy)).toEqual(sids(policyOfNew));
		expect(JSON.stringify(policy.Properties.PolicyDocument)).toContain(
			":s3:::openclaw-workspaces/*",
		);
		const buckets = Object.keys(template.findResources("AWS::S3::Bucket"));
		expect(buckets.filter((name) => name.startsWith("Workspace"))).toEqual([]);
		template.hasResourceProperties("AWS::BedrockAgentCore::Runtime", {
			EnvironmentVariables: {
				OPENCLAW_SIDECAR_STORE: "s3://openclaw-workspaces",
				OPENCLAW_SIDECAR_KMS_KEY: left["openclaw:bucketKeyArn"],
			},
		});
	});

	test("keeps its policy when the stack is deleted, as it keeps its data", () => {
		const [, policy] = Object.entries(newVpc.template.findResources("AWS::S3::BucketPolicy")).find(
			([id]) => id.startsWith("WorkspaceBucketPolicy"),
		)!;
		expect(policy).toMatchObject({
			DeletionPolicy: "RetainExceptOnCreate",
			UpdateReplacePolicy: "Retain",
		});
	});

	test("needs its key", () => {
		refused({ "openclaw:bucketName": "openclaw-workspaces" }).toThrow(/needs bucketKeyArn/);
	});
});

describe("a deployment that could answer nobody", () => {
	test("is refused without a model, a channel, or a model that the region can call", () => {
		refused({ "openclaw:models": "" }).toThrow(/openclaw:models \(""\): NO_MODEL: .*for example/);
		refused({ "openclaw:channels": [] }).toThrow(
			/openclaw:channels \(\[\]\): NO_CHANNEL: .*name a channel/,
		);
		refused({
			"openclaw:region": "ap-southeast-1",
			"openclaw:models": "eu.a.b,global.a.b",
		}).toThrow(
			"MODEL_NOT_SERVED: ap-southeast-1 cannot call eu.a.b: use a profile with the prefix global. or apac.",
		);
		refused({ "openclaw:region": "us-gov-west-1" }).toThrow(/cannot call global\..*us-gov\./);
		refused({ "openclaw:models": "anthropic.claude-opus-5" }).toThrow(
			"write global.anthropic.claude-opus-5",
		);
		refused({
			"openclaw:models": "global.anthropic.claude-opus-5",
			"openclaw:modelUpstream": "bedrock-mantle",
		}).toThrow(/bedrock-mantle serves no profiles: write anthropic\.claude-opus-5/);
	});

	test("is no problem of an own issuer without channels", () => {
		expect(() => configOf({ ...contextOf("own-issuer"), "openclaw:channels": [] })).not.toThrow();
	});

	test("has a model by default in every commercial region", () => {
		for (const region of Object.keys(REGIONS).filter((name) => !name.startsWith("us-gov-")))
			expect(configOf({ "openclaw:region": region }).models).toHaveLength(1);
	});

	test("is announced if its machines can pull the images of other apps", () => {
		const warnings = ({ stack }: Synthesised) =>
			stack.node.metadata
				.filter(({ type }) => type === "aws:cdk:warning")
				.map(({ data }) => String(data).split(":")[0]);
		expect(warnings(newVpc)).toEqual([]);
		const shared = { "@aws-cdk/core:bootstrapQualifier": "hnb659fds" };
		expect(warnings(synthesise("new-vpc", shared))).toEqual(["SHARED_IMAGES"]);
	});
});
