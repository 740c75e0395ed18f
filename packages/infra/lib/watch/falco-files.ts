/**
 * The three files of the Falco service: its configuration and rules, which are those of falco/, and
 * the site's settings, which replace every list of the rules by what the stack knows.
 */
import { readFileSync } from "node:fs";

const read = (path: string) =>
	readFileSync(new URL(`../../../../falco/${path}`, import.meta.url), "utf8");

export const RULES = read("rules/openclaw_cloudtrail_rules.yaml");

/** Needs an endpoint or an address that only machines have. */
export const NETWORK_RULE = "OpenClaw credentials are used from an unexpected network";
export const TOKEN_RULE = "Token is refused for the OpenClaw role";
/** These read management events, all others the bucket's data events. */
export const MANAGEMENT_RULES = ["OpenClaw bucket is changed", TOKEN_RULE] as const;

export function falcoConfig(queueName: string): string {
	const [before, after, ...others] = read("config/falco_cloudtrail.yaml").split(
		"sqs://openclaw-trail",
	);
	if (after === undefined || others.length > 0)
		throw new Error("falco/config/falco_cloudtrail.yaml must name the queue once");
	return `${before}sqs://${queueName}${after}`;
}

export interface Site {
	/** Workspaces, and the trail itself. */
	readonly buckets: readonly string[];
	readonly userRole: string;
	readonly deployRole: string;
	/** Undefined if machines reach S3 from addresses that nobody knows. */
	readonly s3EndpointId: string | undefined;
	readonly hasManagementEvents: boolean;
}

/** Items of a rules file. */
export function siteSettings(site: Site): readonly object[] {
	const { buckets, userRole, deployRole, s3EndpointId, hasManagementEvents } = site;
	const list = (name: string, items: readonly string[]) => ({
		list: name,
		items,
		override: { items: "replace" },
	});
	const off = (rule: string) => ({ rule, enabled: false, override: { enabled: "replace" } });
	return [
		list("openclaw_buckets", buckets),
		list("openclaw_user_roles", [userRole]),
		list("openclaw_deploy_roles", [deployRole]),
		list("openclaw_vpc_endpoints", s3EndpointId === undefined ? [] : [s3EndpointId]),
		list("openclaw_source_addresses", []),
		{
			macro: "openclaw_user_role_is_asked_for",
			condition: `(json.value[/requestParameters/roleArn] endswith ":role/${userRole}")`,
			override: { condition: "replace" },
		},
		...(s3EndpointId === undefined ? [off(NETWORK_RULE)] : []),
		...(hasManagementEvents ? [] : MANAGEMENT_RULES.map(off)),
	];
}
