import type { S3Settings } from "./s3-settings.ts";

/** Where a bucket's requests go. */
export interface S3Address {
	/** Without a final slash: scheme, host and perhaps port. */
	readonly origin: string;
	/** Before the key: the endpoint's own path, and the bucket in path style; without a final slash. */
	readonly path: string;
}

/**
 * DNS suffixes by region, for the partitions of AWS:
 * https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json
 */
const SUFFIXES: readonly (readonly [RegExp, string])[] = [
	[/^cn-/, "amazonaws.com.cn"],
	[/^eusc-/, "amazonaws.eu"],
	[/^us-iso-/, "c2s.ic.gov"],
	[/^us-isob-/, "sc2s.sgov.gov"],
	[/^us-isof-/, "csp.hci.ic.gov"],
	[/^eu-isoe-/, "cloud.adc-e.uk"],
];

/** The given endpoint, otherwise AWS's for the region. */
export function endpointOf({ endpoint, region, fips, dualstack }: AddressSettings): string {
	if (endpoint !== undefined) return endpoint;
	const suffix = SUFFIXES.find(([regions]) => regions.test(region))?.[1] ?? "amazonaws.com";
	return `https://s3${fips ? "-fips" : ""}${dualstack ? ".dualstack" : ""}.${region}.${suffix}`;
}

type AddressSettings = Pick<S3Settings, "endpoint" | "fips" | "dualstack"> & {
	readonly region: string;
};

/**
 * A bucket has a host of its own, unless the settings ask for the path, the endpoint is an address,
 * or its name has dots: then AWS's certificate does not cover the host.
 */
export function addressOf(
	settings: AddressSettings & Pick<S3Settings, "pathStyle">,
	bucket: string,
): S3Address {
	const { protocol, host, hostname, pathname } = new URL(endpointOf(settings));
	const path = pathname.replace(/\/+$/, "");
	const isAddress = /^\[|^[\d.]+$/.test(hostname);
	const isDotted = bucket.includes(".") && protocol === "https:";
	return settings.pathStyle || isAddress || isDotted
		? { origin: `${protocol}//${host}`, path: `${path}/${bucket}` }
		: { origin: `${protocol}//${bucket}.${host}`, path };
}
