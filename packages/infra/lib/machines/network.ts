/**
 * The network of the machines: the platform's own (`public`), a new VPC, or an existing one, which
 * another account may share. A machine opens HTTPS connections only and accepts none.
 *
 * A VPC without NAT needs an issuer that is reachable inside it, because machines read the issuer's
 * keys.
 */
import { Annotations } from "aws-cdk-lib";
import { RuntimeNetworkConfiguration } from "aws-cdk-lib/aws-bedrockagentcore";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as kms from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";
import { makeVpc } from "../parts/vpc.ts";
import type { Config } from "../settings/config.ts";
import { checkZones } from "../settings/regions.ts";

export interface NetworkProps {
	readonly config: Config;
	/** Zones of a new VPC. */
	readonly zoneIds: readonly string[];
	readonly key: kms.IKey;
}

export class Network extends Construct {
	readonly runtimeNetwork: RuntimeNetworkConfiguration;
	readonly vpc: ec2.IVpc | undefined;
	/** The security group of the machines; undefined without a VPC, like `vpc`. */
	readonly machines: ec2.SecurityGroup | undefined;
	readonly subnets: ec2.SubnetSelection;
	/** The existing endpoint of an existing VPC. */
	readonly s3EndpointId: string | undefined;

	constructor(scope: Construct, id: string, { config, zoneIds, key }: NetworkProps) {
		super(scope, id);
		this.s3EndpointId = config.s3EndpointId;
		const isClosed = config.network === "vpc" && config.natGateways === 0;
		this.subnets = {
			subnetType: isClosed ? ec2.SubnetType.PRIVATE_ISOLATED : ec2.SubnetType.PRIVATE_WITH_EGRESS,
		};
		if (config.network === "public") {
			this.runtimeNetwork = RuntimeNetworkConfiguration.usingPublicNetwork();
			return;
		}
		const vpc =
			config.network === "vpc"
				? (this.#makeVpc(config, zoneIds, key) as ec2.IVpc)
				: this.#findVpc(config);
		this.vpc = vpc;
		this.machines = new ec2.SecurityGroup(this, "Machines", {
			vpc,
			description: "Machines of OpenClaw: outbound HTTPS, nothing inbound",
			allowAllOutbound: false,
		});
		this.machines.addEgressRule(
			ec2.Peer.anyIpv4(),
			ec2.Port.tcp(443),
			"AWS, models, and the web pages that the agent reads",
		);
		this.runtimeNetwork = RuntimeNetworkConfiguration.usingVpc(this, {
			vpc,
			vpcSubnets: this.subnets,
			securityGroups: [this.machines],
		});
	}

	#findVpc({ vpcId, region, zoneIds, s3EndpointId }: Config): ec2.IVpc {
		checkZones(region!, zoneIds);
		if (zoneIds.length === 0) {
			Annotations.of(this).addInfo(
				"openclaw:zoneIds is not set: `pnpm infra:doctor` looks up whether AgentCore supports the VPC's zones.",
			);
		}
		if (s3EndpointId === undefined)
			Annotations.of(this).addInfo(
				"openclaw:s3EndpointId is not set: endpoints are created in the existing VPC.",
			);
		return ec2.Vpc.fromLookup(this, "Vpc", { vpcId: vpcId!, region: region! });
	}

	#makeVpc({ natGateways, logDays }: Config, zoneIds: readonly string[], key: kms.IKey): ec2.Vpc {
		const subnets: readonly ec2.SubnetConfiguration[] =
			natGateways === 0
				? [{ name: "machines", subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 20 }]
				: [
						{ name: "machines", subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
						{
							name: "nat",
							subnetType: ec2.SubnetType.PUBLIC,
							cidrMask: 28,
							mapPublicIpOnLaunch: false,
						},
					];
		return makeVpc(this, { zoneIds, natGateways, subnets, key, logDays });
	}
}
