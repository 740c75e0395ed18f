/**
 * Obtains credentials for one user from STS: two ways to ask, one way to fail. Loads the SDK on
 * first use.
 */
import { createHash } from "node:crypto";
import { printable, SidecarError } from "../errors.ts";
import type { AwsCredentials } from "./renewing-credentials.ts";
import type { UserToken } from "./user-token.ts";

export interface Role {
	readonly roleArn: string;
	readonly namespace: string;
	/** See `sessionPolicy`. */
	readonly policy: string;
	/** 900 to the role's maximum; a role that was itself assumed gives at most 3,600. */
	readonly durationS: number;
	/** Default: the SDK's own. */
	readonly region?: string | undefined;
	/** An STS other than AWS's. Default: AWS_ENDPOINT_URL_STS. */
	readonly stsEndpoint?: string | undefined;
}

/**
 * Uses AssumeRoleWithWebIdentity: the user's own token is the proof, no other credentials are
 * needed.
 */
export async function tradeToken(role: Role, token: UserToken): Promise<AwsCredentials> {
	const { fromWebToken } = await import("../store/aws-credentials.ts");
	const init = { ...common(role), webIdentityToken: token.reveal() };
	return await asked(role, async () => await fromWebToken(init)());
}

/** Uses AssumeRole, with the credentials of this machine as the proof. */
export async function assumeRole(role: Role): Promise<AwsCredentials> {
	const { fromTemporaryCredentials } = await import("../store/aws-credentials.ts");
	const { roleArn, roleSessionName, policy, durationSeconds, clientConfig } = common(role);
	const params = {
		RoleArn: roleArn,
		RoleSessionName: roleSessionName,
		Policy: policy,
		DurationSeconds: durationSeconds,
	};
	return await asked(role, async () => await fromTemporaryCredentials({ params, clientConfig })());
}

function common({ roleArn, namespace, policy, durationS, region, stsEndpoint }: Role) {
	const clientConfig = {
		...(region !== undefined && { region }),
		...(stsEndpoint !== undefined && { endpoint: stsEndpoint }),
		maxAttempts: 3,
		requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000 },
	};
	return {
		roleArn,
		roleSessionName: sessionName(namespace),
		policy,
		durationSeconds: durationS,
		clientConfig,
	};
}

/**
 * The name that CloudTrail shows: 2 to 64 characters of `A-Z a-z 0-9 _ = , . @ + -`. The namespace
 * itself, so that an auditor can compare it with the keys that the session names. If it does not
 * fit, `=session-` and a hash, which is never a namespace.
 */
export function sessionName(namespace: string): string {
	const fits = namespace.length >= 2 && namespace.length <= 64;
	return fits
		? namespace
		: `=session-${createHash("sha256").update(namespace).digest("hex").slice(0, 32)}`;
}

async function asked(
	{ roleArn }: Role,
	ask: () => Promise<AwsCredentials>,
): Promise<AwsCredentials> {
	try {
		return await ask();
	} catch (error) {
		throw stsFailure(error, roleArn);
	}
}

/**
 * Answers with a 400 after which the same request may succeed: too many requests of the account, or
 * STS could not reach the issuer.
 */
const PASSING = /Throttl|TooManyRequests|RequestLimitExceeded|IDPCommunicationError/i;

/** The SDK's errors are not passed on: their properties may contain the token. */
export function stsFailure(error: unknown, roleArn: string): SidecarError {
	const {
		name = "Error",
		message = String(error),
		$metadata,
	} = error as Partial<Error> & { $metadata?: { httpStatusCode?: number } };
	const reason = printable(`STS: ${name}: ${message.replace(/eyJ[\w.-]+/g, "[token]")}`);
	const status = $metadata?.httpStatusCode;
	const isDenied =
		(status !== undefined &&
			status >= 400 &&
			status < 500 &&
			status !== 429 &&
			!PASSING.test(name)) ||
		name.endsWith("ProviderError");
	if (!isDenied) return new SidecarError("STORE_UNREACHABLE", { value: roleArn, reason });
	const isExpired = /Expired/.test(name) || /expired/i.test(message);
	const remedy = isExpired
		? "send a request with a current token; the next renewal uses it"
		: "check that the role's trust policy accepts this identity, and that --role-arn is right";
	return new SidecarError("STORE_ACCESS_DENIED", { value: roleArn, reason, remedy });
}
