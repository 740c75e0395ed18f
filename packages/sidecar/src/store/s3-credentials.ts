import type { S3ClientConfig } from "@aws-sdk/client-s3";
import type { SigningCredentials } from "./s3-sign.ts";

export interface S3Credentials extends SigningCredentials {
	/** Undefined: they do not end. */
	readonly expiration?: Date;
}

export type GivenCredentials = NonNullable<S3ClientConfig["credentials"]>;

/** The SDK's own margin: time for the slowest request that was signed with the old ones. */
const MARGIN_MS = 300_000;
/** As for the identity of one user: STS answers in milliseconds. */
const REQUEST_TIMEOUT_MS = 5_000;

/**
 * Credentials for each request, asked for again shortly before they end. If that fails, the old ones
 * are used until they end. Those of the environment are used as they are. For all others the SDK's
 * chain is loaded: shared files, web identity, container, instance (about 40 ms).
 *
 * @param region of the store: STS is asked there, unless the profile names another one
 * @param requestHandler how the SDK's own requests (STS, SSO) reach the network; metadata of
 * containers and instances never uses it
 */
export function credentialsProvider(
	given: GivenCredentials | undefined,
	region: string,
	requestHandler: () => object,
): () => Promise<S3Credentials> {
	const chain = providerChain(region, requestHandler);
	const ask = given ?? (() => fromEnvironment() ?? chain());
	if (typeof ask !== "function") return async () => ask;
	// The mark of the SDK for a provider that renews by itself.
	if ((ask as { readonly memoized?: boolean }).memoized === true) return ask;
	let current: S3Credentials | undefined;
	let pending: Promise<S3Credentials> | undefined;
	const renew = async () => {
		try {
			current = await ask();
			return current;
		} catch (error) {
			if (current === undefined || endsWithin(current, 0)) throw error;
			return current;
		} finally {
			pending = undefined;
		}
	};
	return async () => {
		if (current !== undefined && !endsWithin(current, MARGIN_MS)) return current;
		pending ??= renew();
		return await pending;
	};
}

function endsWithin({ expiration }: S3Credentials, ms: number): boolean {
	return expiration !== undefined && expiration.getTime() - Date.now() < ms;
}

/** As in the SDK, a profile that is named comes before the keys. */
function fromEnvironment(): Promise<S3Credentials> | undefined {
	const {
		AWS_ACCESS_KEY_ID: accessKeyId,
		AWS_SECRET_ACCESS_KEY: secretAccessKey,
		AWS_SESSION_TOKEN: sessionToken,
		AWS_CREDENTIAL_EXPIRATION: expiration,
		AWS_PROFILE: profile,
	} = process.env;
	if (!accessKeyId || !secretAccessKey || profile) return undefined;
	return Promise.resolve({
		accessKeyId,
		secretAccessKey,
		...(sessionToken && { sessionToken }),
		...(expiration && { expiration: new Date(expiration) }),
		$source: { CREDENTIALS_ENV_VARS: "g" },
	});
}

/** One for all requests: it renews in the background, and keeps what is still valid meanwhile. */
function providerChain(region: string, requestHandler: () => object): () => Promise<S3Credentials> {
	const load = async () => {
		const { fromNodeProviderChain } = await import("./aws-credentials.ts");
		const handler = { ...requestHandler(), requestTimeout: REQUEST_TIMEOUT_MS };
		return fromNodeProviderChain({ clientConfig: { requestHandler: handler } });
	};
	let chain: ReturnType<typeof load> | undefined;
	return async () => {
		chain ??= load();
		return await (await chain)({ callerClientConfig: { region: async () => region } });
	};
}
