/**
 * What in an existing VPC prevents the stack's endpoints, or keeps machines from the bucket.
 * CloudFormation would report each of these in the middle of a deployment, or never.
 */
import type { RouteTable, RouteTableAssociation, Subnet, VpcEndpoint } from "@aws-sdk/client-ec2";
import type { Config } from "../lib/settings/config.ts";
import { type Check, failed, ok } from "./check.ts";

/** What EC2 answers about a VPC. */
export interface VpcAnswers {
	readonly hasDnsSupport: boolean;
	readonly hasDnsHostnames: boolean;
	readonly endpoints: readonly VpcEndpoint[];
	readonly routeTables: readonly RouteTable[];
	/** Those in which machines run: private ones. */
	readonly subnets: readonly Subnet[];
}

export function checkVpc(config: Config, region: string, vpc: VpcAnswers): readonly Check[] {
	// With an S3 endpoint of its own, the VPC has all endpoints, and the stack creates none.
	return config.s3EndpointId === undefined
		? [checkDns(vpc), checkPrivateNames(config, vpc), checkS3Routes(region, vpc)]
		: [checkDns(vpc), checkS3Endpoint(config.s3EndpointId, region, vpc)];
}

function checkDns({ hasDnsSupport, hasDnsHostnames }: VpcAnswers): Check {
	const name = "DNS of the VPC";
	const missing = [
		...(hasDnsSupport ? [] : ["enableDnsSupport"]),
		...(hasDnsHostnames ? [] : ["enableDnsHostnames"]),
	];
	if (missing.length === 0) return ok(name, "enableDnsSupport and enableDnsHostnames are on");
	return failed(
		name,
		`${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} off: names of AWS services do not lead to the endpoints`,
		missing
			.map((each) => `aws ec2 modify-vpc-attribute --vpc-id VPC --${kebab(each)} '{"Value":true}'`)
			.join("; "),
	);
}

function checkPrivateNames({ endpoints: wanted }: Config, { endpoints }: VpcAnswers): Check {
	const name = "endpoints of the VPC";
	const taken = endpoints.filter(
		({ VpcEndpointType, PrivateDnsEnabled, ServiceName = "" }) =>
			VpcEndpointType === "Interface" &&
			PrivateDnsEnabled === true &&
			wanted.some((service) => ServiceName.endsWith(`.${service}`)),
	);
	if (taken.length === 0) return ok(name, "no conflict");
	const services = wanted.filter((service) =>
		taken.some(({ ServiceName = "" }) => ServiceName.endsWith(`.${service}`)),
	);
	const rest = wanted.filter((service) => !services.includes(service));
	return failed(
		name,
		`the VPC already has ${taken.map(({ VpcEndpointId, ServiceName }) => `${VpcEndpointId} (${ServiceName})`).join(", ")} with a private name, which a second endpoint cannot have`,
		`set openclaw:endpoints to ${rest.join(",") || '""'}, and let the security group of ${services.join(", ")} accept HTTPS from the machines`,
	);
}

/** Two gateway endpoints cannot have routes to S3 in one table. */
function checkS3Routes(region: string, vpc: VpcAnswers): Check {
	const name = "routes to S3";
	const tables = tablesOfMachines(vpc);
	const conflict = s3Gateways(region, vpc).find(({ RouteTableIds = [] }) =>
		RouteTableIds.some((id) => tables.has(id)),
	);
	if (conflict === undefined) return ok(name, "no conflict");
	return failed(
		name,
		`${conflict.VpcEndpointId} already routes S3 in the subnets of the machines`,
		`set openclaw:s3EndpointId to ${conflict.VpcEndpointId}; the VPC then needs all endpoints itself`,
	);
}

/** The bucket answers only through this endpoint. */
function checkS3Endpoint(id: string, region: string, vpc: VpcAnswers): Check {
	const name = "routes to S3";
	const gateways = s3Gateways(region, vpc);
	const endpoint = gateways.find(({ VpcEndpointId }) => VpcEndpointId === id);
	if (endpoint === undefined)
		return failed(
			name,
			`${id} is not an S3 gateway endpoint of this VPC`,
			gateways.length === 0
				? "remove openclaw:s3EndpointId, and the stack creates one"
				: `set openclaw:s3EndpointId to ${gateways.map(({ VpcEndpointId }) => VpcEndpointId).join(" or ")}`,
		);
	const lacking = [...tablesOfMachines(vpc)].filter(
		(table) => !endpoint.RouteTableIds?.includes(table),
	);
	if (lacking.length === 0) return ok(name, `${id}, in every subnet of the machines`);
	return failed(
		name,
		`${id} has no route in ${lacking.join(", ")}: the bucket refuses machines in those subnets`,
		`aws ec2 modify-vpc-endpoint --vpc-endpoint-id ${id} --add-route-table-ids ${lacking.join(" ")}`,
	);
}

function s3Gateways(region: string, { endpoints }: VpcAnswers): readonly VpcEndpoint[] {
	return endpoints.filter(
		({ VpcEndpointType, ServiceName }) =>
			VpcEndpointType === "Gateway" && ServiceName?.endsWith(`.${region}.s3`),
	);
}

/** As CDK looks subnets up: a route to an internet gateway makes a subnet public. */
export function isPrivate(subnet: Subnet, routeTables: readonly RouteTable[]): boolean {
	const table = tableOf(subnet, routeTables);
	const isRouted = table?.Routes?.some(({ GatewayId }) => GatewayId?.startsWith("igw-")) ?? false;
	return !isRouted && subnet.MapPublicIpOnLaunch !== true;
}

function tablesOfMachines({ routeTables, subnets }: VpcAnswers): ReadonlySet<string> {
	const ids = subnets.map((subnet) => tableOf(subnet, routeTables)?.RouteTableId);
	return new Set(ids.filter((id) => id !== undefined));
}

/** A subnet without a route table of its own has the main one. */
function tableOf(subnet: Subnet, tables: readonly RouteTable[]): RouteTable | undefined {
	const find = (isMeant: (association: RouteTableAssociation) => boolean) =>
		tables.find(({ Associations = [] }) => Associations.some(isMeant));
	return (
		find(({ SubnetId }) => SubnetId !== undefined && SubnetId === subnet.SubnetId) ??
		find(({ Main }) => Main === true)
	);
}

function kebab(name: string): string {
	return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
