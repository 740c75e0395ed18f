/**
 * Which `openclaw:auditTrail` fits: does another trail of the account, or of its organization,
 * already record changes in this region?
 */
import type { GetEventSelectorsResponse, Trail } from "@aws-sdk/client-cloudtrail";
import type { Config } from "../lib/settings/config.ts";
import { type Check, failed, ok, warning } from "./check.ts";

/** What CloudTrail answers about one trail. */
export interface TrailAnswers {
	readonly trail: Trail;
	/** Undefined if it is denied, as an organization's trail may be to its members. */
	readonly state?:
		| { readonly isLogging: boolean; readonly selectors: GetEventSelectorsResponse }
		| undefined;
}

/**
 * @param trails all that this region shows, with those of other regions and of the organization
 */
export function checkTrails(
	{ auditTrail, stackName }: Config,
	region: string,
	trails: readonly TrailAnswers[],
): Check {
	const name = "audit trail";
	const others = trails.filter(
		({ trail }) =>
			!trail.Name?.startsWith(`${stackName}-Audit`) &&
			(trail.IsMultiRegionTrail === true || trail.HomeRegion === region),
	);
	const fitting = others.filter(
		({ state }) => state?.isLogging === true && recordsChanges(state.selectors),
	);
	const hidden = others.find(({ state }) => state === undefined);
	if (fitting.length === 0 && hidden !== undefined)
		return warning(
			name,
			`${hidden.trail.Name} may record changes here, but its settings cannot be read`,
			`ask its owner whether it logs management events; set openclaw:auditTrail to \`existing\` only then (now: \`${auditTrail}\`)`,
		);
	const complete = fitting.find(({ trail }) => trail.IsMultiRegionTrail === true);
	const shown = fitting
		.map(
			({ trail }) =>
				`${trail.Name} (${trail.IsOrganizationTrail ? "of the organization" : trail.IsMultiRegionTrail ? "all regions" : trail.HomeRegion})`,
		)
		.join(", ");
	if (auditTrail === "existing") {
		if (fitting.length === 0)
			return failed(
				name,
				"no trail records management events here, and openclaw:auditTrail is `existing`",
				"remove openclaw:auditTrail: without a trail, no change of the protection is reported",
			);
		return complete === undefined
			? warning(
					name,
					`${shown}: it does not record IAM's changes, which are made in us-east-1`,
					"make it a multi-region trail, or remove openclaw:auditTrail",
				)
			: ok(name, `${shown}; docs/operations.md says how IAM's changes get here`);
	}
	if (complete === undefined) return ok(name, "the stack creates one");
	return warning(
		name,
		`${shown} already records changes; the stack's own trail makes a second copy, $2 per 100,000 events`,
		"keep the copy, which also reports IAM's changes, or set openclaw:auditTrail to `existing`",
	);
}

/** Basic selectors, or advanced ones, which replace them. */
function recordsChanges({
	EventSelectors = [],
	AdvancedEventSelectors = [],
}: GetEventSelectorsResponse): boolean {
	const isBasic = EventSelectors.some(
		({ IncludeManagementEvents, ReadWriteType }) =>
			IncludeManagementEvents !== false && ReadWriteType !== "ReadOnly",
	);
	const isAdvanced = AdvancedEventSelectors.some(({ FieldSelectors = [] }) => {
		const valuesOf = (field: string) =>
			FieldSelectors.find(({ Field }) => Field === field)?.Equals ?? [];
		return (
			valuesOf("eventCategory").includes("Management") && !valuesOf("readOnly").includes("true")
		);
	});
	return isBasic || isAdvanced;
}
