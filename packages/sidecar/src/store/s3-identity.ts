/**
 * The identity and the address with which an S3 store would be used: for people who diagnose a
 * failure. Never the value of a credential.
 */
import { SidecarError } from "../errors.ts";
import { S3Client, type S3ConnectionOptions } from "./s3-client.ts";
import { S3Failure, type Wire } from "./s3-failure.ts";

export interface S3Identity {
	readonly region: string;
	/** Undefined: AWS's endpoint for the region. */
	readonly endpoint: string | undefined;
	/**
	 * Looks for credentials like the store. @throws SidecarError STORE_ACCESS_DENIED if there are
	 * none
	 */
	credentials(): Promise<CredentialsFound>;
	close(): void;
}

export interface CredentialsFound {
	/** Their source, for people. */
	readonly source: string;
	/** With a session token, which expires. */
	readonly isTemporary: boolean;
	/** ms since the epoch, if known. */
	readonly expiresMs: number | undefined;
}

/**
 * By the SDK's names of its providers. The first match counts, since a role is assumed with another
 * provider's credentials.
 */
const SOURCES = [
	["CREDENTIALS_STS_ASSUME_ROLE_WEB_ID", "a web identity token (AWS_WEB_IDENTITY_TOKEN_FILE)"],
	["CREDENTIALS_STS_ASSUME_ROLE", "a role that is assumed"],
	["CREDENTIALS_IMDS", "the machine's role (instance metadata)"],
	["CREDENTIALS_HTTP", "the container's role (AWS_CONTAINER_CREDENTIALS_*)"],
	["CREDENTIALS_SSO", "a single sign-on session"],
	["CREDENTIALS_SSO_LEGACY", "a single sign-on session"],
	["CREDENTIALS_LOGIN", "a login session"],
	["CREDENTIALS_PROCESS", "a program (credential_process)"],
	["CREDENTIALS_PROFILE", "the shared credentials file"],
	["CREDENTIALS_ENV_VARS", "the environment (AWS_ACCESS_KEY_ID)"],
] as const;

/** @throws SidecarError USAGE: no region, or an invalid endpoint */
export async function identifyS3(options: S3ConnectionOptions): Promise<S3Identity> {
	const client = await S3Client.open(options, 1);
	const { endpoint, region } = client.settings;
	return {
		region,
		endpoint: endpoint && new URL(endpoint).origin,
		credentials: async () => {
			try {
				const found = await client.credentials();
				const given = (found as { readonly $source?: object }).$source ?? {};
				const source = SOURCES.find(([name]) => name in given)?.[1] ?? "the program that calls";
				return {
					source,
					isTemporary: found.sessionToken !== undefined,
					expiresMs: found.expiration?.getTime(),
				};
			} catch (error) {
				throw new SidecarError("STORE_ACCESS_DENIED", {
					reason: new S3Failure(error, NOTHING_SENT).summary,
					remedy: REMEDY,
				});
			}
		},
		close: () => client.close(),
	};
}

const NOTHING_SENT: Wire = { method: "get", sent: 0 };
const REMEDY =
	"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role provides credentials (container, instance, web identity)";
