/** A region has room for few policies of CloudWatch Logs, and the stack needs one. */
import type { Config } from "../lib/settings/config.ts";
import { type Check, failed, ok } from "./check.ts";

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html */
const MAX_LOG_POLICIES = 10;

/** @param names of the region's CloudWatch Logs resource policies */
export function checkLogPolicies({ stackName }: Config, names: readonly string[]): Check {
	const name = "Logs resource policies";
	if (names.includes(`${stackName}-log-delivery`) || names.length < MAX_LOG_POLICIES)
		return ok(name, `${names.length} of ${MAX_LOG_POLICIES}`);
	return failed(
		name,
		`${names.length}, and a region has room for ${MAX_LOG_POLICIES}: ${names.join(", ")}`,
		"combine two of them, then `aws logs delete-resource-policy --policy-name NAME`; AWS does not raise this limit",
	);
}
