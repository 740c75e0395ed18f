/** The runtime of the machines and their network, in the templates of examples/. */
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { IgnoreStrategy } from "aws-cdk-lib";
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { properties, synthesise } from "../synth.ts";

let publicMode: Template;
let newVpc: Template;
let existingVpc: Template;
let ownIssuer: Template;

beforeAll(() => {
	publicMode = synthesise("public").template;
	newVpc = synthesise("new-vpc").template;
	existingVpc = synthesise("existing-vpc").template;
	ownIssuer = synthesise("own-issuer").template;
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
		const root = new URL("../../../../", import.meta.url);
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
