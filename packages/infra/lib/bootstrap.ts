/**
 * CDK's bootstrap of this project: a repository, a bucket and deployment roles of its own. Machines
 * can pull every image of the repository, and IAM cannot narrow that to a tag or digest, so it must
 * not be the one that all CDK apps of an account share (decision 64).
 *
 * The CDK CLI reads the qualifier, and the name of the bootstrap's stack, from cdk.json.
 */
export const BOOTSTRAP_QUALIFIER = {
	key: "@aws-cdk/core:bootstrapQualifier",
	value: "openclaw",
} as const;

/** The bootstrap's stack, in `toolkitStackName` of each cdk.json. */
export const TOOLKIT_STACK = "CDKToolkit-openclaw";

/** The qualifier that the CDK CLI takes from the context of a cdk.json. */
export function qualifierOf(context: Readonly<Record<string, unknown>>): string {
	return String(context[BOOTSTRAP_QUALIFIER.key] ?? BOOTSTRAP_QUALIFIER.value);
}

/** The parameter in which the bootstrap's stack keeps its version. */
export function versionParameter(qualifier: string): string {
	return `/cdk-bootstrap/${qualifier}/version`;
}
