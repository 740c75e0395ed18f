/**
 * The hosts that a machine must reach, and the way to each: the internet (the platform's own network,
 * or NAT), or an endpoint of the VPC. What the agent reads on the web besides is not in the list.
 *
 * Not guaranteed: that a firewall or a network ACL of an existing VPC lets the traffic pass.
 */
import type { Config } from "./config.ts";

/** AWS's name of an endpoint service without `com.amazonaws.REGION.`: `sts`, `ecr.api`. */
export type ServiceName = string;

export interface Host {
	/** `REGION` stands for a region that is not known before the deployment. */
	readonly name: string;
	readonly why: string;
	/** The service whose endpoint answers for this host; undefined: none does. */
	readonly service: ServiceName | undefined;
}

/** Services that every machine calls in its own region. */
const SERVICES: Readonly<Record<ServiceName, string>> = {
	s3: "the workspaces, and the layers of the image",
	sts: "credentials of the user",
	"ecr.api": "the image",
	"ecr.dkr": "the image",
	logs: "the machine's log and metrics",
};

type Settings = Pick<
	Config,
	"region" | "network" | "natGateways" | "endpoints" | "issuer" | "domainName" | "modelUpstream"
>;

export function hostsOf(settings: Settings): readonly Host[] {
	const { region = "REGION", modelUpstream } = settings;
	return [
		...Object.entries(SERVICES).map(([service, why]) => ({ ...at(service, region), why })),
		{ ...at(modelUpstream, region), why: "the model" },
		{ ...issuerHost(settings, region), why: "the issuer's keys" },
	];
}

function issuerHost({ issuer, domainName }: Settings, region: string) {
	if (issuer !== undefined)
		return { name: new URL(issuer).host, service: serviceOf(issuer, region) };
	// An endpoint for execute-api with private DNS hides public APIs instead (decision 34).
	return { name: domainName ?? at("execute-api", region).name, service: undefined };
}

/** Hosts without a way. An existing VPC is used through its subnets that have one to the internet. */
export function unreachableHosts(settings: Settings): readonly Host[] {
	const { network, natGateways, endpoints } = settings;
	if (network !== "vpc" || natGateways > 0) return [];
	// Every new VPC has a gateway endpoint for S3.
	const open = new Set([...endpoints, "s3"]);
	return hostsOf(settings).filter(({ service }) => service === undefined || !open.has(service));
}

function at(service: ServiceName, region: string) {
	const name =
		service === "bedrock-mantle"
			? `bedrock-mantle.${region}.api.aws`
			: `${service.split(".").reverse().join(".")}.${region}.amazonaws.com`;
	return { name, service };
}

/** `https://cognito-idp.eu-central-1.amazonaws.com/…` in that region -> `cognito-idp` */
function serviceOf(issuer: string, region: string): ServiceName | undefined {
	const suffix = `.${region}.amazonaws.com`;
	const { host } = new URL(issuer);
	const name = host.endsWith(suffix) ? host.slice(0, -suffix.length) : "";
	return name === "" || name.endsWith("execute-api") ? undefined : name;
}
