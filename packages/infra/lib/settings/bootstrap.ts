/**
 * CDK's bootstrap of this project: a repository, a bucket and deployment roles of its own. Machines
 * can pull every image of the repository, and IAM cannot narrow that to a tag or digest, so it must
 * not be the one that all CDK apps of an account share (decision 64).
 *
 * cdk.json alone decides, because the CDK CLI reads it there, for `bootstrap` and for `deploy`.
 */
const KEY = "@aws-cdk/core:bootstrapQualifier";

/** What a cdk.json has for it. */
export const OWN_BOOTSTRAP = {
	toolkitStackName: "CDKToolkit-openclaw",
	context: { [KEY]: "openclaw" },
} as const;

/** Of the bootstrap that the apps of an account share. */
const SHARED = "hnb659fds";

export function qualifierOf(context: Readonly<Record<string, unknown>>): string {
	return String(context[KEY] ?? SHARED);
}

export function isShared(context: Readonly<Record<string, unknown>>): boolean {
	return qualifierOf(context) === SHARED;
}

/** The parameter in which the bootstrap's stack keeps its version. */
export function versionParameter(qualifier: string): string {
	return `/cdk-bootstrap/${qualifier}/version`;
}
