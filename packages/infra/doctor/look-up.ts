/** Queries the real machine and the real account for the checks. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { RouteTable, Subnet, VpcEndpoint } from "@aws-sdk/client-ec2";
import { versionParameter } from "../lib/settings/bootstrap.ts";
import type { Account } from "./account-checks.ts";
import type { Machine } from "./machine-checks.ts";
import { isPrivate } from "./vpc-checks.ts";

export function lookAtMachine(env: NodeJS.ProcessEnv = process.env): Machine {
	const isArm = process.arch === "arm64";
	return {
		nodeVersion: process.versions.node,
		cdkVersion: cdkVersion(),
		containerTool: containerTool(env),
		architecture: process.arch,
		runsArm64:
			isArm || process.platform !== "linux" || existsSync("/proc/sys/fs/binfmt_misc/qemu-aarch64"),
	};
}

/**
 * @param region to query
 * @param qualifier of the bootstrap
 */
export function askAccount(region: string, qualifier: string): Account {
	const options = { region, maxAttempts: 2 };
	return {
		async whoAmI() {
			const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
			const { Account: account = "", Arn: arn = "" } = await new STSClient(options).send(
				new GetCallerIdentityCommand({}),
			);
			return { account, arn };
		},
		async bootstrapVersion() {
			const { GetParameterCommand, ParameterNotFound, SSMClient } = await import(
				"@aws-sdk/client-ssm"
			);
			try {
				const { Parameter } = await new SSMClient(options).send(
					new GetParameterCommand({ Name: versionParameter(qualifier) }),
				);
				return Parameter?.Value;
			} catch (error) {
				if (error instanceof ParameterNotFound) return undefined;
				throw error;
			}
		},
		async zoneIds() {
			const { DescribeAvailabilityZonesCommand, EC2Client } = await import("@aws-sdk/client-ec2");
			const { AvailabilityZones = [] } = await new EC2Client(options).send(
				new DescribeAvailabilityZonesCommand({}),
			);
			return AvailabilityZones.flatMap(({ ZoneId }) => ZoneId ?? []);
		},
		async subnetZoneIds(vpcId) {
			const subnets = await privateSubnets(options, vpcId);
			return subnets.flatMap(({ AvailabilityZoneId }) => AvailabilityZoneId ?? []);
		},
		async vpc(vpcId) {
			const ec2 = await import("@aws-sdk/client-ec2");
			const client = new ec2.EC2Client(options);
			const attribute = async (Attribute: "enableDnsSupport" | "enableDnsHostnames") =>
				await client.send(new ec2.DescribeVpcAttributeCommand({ VpcId: vpcId, Attribute }));
			const endpoints: VpcEndpoint[] = [];
			for await (const page of ec2.paginateDescribeVpcEndpoints({ client }, ofVpc(vpcId)))
				endpoints.push(...(page.VpcEndpoints ?? []));
			return {
				hasDnsSupport: (await attribute("enableDnsSupport")).EnableDnsSupport?.Value === true,
				hasDnsHostnames: (await attribute("enableDnsHostnames")).EnableDnsHostnames?.Value === true,
				endpoints: endpoints.filter(({ State }) => State?.toLowerCase() !== "deleted"),
				routeTables: await routeTablesOf(options, vpcId),
				subnets: await privateSubnets(options, vpcId),
			};
		},
		async trails() {
			const cloudtrail = await import("@aws-sdk/client-cloudtrail");
			const client = new cloudtrail.CloudTrailClient(options);
			const { trailList = [] } = await client.send(
				new cloudtrail.DescribeTrailsCommand({ includeShadowTrails: true }),
			);
			return await Promise.all(
				trailList.map(async (trail) => {
					const [status, selectors] = await Promise.allSettled([
						client.send(new cloudtrail.GetTrailStatusCommand({ Name: trail.TrailARN })),
						client.send(new cloudtrail.GetEventSelectorsCommand({ TrailName: trail.TrailARN })),
					]);
					if (status.status === "rejected" || selectors.status === "rejected") return { trail };
					const isLogging = status.value.IsLogging === true;
					return { trail, state: { isLogging, selectors: selectors.value } };
				}),
			);
		},
		async logPolicies() {
			const logs = await import("@aws-sdk/client-cloudwatch-logs");
			const { resourcePolicies = [] } = await new logs.CloudWatchLogsClient(options).send(
				new logs.DescribeResourcePoliciesCommand({}),
			);
			return resourcePolicies.flatMap(({ policyName }) => policyName ?? []);
		},
		async modelAccess(modelId) {
			const { BedrockClient, GetFoundationModelAvailabilityCommand } = await import(
				"@aws-sdk/client-bedrock"
			);
			const { agreementAvailability, authorizationStatus, regionAvailability } =
				await new BedrockClient(options).send(
					new GetFoundationModelAvailabilityCommand({ modelId }),
				);
			return {
				agreement: agreementAvailability?.status ?? "unknown",
				authorization: authorizationStatus ?? "unknown",
				region: regionAvailability ?? "unknown",
			};
		},
		async runtimePlatform(name) {
			const { BedrockAgentCoreControlClient, GetAgentRuntimeCommand, paginateListAgentRuntimes } =
				await import("@aws-sdk/client-bedrock-agentcore-control");
			const client = new BedrockAgentCoreControlClient(options);
			for await (const { agentRuntimes = [] } of paginateListAgentRuntimes({ client }, {})) {
				const found = agentRuntimes.find(({ agentRuntimeName }) => agentRuntimeName === name);
				if (found === undefined) continue;
				const runtime = await client.send(
					new GetAgentRuntimeCommand({ agentRuntimeId: found.agentRuntimeId }),
				);
				return runtime.platformVersion ?? "V1";
			}
			return undefined;
		},
		async quotas(service) {
			const { paginateListServiceQuotas, ServiceQuotasClient } = await import(
				"@aws-sdk/client-service-quotas"
			);
			const found: Record<string, number> = {};
			const pages = paginateListServiceQuotas(
				{ client: new ServiceQuotasClient(options) },
				{ ServiceCode: service },
			);
			for await (const { Quotas = [] } of pages)
				for (const { QuotaName, Value } of Quotas)
					if (QuotaName !== undefined && Value !== undefined) found[QuotaName] = Value;
			return found;
		},
	};
}

