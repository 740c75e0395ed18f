/**
 * The regions and availability zones of AgentCore Runtime, from `regions.json`, which has its date
 * and sources. Neither CDK nor CloudFormation knows the zones. A subnet in another zone fails only
 * after minutes, with "subnets are in unsupported availability zones". Zones are identified by id
 * (`use1-az4`), because a name such as us-east-1a means a different zone in every account.
 *
 * Not guaranteed: the table may be incomplete, because AWS adds regions and zones. `pnpm
 * infra:doctor` compares it with the account.
 */
import { CfnMapping, type Stack, Token } from "aws-cdk-lib";
import table from "./regions.json" with { type: "json" };

export interface RegionSupport {
	/**
	 * Ids of the supported zones. If empty, AWS does not publish them, and only PUBLIC mode or a
	 * lookup can be validated.
	 */
	readonly zoneIds: readonly string[];
	/** Platform version V2 (a copied, running machine: starts in 2 s instead of 5 to 30 s). */
	readonly hasV2: boolean;
}

export const REGIONS: Readonly<Record<string, RegionSupport>> = table.regions;
/** When the table was compared with its sources. */
export const REGIONS_DATE: string = table.date;

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
