/**
 * Verifies whose token it is. The only source of a user's identity: a claim that the issuer signed.
 *
 * Checked: an asymmetric algorithm (`none` and `HS*` would let anybody sign), the signature by the
 * issuer's published key, issuer, audience, `exp` (required) and `nbf`, with 30 s of tolerance for
 * clocks. Not checked: whether the issuer has revoked the token since.
 */
import type { JWTPayload, JWTVerifyResult } from "jose";
import { SidecarError } from "../errors.ts";
import { IssuerKeys } from "./issuer-keys.ts";
import { UserToken } from "./user-token.ts";

export interface TokenRules {
	/** Exactly as in `iss`. */
	readonly issuer: string;
	/** One of the values in `aud`. */
	readonly audience: string;
	/** The claim that names the user, e.g. `sub`. */
	readonly userClaim: string;
}

export interface VerifiedToken {
	readonly userId: string;
	readonly token: UserToken;
}

const ALGORITHMS = [
	"RS256",
	"RS384",
	"RS512",
	"PS256",
	"PS384",
	"PS512",
	"ES256",
	"ES384",
	"ES512",
	"EdDSA",
	"Ed25519",
];
const CLOCK_TOLERANCE_S = 30;
/**
 * A header's value reaches a container with at most 4 KiB; one in the payload may be somewhat
 * longer.
 */
const MAX_TOKEN_LENGTH = 16_384;
const MAX_USER_ID_LENGTH = 1_024;

export class TokenVerifier {
	readonly #rules: TokenRules;
	readonly #keys: IssuerKeys;

	/** Sends nothing. @throws SidecarError USAGE */
	constructor(rules: TokenRules) {
		this.#rules = rules;
		this.#keys = new IssuerKeys(rules.issuer);
	}

	/** @throws SidecarError IDENTITY_REFUSED, ISSUER_UNREACHABLE */
	async verify(jwt: string): Promise<VerifiedToken> {
		if (jwt.length > MAX_TOKEN_LENGTH)
			throw refused(`the token has more than ${MAX_TOKEN_LENGTH} characters`);
		const { payload } = await this.#check(jwt);
		const userId = payload[this.#rules.userClaim];
		if (typeof userId !== "string" || userId === "")
			throw refused(`the token has no claim ${this.#rules.userClaim}`);
		if (userId.length > MAX_USER_ID_LENGTH)
			throw refused(
				`its claim ${this.#rules.userClaim} has more than ${MAX_USER_ID_LENGTH} characters`,
			);
		const { iat = 0, exp = 0 } = payload;
		return { userId, token: new UserToken(jwt, iat, exp) };
	}

	async #check(jwt: string): Promise<JWTVerifyResult<JWTPayload>> {
		const { jwtVerify } = await import("jose");
		try {
			return await jwtVerify(jwt, this.#keys.find, {
				algorithms: ALGORITHMS,
				issuer: this.#rules.issuer,
				audience: this.#rules.audience,
				requiredClaims: ["exp"],
				clockTolerance: CLOCK_TOLERANCE_S,
			});
		} catch (error) {
			throw judge(error, this.#rules.issuer);
		}
	}
}

/** jose's own messages contain the expected values but quote nothing of the token. */
function judge(error: unknown, issuer: string): SidecarError {
	if (error instanceof SidecarError) return error;
	const code = error instanceof Error && "code" in error ? String(error.code) : "";
	if (code === "ERR_JWKS_INVALID" || code === "ERR_JWKS_TIMEOUT" || code === "ERR_JOSE_GENERIC") {
		return new SidecarError("ISSUER_UNREACHABLE", {
			value: issuer,
			reason: (error as Error).message,
		});
	}
	if (code === "") return refused("the token cannot be read");
	return refused(code === "ERR_JWT_EXPIRED" ? "the token has expired" : (error as Error).message);
}

function refused(reason: string): SidecarError {
	return new SidecarError("IDENTITY_REFUSED", { reason });
}
