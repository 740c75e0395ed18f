/** Tables for docs/, generated from a template, so that they show what is deployed. */
import type { Template } from "aws-cdk-lib/assertions";
import type { Acknowledgement } from "../lib/acknowledgements.ts";
import { readAlarms } from "./alarm-evaluator.ts";
import { Deployed, type PolicyDocument, type PolicyStatement } from "./deployed.ts";

type Resource = { readonly Type: string; readonly Properties: Readonly<Record<string, never>> };

export function alarmTable(template: Template): string {
	const alarms = readAlarms(template).map(
		({ name, metric, condition, missing, periods, why }) =>
			`| ${name} | ${metric} ${condition} | ${periods} | ${missing} | ${why} |`,
	);
	return [
		"# Alarms",
		"",
		"Each alarm goes to the topic `Alarms`. `packages/infra/test/alarms.test.ts` generates this page from the template and evaluates every alarm over series of values. The thresholds are in `packages/infra/lib/watch/alarms.ts`.",
		"",
		"An alarm's name in CloudWatch begins with the stack's name and `Observability`, followed by the name below. Run saved queries in CloudWatch, *Logs Insights*, *Queries*, in the folder with the stack's name. *Without data* says what happens if no value arrives, as on a night without users.",
		"",
		"| alarm | condition | for | without data | why this threshold, and what to do |",
		"|---|---|---|---|---|",
		...alarms,
		"",
	].join("\n");
}

/**
 * Reasons for policies on resources, in which the wildcard has another meaning than in a role's. By
 * type, and by what the statement allows.
 */
const RESOURCE_POLICIES: readonly (readonly [type: string, action: RegExp, reason: string])[] = [
	[
		"AWS::KMS::Key",
		/^kms:\*$/,
		"the account's root, as AWS recommends: otherwise IAM policies could not allow use of the key, and no one could repair this policy",
	],
	["AWS::KMS::Key", /./, "`*` in a key's policy is that key"],
	[
		"AWS::EC2::VPCEndpoint",
		/^ecr:/,
		"the roles limit this to the image's repository; a pull carries no data out",
	],
	[
		"AWS::EC2::VPCEndpoint",
		/^sts:/,
		"a web identity has no account to check; the roles of this account decide which tokens they trust. Operators may ask who they are",
	],
	["AWS::EC2::VPCEndpoint", /^logs:Describe/, "names of this account's log groups"],
	["AWS::EC2::VPCEndpoint", /^logs:/, "streams of AgentCore's own log groups in this account"],
	[
		"AWS::EC2::VPCEndpoint",
		/^s3:/,
		"objects below users/ of this bucket, the repairer's deletions in logs, the operator's erasures and their records, and the layers of container images, which AWS keeps in a bucket per region",
	],
	[
		"AWS::EC2::VPCEndpoint",
		/^bedrock:/,
		"callers of this account only; their role limits the models",
	],
	[
		"AWS::S3::BucketPolicy",
		/^s3:PutObject$/,
		"CloudTrail's own files of this account, put by CloudTrail",
	],
	["AWS::Logs::ResourcePolicy", /^logs:/, "streams of the one log group named before the wildcard"],
];

/** An installation, and the findings of cdk-nag that it accepts. */
type Place = readonly [template: Template, acknowledged: readonly Acknowledgement[]];

/** @throws Error for a wildcard without a reason */
export function wildcardTable(places: readonly Place[]): string {
	const rows = places.flatMap(wildcardRows);
	return [
		"# Wildcards in IAM",
		"",
		"`packages/infra/test/stack/whole.test.ts` generates this page from the templates of `examples/new-vpc` and `examples/falco`. It lists every statement in roles and on resources that allows something and contains a `*`. A statement without a reason fails the test. Deny statements are left out: they should match widely.",
		"",
		"| where | allows | on | why |",
		"|---|---|---|---|",
		...[...new Set(rows)].sort(),
		"",
	].join("\n");
}

function wildcardRows([template, acknowledged]: Place): readonly string[] {
	const deployed = new Deployed(template);
	const resources = Object.entries(template.toJSON().Resources as Record<string, Resource>);
	return resources.flatMap(([id, { Type, Properties }]) =>
		policiesOf(deployed, Properties).flatMap(({ Statement }) =>
			Statement.filter(({ Effect }) => Effect === "Allow").flatMap((statement) =>
				wildcards(statement).map((wildcard) => {
					const actions = [statement.Action].flat();
					const reason =
						Type === "AWS::IAM::Policy"
							? reasonOf(id, wildcard, acknowledged)
							: reasonOfResource(Type, actions[0]!);
					if (reason === undefined)
						throw new Error(`${id} allows ${actions.join(", ")} on ${wildcard}, without a reason`);
					return `| ${id.replace(/[0-9A-F]{8}$/, "")} | ${actions.join(", ")} | \`${wildcard}\` | ${reason} |`;
				}),
			),
		),
	);
}

/** Every policy document in the properties, at any depth. */
function policiesOf(deployed: Deployed, value: unknown): readonly PolicyDocument[] {
	if (typeof value !== "object" || value === null) return [];
	if ("Statement" in value && "Version" in value)
		return [deployed.resolve(value) as PolicyDocument];
	return Object.entries(value).flatMap(([name, item]) => {
		// The Logs policy is JSON in a string.
		if (
			name !== "PolicyDocument" ||
			typeof item !== "object" ||
			item === null ||
			"Statement" in item
		)
			return policiesOf(deployed, item);
		return [JSON.parse(deployed.resolve(item) as string) as PolicyDocument];
	});
}

function wildcards({ Action, Resource = [] }: PolicyStatement): readonly string[] {
	const resources = [Resource].flat().filter((resource) => resource.includes("*"));
	const actions = [Action].flat().filter((action) => action.includes("*"));
	return resources.length > 0 ? resources : actions;
}

function reasonOf(
	policyId: string,
	wildcard: string,
	acknowledged: readonly Acknowledgement[],
): string | undefined {
	return acknowledged.find(({ at, id }) => {
		const [, found = ""] = /IAM5\[Resource::(.*)\]$/.exec(id) ?? [];
		const tail = found.slice(found.lastIndexOf(">") + 1);
		return (
			tail !== "" &&
			policyId.startsWith(at.replaceAll(/[^A-Za-z0-9]/g, "")) &&
			(tail === "*" ? wildcard === "*" : wildcard.endsWith(tail))
		);
	})?.reason;
}

function reasonOfResource(type: string, action: string): string | undefined {
	return RESOURCE_POLICIES.find(
		([ofType, pattern]) => ofType === type && pattern.test(action),
	)?.[2];
}
