/**
 * The regions and availability zones of AgentCore Runtime. Neither CDK nor CloudFormation knows the
 * zones. A subnet in another zone fails only after minutes, with "subnets are in unsupported
 * availability zones". Zones are identified by id (`use1-az4`), because a name such as us-east-1a
 * means a different zone in every account.
 *
 * Not guaranteed: the table may be incomplete, because AWS adds regions and zones. `pnpm
 * infra:doctor` reports the zones of an account.
 * Regions: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-regions.html
 * (November 2026)
 * Zones:
 * https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/agentcore-vpc.html#agentcore-supported-azs
 * (no entry: AWS publishes none)
 */
import { CfnMapping, type Stack, Token } from "aws-cdk-lib";

export interface RegionSupport {
	/**
	 * Ids of the supported zones. If empty, AWS does not publish them, and only PUBLIC mode or a
	 * lookup can be validated.
	 */
	readonly zoneIds: readonly string[];
	/** Platform version V2 (a copied, running machine: starts in 2 s instead of 5 to 30 s). */
	readonly hasV2: boolean;
}

export const REGIONS: Readonly<Record<string, RegionSupport>> = {
	"ap-northeast-1": at("apne1", [1, 2, 4], "V2"),
	"ap-northeast-2": at("apne2"),
	"ap-south-1": at("aps1"),
	"ap-south-2": at("aps2", []),
	"ap-southeast-1": at("apse1"),
	"ap-southeast-2": at("apse2"),
	"ap-southeast-5": at("apse5"),
	"ap-southeast-7": at("apse7"),
	"ca-central-1": at("cac1", [1, 2, 4]),
	"eu-central-1": at("euc1"),
	"eu-north-1": at("eun1"),
	"eu-south-1": at("eus1"),
	"eu-south-2": at("eus2"),
	"eu-west-1": at("euw1", [1, 2, 3], "V2"),
	"eu-west-2": at("euw2"),
	"eu-west-3": at("euw3"),
	"sa-east-1": at("sae1"),
	"us-east-1": at("use1", [1, 2, 4], "V2"),
	"us-east-2": at("use2", [1, 2, 3], "V2"),
	"us-gov-west-1": at("usgw1"),
	"us-west-1": at("usw1", []),
	"us-west-2": at("usw2", [1, 2, 3], "V2"),
};

const SUPPORTED = Object.keys(REGIONS).join(", ");

/**
 * @returns undefined for a region that is not known before the deployment, because a token cannot
 * be compared
 */
export function supportOf(region: string): RegionSupport | undefined {
	if (Token.isUnresolved(region)) return undefined;
	const support = REGIONS[region];
	if (support === undefined)
		throw new Error(
			`AgentCore Runtime is not available in ${region}. Set openclaw:region to one of ${SUPPORTED}.`,
		);
	return support;
}

/** @throws Error that names the supported zones */
export function checkZones(region: string, zoneIds: readonly string[]): void {
	const supported = supportOf(region)?.zoneIds ?? [];
	if (supported.length === 0) return;
	const wrong = zoneIds.filter((id) => !supported.includes(id));
	if (wrong.length === 0) return;
	throw new Error(
		`AgentCore Runtime is not available in ${wrong.join(", ")}. Zones of ${region} that it supports: ${supported.join(", ")}.`,
	);
}

/**
 * The ids of the first `count` supported zones. If the region is not known yet, CloudFormation
 * looks them up in a table. A region that is missing there stops the deployment before it creates
 * anything: `Unable to get mapping for AgentCoreRegions::…`.
 */
export function pickZones(stack: Stack, count: number): readonly string[] {
	const support = supportOf(stack.region);
	const withZones = Object.entries(REGIONS).filter(([, { zoneIds }]) => zoneIds.length > 0);
	if (support === undefined) {
		const rows = withZones.map(([region, { zoneIds }]) => [
			region,
			Object.fromEntries(zoneIds.map((id, index) => [`zone${index}`, id])),
		]);
		const table = new CfnMapping(stack, "AgentCoreRegions", { mapping: Object.fromEntries(rows) });
		return Array.from({ length: count }, (_, index) =>
			table.findInMap(stack.region, `zone${index}`),
		);
	}
	if (support.zoneIds.length >= count) return support.zoneIds.slice(0, count);
	throw new Error(
		`AgentCore's zones in ${stack.region} are not published, so ${count} cannot be selected. Set openclaw:zoneIds, ` +
			`or set openclaw:region to one of ${withZones.map(([region]) => region).join(", ")}.`,
	);
}

function at(
	prefix: string,
	zones: readonly number[] = [1, 2, 3],
	version: "V1" | "V2" = "V1",
): RegionSupport {
	return { zoneIds: zones.map((zone) => `${prefix}-az${zone}`), hasV2: version === "V2" };
}
