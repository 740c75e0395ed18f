/**
 * Who asks, and with what credentials their namespace is opened: three strategies behind one
 * interface.
 *
 * `web-identity` the user's token is verified here and traded for credentials at STS; nothing in
 * this machine could do so without it `assume-role` this machine's own role is narrowed to the
 * user; whoever runs code in the machine can ask for the role itself `ambient` whatever the SDK
 * finds; for one user on their own machine
 *
 * Where an issuer is configured, the namespace comes from a verified token under every strategy;
 * else it is the configured one. It never comes from the body of a request or a header that the
 * caller may choose.
 */
import { SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import { assumeRole, type Role, tradeToken } from "./assume-role.ts";
import { encodeUserId } from "./namespace-code.ts";
import { type AwsCredentials, RenewingCredentials } from "./renewing-credentials.ts";
import { partitionOf, sessionPolicy } from "./session-policy.ts";
import type { UserToken } from "./user-token.ts";
import { type TokenRules, TokenVerifier } from "./verify-token.ts";

const IDENTITY_STRATEGIES = ["web-identity", "assume-role", "ambient"] as const;
export type IdentityStrategyName = (typeof IDENTITY_STRATEGIES)[number];

/** What a request brings to say whose it is. Nothing of it may be logged. */
export interface Proof {
	/** The `Authorization` header. */
	readonly authorization: string | undefined;
	/** `identityToken` of the payload, for callers that cannot send the header. */
	readonly payloadToken: string | undefined;
}

export interface Identity {
	readonly namespace: string;
	/** Undefined where the namespace is the configured one. */
	readonly token: UserToken | undefined;
}

/** One user's credentials for as long as the machine lives. */
export interface UserCredentials {
	readonly renewing: RenewingCredentials;
	/** A later request's token is kept for the next renewal if it is the better one. */
	offer(token: UserToken | undefined): void;
}

export interface IdentityStrategy {
	/** @throws SidecarError IDENTITY_REFUSED, ISSUER_UNREACHABLE */
	identify(proof: Proof): Promise<Identity>;
	/** Asks nobody yet. Undefined: the SDK's own chain. */
	credentials(identity: Identity): UserCredentials | undefined;
}

export interface IdentityOptions {
	readonly strategy: IdentityStrategyName;
	/** Of requests without a token, where no issuer is configured. */
	readonly namespace: string;
	readonly token: TokenRules | undefined;
	readonly roleArn: string | undefined;
	readonly roleDurationS: number;
	/** Undefined: the store is no bucket and needs no credentials. */
	readonly bucket: { readonly bucket: string; readonly prefix: string } | undefined;
	readonly kmsKeyArn?: string | undefined;
	readonly region?: string | undefined;
	readonly stsEndpoint?: string | undefined;
	readonly log: Logger;
}

/** Sends nothing. @throws SidecarError USAGE: the strategy lacks something */
export function identityStrategy(options: IdentityOptions): IdentityStrategy {
	const { strategy, token, roleArn, bucket, namespace } = options;
	if (strategy === "web-identity" && token === undefined)
		throw lacks(strategy, "--issuer and --audience");
	if (strategy !== "ambient" && roleArn === undefined && bucket !== undefined)
		throw lacks(strategy, "--role-arn");
	const verifier = token && new TokenVerifier(token);
	return {
		identify: async (proof) =>
			verifier === undefined ? { namespace, token: undefined } : await verified(verifier, proof),
		credentials: (identity) => {
			if (strategy === "ambient" || roleArn === undefined || bucket === undefined) return undefined;
			const policy = sessionPolicy({
				...bucket,
				...identity,
				partition: partitionOf(roleArn),
				kmsKeyArn: options.kmsKeyArn,
			});
			const { roleDurationS: durationS, region, stsEndpoint, log } = options;
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
				log,
			);
		},
	};
}

async function verified(verifier: TokenVerifier, proof: Proof): Promise<Identity> {
	const { userId, token } = await verifier.verify(tokenOf(proof));
	return { namespace: encodeUserId(userId), token };
}

/** The header wins. Another scheme than Bearer is the platform's own business. */
function tokenOf({ authorization, payloadToken }: Proof): string {
	const bearer = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
	const token = bearer ?? payloadToken;
	if (token === undefined)
		throw new SidecarError("IDENTITY_REFUSED", { reason: "there is no token" });
	return token;
}

class RoleCredentials implements UserCredentials {
	readonly renewing: RenewingCredentials;
	#token: UserToken | undefined;

	constructor(
		ask: (role: Role, token: UserToken) => Promise<AwsCredentials>,
		role: Role,
		token: UserToken | undefined,
		log: Logger,
	) {
		this.#token = token;
		this.renewing = new RenewingCredentials(
			async () => await ask(role, this.#token as UserToken),
			log,
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
