/**
 * Determines a request's user, and the credentials that open their namespace: three strategies
 * behind one interface.
 *
 * - `web-identity`: the user's token is verified here and traded for credentials at STS; without
 *   the token nothing in this machine could do so.
 * - `assume-role`: this machine's own role is narrowed to the user; code running in the machine can
 *   request the role itself.
 * - `ambient`: the SDK's own credentials; for one user on their own machine.
 *
 * With a configured issuer, the namespace comes from a verified token under every strategy.
 * Otherwise it is the configured one. It never comes from the body of a request or a header that
 * the caller may choose.
 */
import { SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import { assumeRole, type Role, tradeToken } from "./assume-role.ts";
import { encodeUserId } from "./namespace-code.ts";
import { type AwsCredentials, RenewingCredentials } from "./renewing-credentials.ts";
import { type ModelScope, partitionOf, sessionPolicy } from "./session-policy.ts";
import type { UserToken } from "./user-token.ts";
import { type TokenRules, TokenVerifier } from "./verify-token.ts";

const IDENTITY_STRATEGIES = ["web-identity", "assume-role", "ambient"] as const;
export type IdentityStrategyName = (typeof IDENTITY_STRATEGIES)[number];

/** The proof of identity in a request. None of it may be logged. */
export interface Proof {
	/** The `Authorization` header. */
	readonly authorization: string | undefined;
	/** `identityToken` of the payload, for callers that cannot send the header. */
	readonly payloadToken: string | undefined;
}

export interface Identity {
	readonly namespace: string;
	/** Undefined if the namespace is the configured one. */
	readonly token: UserToken | undefined;
}

/** One user's credentials during the machine's life. */
export interface UserCredentials {
	readonly renewing: RenewingCredentials;
	/** Keeps a later request's token for the next renewal if it is more useful. */
	offer(token: UserToken | undefined): void;
}

export interface IdentityStrategy {
	/** @throws SidecarError IDENTITY_REFUSED, ISSUER_UNREACHABLE */
	identify(proof: Proof): Promise<Identity>;
	/** Sends nothing yet. Undefined: the SDK's own chain. */
	credentials(identity: Identity): UserCredentials | undefined;
}

export interface IdentityOptions {
	readonly strategy: IdentityStrategyName;
	/** The namespace of requests without a token, if no issuer is configured. */
	readonly namespace: string;
	readonly token: TokenRules | undefined;
	readonly roleArn: string | undefined;
	readonly roleDurationS: number;
	/** Undefined: the store is not a bucket, and needs no credentials. */
	readonly bucket: { readonly bucket: string; readonly prefix: string } | undefined;
	readonly kmsKeyArn?: string | undefined;
	/** Undefined: no model is used with these credentials. */
	readonly model?: ModelScope | undefined;
	readonly region?: string | undefined;
	readonly stsEndpoint?: string | undefined;
	readonly logger: Logger;
}

/** Sends nothing. @throws SidecarError USAGE: the strategy lacks a setting */
export function identityStrategy(options: IdentityOptions): IdentityStrategy {
	const { strategy, token, roleArn, bucket, model, namespace } = options;
	const needsCredentials = bucket !== undefined || model !== undefined;
	if (strategy === "web-identity" && token === undefined)
		throw lacks(strategy, "--issuer and --audience");
	if (strategy !== "ambient" && roleArn === undefined && needsCredentials)
		throw lacks(strategy, "--role-arn");
	const verifier = token && new TokenVerifier(token);
	return {
		identify: async (proof) =>
			verifier === undefined ? { namespace, token: undefined } : await verified(verifier, proof),
		credentials: (identity) => {
			if (strategy === "ambient" || roleArn === undefined || !needsCredentials) return undefined;
			const policy = sessionPolicy({
				bucket,
				model,
				namespace: identity.namespace,
				partition: partitionOf(roleArn),
				kmsKeyArn: options.kmsKeyArn,
			});
			const { roleDurationS: durationS, region, stsEndpoint, logger } = options;
			const role: Role = {
				roleArn,
				namespace: identity.namespace,
				policy,
				durationS,
				region,
				stsEndpoint,
			};
			return new RoleCredentials(
				strategy === "web-identity" ? tradeToken : assumeRole,
				role,
				identity.token,
				logger,
			);
		},
	};
}

async function verified(verifier: TokenVerifier, proof: Proof): Promise<Identity> {
	const { userId, token } = await verifier.verify(tokenOf(proof));
	return { namespace: encodeUserId(userId), token };
}

/** The header wins. Schemes other than Bearer are left to the platform. */
function tokenOf({ authorization, payloadToken }: Proof): string {
	const bearer = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
	const token = bearer ?? payloadToken;
	if (token === undefined)
		throw new SidecarError("IDENTITY_REFUSED", { reason: "the token is missing" });
	return token;
}

class RoleCredentials implements UserCredentials {
	readonly renewing: RenewingCredentials;
	#token: UserToken | undefined;

	constructor(
		ask: (role: Role, token: UserToken) => Promise<AwsCredentials>,
		role: Role,
		token: UserToken | undefined,
		logger: Logger,
	) {
		this.#token = token;
		this.renewing = new RenewingCredentials(
			async () => await ask(role, this.#token as UserToken),
			logger,
		);
	}

	offer(token: UserToken | undefined): void {
		if (token !== undefined && (this.#token === undefined || token.isNewerThan(this.#token)))
			this.#token = token;
	}
}

function lacks(strategy: string, what: string): SidecarError {
	return new SidecarError("USAGE", { value: strategy, reason: `this identity needs ${what}` });
}
