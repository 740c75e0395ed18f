/** A VPC of our own, with flow logs, in zones that are identified by id. */
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import type { Construct } from "constructs";
import { makeLogGroup } from "./keys.ts";

export interface OwnVpcProps {
	readonly zoneIds: readonly string[];
	readonly natGateways: number;
	readonly subnets: readonly ec2.SubnetConfiguration[];
	readonly key: kms.IKey;
	readonly logDays: number;
}

export function makeVpc(
	scope: Construct,
	{ zoneIds, natGateways, subnets, key, logDays }: OwnVpcProps,
): ec2.Vpc {
	const vpc = new ec2.Vpc(scope, "Vpc", {
		availabilityZones: [...zoneIds],
		natGateways,
		// Otherwise CDK adds a function of its own; nothing here uses that group.
		restrictDefaultSecurityGroup: false,
		subnetConfiguration: [...subnets],
	});
	const made = [...vpc.publicSubnets, ...vpc.privateSubnets, ...vpc.isolatedSubnets];
	for (const [index, subnet] of made.entries()) {
		const resource = subnet.node.defaultChild as ec2.CfnSubnet;
		resource.availabilityZoneId = zoneIds[index % zoneIds.length]!;
		resource.addPropertyDeletionOverride("AvailabilityZone");
	}
	const logs = makeLogGroup(scope, "FlowLogs", { key, days: logDays });
	const role = new iam.Role(scope, "FlowLogsRole", {
		assumedBy: new iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
	});
	vpc.addFlowLog("FlowLog", { destination: ec2.FlowLogDestination.toCloudWatchLogs(logs, role) });
	return vpc;
}
