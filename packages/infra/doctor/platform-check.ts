/**
 * The platform version that is deployed, beside the one that the next deployment asks for. Only
 * GetAgentRuntime reports it.
 */
import type { Config } from "../lib/settings/config.ts";
import { REGIONS, REGIONS_DATE } from "../lib/settings/regions.ts";
import type { Account } from "./account-checks.ts";
import { type Check, ok, warning } from "./check.ts";

export async function checkPlatform(
	{ platformVersion, stackName }: Pick<Config, "platformVersion" | "stackName">,
	region: string,
	account: Account,
): Promise<Check> {
	const name = "platform version";
	const wanted = platformVersion ?? (REGIONS[region]?.hasV2 ? "V2" : "V1");
	const deployed = await account.runtimePlatform(stackName);
	const source = platformVersion === undefined ? `the table of ${REGIONS_DATE}` : "the settings";
	const mayHaveV2 =
		wanted === "V1" && platformVersion === undefined
			? "; set openclaw:platformVersion to V2 to try whether the region has it by now"
			: "";
	if (deployed === undefined)
		return ok(name, `${wanted}, by ${source}; nothing is deployed yet${mayHaveV2}`);
	if (deployed === wanted) return ok(name, `${deployed} is deployed${mayHaveV2}`);
	return warning(
		name,
		`${deployed} is deployed, and the next deployment asks for ${wanted}, by ${source}`,
		`set openclaw:platformVersion to ${deployed} to keep it`,
	);
}