interface ClientOptions {
	readonly region: string;
	readonly maxAttempts: number;
}

const ofVpc = (vpcId: string) => ({ Filters: [{ Name: "vpc-id", Values: [vpcId] }] });

async function routeTablesOf(options: ClientOptions, vpcId: string): Promise<RouteTable[]> {
	const { EC2Client, paginateDescribeRouteTables } = await import("@aws-sdk/client-ec2");
	const found: RouteTable[] = [];
	const client = new EC2Client(options);
	for await (const { RouteTables = [] } of paginateDescribeRouteTables({ client }, ofVpc(vpcId)))
		found.push(...RouteTables);
	return found;
}

async function privateSubnets(options: ClientOptions, vpcId: string): Promise<Subnet[]> {
	const { EC2Client, paginateDescribeSubnets } = await import("@aws-sdk/client-ec2");
	const routeTables = await routeTablesOf(options, vpcId);
	const found: Subnet[] = [];
	const client = new EC2Client(options);
	for await (const { Subnets = [] } of paginateDescribeSubnets({ client }, ofVpc(vpcId)))
		found.push(...Subnets.filter((subnet) => isPrivate(subnet, routeTables)));
	return found;
}

function cdkVersion(): string | undefined {
	const manifest = new URL("../node_modules/aws-cdk/package.json", import.meta.url);
	if (!existsSync(manifest)) return undefined;
	return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
}

/** What builds the image. CDK itself knows only Docker and CDK_DOCKER. */
export function containerTool(env: NodeJS.ProcessEnv): Machine["containerTool"] {
	const names = env.CDK_DOCKER === undefined ? ["docker", "podman", "finch"] : [env.CDK_DOCKER];
	for (const name of names) {
		const { status, stdout } = spawnSync(name, ["--version"], {
			encoding: "utf8",
			timeout: 10_000,
		});
		if (status === 0) return { name, version: stdout.trim().split("\n")[0]! };
	}
	return undefined;
}
