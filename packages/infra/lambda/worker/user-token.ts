/**
 * The claims that identify the user of a machine, for the daemon (`sub`) and for IAM (the session
 * tag `namespace`).
 */
import { encodeUserId } from "openclaw-sidecar";

/**
 * At its start, the daemon trades a token for credentials of up to 12 hours, and may first wait 10
 * minutes for its turn.
 */
const LIFETIME_S = 900;

export interface TokenRules {
	readonly issuer: string;
	readonly audience: string;
}

export function claimsFor(
	userId: string,
	{ issuer, audience }: TokenRules,
	nowMs: number,
): Readonly<Record<string, unknown>> {
	const issuedAtS = Math.floor(nowMs / 1_000);
	return {
		iss: issuer,
		aud: audience,
		sub: userId,
		iat: issuedAtS,
		exp: issuedAtS + LIFETIME_S,
		"https://aws.amazon.com/tags": {
			principal_tags: { namespace: [encodeUserId(userId)] },
			transitive_tag_keys: ["namespace"],
		},
	};
}
