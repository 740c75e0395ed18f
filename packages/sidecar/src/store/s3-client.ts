import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { SidecarError } from "../errors.ts";
import { type S3Settings, s3Settings } from "./s3-settings.ts";

/** How to reach S3: settings for the SDK, and SDK defaults to keep. */
export interface S3ConnectionOptions {
	/**
	 * Instead of AWS, e.g. `http://127.0.0.1:9000`. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
	 * the shared config file.
	 */
	readonly endpoint?: string | undefined;
	/**
	 * Default: AWS_REGION, AWS_DEFAULT_REGION, the shared config file; then `us-east-1` with an
	 * endpoint, since few endpoints check it.
	 */
	readonly region?: string | undefined;
	/**
	 * `https://host/bucket/key` instead of `https://bucket.host/key`. Default: `addressing_style` of
	 * the shared config file, otherwise only with an endpoint outside AWS.
	 */
	readonly forcePathStyle?: boolean | undefined;
	/**
	 * Server-side encryption to request with every PUT, for buckets whose policy requires its
	 * headers. Default: the bucket's own.
	 */
	readonly sse?: "AES256" | "aws:kms" | "aws:kms:dsse" | undefined;
	/**
	 * With `aws:kms` and `aws:kms:dsse`. Default: the bucket's key, otherwise AWS's key of the
	 * account.
	 */
	readonly sseKmsKeyId?: string | undefined;
	/**
	 * Default: the SDK's chain for Node (environment, shared files, web identity, container,
	 * instance).
	 */
	readonly credentials?: NonNullable<S3ClientConfig["credentials"]> | undefined;
	/**
	 * Maximum number of attempts by the SDK. Default 1: the store itself repeats requests that may be
	 * repeated.
	 */
	readonly attempts?: number;
	/** For tests; a missing part keeps its default. */
	readonly timeouts?: Partial<Timeouts>;
}

/** The part of a PUT's input that requests encryption. */
export function encryptionInput({ sse, sseKmsKeyId }: S3ConnectionOptions) {
	return {
		...(sse && { ServerSideEncryption: sse }),
		...(sseKmsKeyId && { SSEKMSKeyId: sseKmsKeyId }),
	};
}

/**
 * None of them limits a whole transfer, which may continue while bytes move. A caller that cannot
 * wait longer ends it with a signal.
 */
export interface Timeouts {
	/** 2,000 to connect: survives one lost SYN, which Linux sends again after a second. */
	readonly connectMs: number;
	/** 5,000 without a byte in either direction. */
	readonly idleMs: number;
	/**
	 * 10,000 for a PUT of more than 256 KiB. The system sends its buffer, up to 4 MiB on Linux,
	 * without a sign to the process, and a link of 0.4 MB/s must not time out on it.
	 */
	readonly bulkIdleMs: number;
}

const TIMEOUTS: Timeouts = { connectMs: 2_000, idleMs: 5_000, bulkIdleMs: 10_000 };
export const BULK_BYTES = 256 * 1024;

export interface S3Connection {
	readonly sdk: typeof import("@aws-sdk/client-s3");
	readonly client: S3Client;
	/**
	 * For PUTs of more than `BULK_BYTES`. Differs from `client` in its timeout; they share
	 * credentials and sockets.
	 */
	readonly bulkClient: S3Client;
	readonly agents: readonly [HttpAgent, HttpsAgent];
}

/**
 * Sends nothing. Loads the SDK (about 80 ms and 40 MB), a cost that other kinds of store must not
 * pay.
 *
 * @param maxSockets maximum number of the caller's requests in flight; waiting for a socket would
 * count as connecting
 * @throws SidecarError USAGE: no region, or an invalid endpoint
 */
export async function connectS3(
	options: S3ConnectionOptions,
	maxSockets: number,
): Promise<S3Connection> {
	if (options.sseKmsKeyId !== undefined && options.sse?.startsWith("aws:kms") !== true) {
		const reason = "--sse-kms-key-id needs --sse aws:kms or --sse aws:kms:dsse";
		throw new SidecarError("USAGE", { value: options.sseKmsKeyId, reason });
	}
	const settings = await s3Settings(options);
	const { endpoint, region } = settings;
	const [sdk, { fromNodeProviderChain }] = await Promise.all([
		import("@aws-sdk/client-s3"),
		import("@aws-sdk/credential-providers"),
	]);
	const agents = agentsFor(settings, maxSockets);
	const config: S3ClientConfig = {
		...(endpoint && { endpoint }),
		...(region && { region }),
		forcePathStyle: settings.pathStyle,
		maxAttempts: options.attempts ?? 1,
		retryMode: "standard",
		requestChecksumCalculation: settings.requestChecksums,
		responseChecksumValidation: settings.responseChecksums,
		// With custom agents the SDK would send the header, but not wait for the answer to it.
		expectContinueHeader: false,
	};
	const { connectMs, idleMs, bulkIdleMs } = { ...TIMEOUTS, ...options.timeouts };
	const handler = { httpAgent: agents[0], httpsAgent: agents[1], connectionTimeout: connectMs };
	// Exchanges of credentials (STS, SSO) use the same proxy; instance and container metadata never
	// do.
	const credentials =
		options.credentials ?? fromNodeProviderChain({ clientConfig: { requestHandler: handler } });
	const client = new sdk.S3Client({
		...config,
		credentials,
		requestHandler: { ...handler, socketTimeout: idleMs },
	});
	const shared = client.config.credentials;
	const bulkClient = new sdk.S3Client({
		...config,
		credentials: shared,
		requestHandler: { ...handler, socketTimeout: bulkIdleMs },
	});
	await client.config.region().catch((cause: unknown) => {
		throw new SidecarError("USAGE", {
			reason: "the region of the bucket is not known",
			remedy: "set AWS_REGION",
			cause,
		});
	});
	return { sdk, client, bulkClient, agents };
}

/**
 * Closes idle connections. A broken one is rarely the only one: after a virtual machine was frozen
 * all of them are dead, and every retry would take the next dead one from the pool.
 */
export function dropIdleSockets({ agents }: S3Connection): void {
	for (const agent of agents) {
		for (const sockets of Object.values(agent.freeSockets)) {
			for (const socket of [...(sockets ?? [])]) socket.destroy();
		}
	}
}

/**
 * Through the proxy of HTTPS_PROXY or HTTP_PROXY, in upper or lower case, unless NO_PROXY lists the
 * host.
 */
function agentsFor({ secureContext }: S3Settings, maxSockets: number) {
	const options = { keepAlive: true, maxSockets, proxyEnv: process.env };
	try {
		return [
			new HttpAgent(options),
			new HttpsAgent({ ...options, ...(secureContext && { secureContext }) }),
		] as const;
	} catch (cause) {
		// Its message may contain the proxy's password.
		throw new SidecarError("USAGE", {
			reason: "HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy",
			remedy: "use http://host:port or https://host:port",
			cause: (cause as NodeJS.ErrnoException).code,
		});
	}
}
