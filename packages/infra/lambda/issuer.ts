/**
 * The OpenID documents that let the daemon and AWS STS check the worker's tokens: `GET /.well-known/openid-configuration` and
 * `GET /.well-known/jwks.json`.
 *
 * Environment: `SIGNING_KEY_ID` (needs kms:GetPublicKey), `ISSUER`, the URL below which the two paths are served.
 */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from "aws-lambda";

export async function handler(_event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
	throw new Error("not written yet");
}
