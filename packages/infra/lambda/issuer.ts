/**
 * Serves the OpenID documents with which the daemon and AWS STS verify the worker's tokens: `GET
 * /.well-known/openid-configuration` and `GET /.well-known/jwks.json`.
 *
 * Environment: `SIGNING_KEY_ID` (needs kms:GetPublicKey), `ISSUER`, the URL below which the two
 * paths are served.
 */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";
import { once, required } from "./shared/environment.ts";
import { logger } from "./shared/log.ts";
import { json } from "./shared/refusal.ts";
import { ALGORITHM, SigningKey } from "./shared/signing-key.ts";

/** A replaced key must not be trusted for longer than tokens live. */
const CACHE = { "cache-control": "public, max-age=300" };

const key = once(() => new SigningKey(required("SIGNING_KEY_ID")));

export async function handler(event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
	try {
		if (event.path.endsWith("/.well-known/openid-configuration"))
			return json(200, discovery(required("ISSUER")), CACHE);
		if (event.path.endsWith("/.well-known/jwks.json"))
			return json(200, { keys: [await key().published()] }, CACHE);
	} catch (error) {
		logger.error("issuer.failed", { error });
		return json(
			503,
			{ code: "UNAVAILABLE", message: "the signing key cannot be read now", remedy: "ask again" },
			{ "retry-after": "5" },
		);
	}
	return json(404, {
		code: "PATH_UNKNOWN",
		message: "unknown document",
		remedy: "request /.well-known/openid-configuration",
	});
}

/**
 * The fields that IAM requires of a provider's document. Nobody logs in here: tokens are for users
 * who were verified by a channel.
 */
function discovery(issuer: string): object {
	return {
		issuer,
		jwks_uri: `${issuer.replace(/\/$/, "")}/.well-known/jwks.json`,
		authorization_endpoint: `${issuer.replace(/\/$/, "")}/authorize`,
		response_types_supported: ["id_token"],
		subject_types_supported: ["public"],
		id_token_signing_alg_values_supported: [ALGORITHM],
		claims_supported: ["iss", "aud", "sub", "iat", "exp", "https://aws.amazon.com/tags"],
	};
}
