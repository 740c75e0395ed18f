import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { SidecarError } from "../errors.ts";
import { withoutSecrets } from "./redact.ts";

/** How to reach S3: what the SDK is told, and what it is told to leave alone. */
export interface S3ConnectionOptions {
	/** Instead of AWS, e.g. `http://127.0.0.1:9000`. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the shared config file. */
	readonly endpoint?: string;
	/** Default: AWS_REGION, AWS_DEFAULT_REGION; then `us-east-1` behind an `endpoint`, which few of them look at, else the shared config file. */
	readonly region?: string;
	/** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: only behind an `endpoint`. */
	readonly forcePathStyle?: boolean;
	/** Default: the SDK's chain for Node (environment, shared files, web identity, container, instance). */
	readonly credentials?: NonNullable<S3ClientConfig["credentials"]>;
	/** How often the SDK sends a request at most. Default 1: the store itself repeats what may be repeated. */
	readonly attempts?: number;
	/** For tests; a part left out keeps its default. */
	readonly timeouts?: Partial<Timeouts>;
}

/**
 * None of them is a limit on a whole transfer, which may take as long as it moves. What takes longer than a caller can wait
 * is the caller's to end, by a signal.
 */
export interface Timeouts {
	/** 2,000 to connect: survives one lost SYN, which Linux sends again after a second. */
	readonly connectMs: number;
	/** 5,000 without a byte in either direction. */
	readonly idleMs: number;
	/**
	 * 10,000 for a PUT of more than 256 KiB: what the system has taken into its send buffer, up to 4 MiB on Linux, goes out
	 * without a sign to the process, and a link of 0.4 MB/s must not time out on it.
	 */
	readonly bulkIdleMs: number;
}

const TIMEOUTS: Timeouts = { connectMs: 2_000, idleMs: 5_000, bulkIdleMs: 10_000 };
export const BULK_BYTES = 256 * 1024;

export interface S3Connection {
	readonly sdk: typeof import("@aws-sdk/client-s3");
	readonly client: S3Client;
	/** For PUTs of more than `BULK_BYTES`. Differs from `client` in its timeout; they share credentials and sockets. */
	readonly bulkClient: S3Client;
	readonly agents: readonly [HttpAgent, HttpsAgent];
}

/**
 * Sends nothing. Loads the SDK (about 80 ms and 40 MB), which a store of another kind must not pay for.
 *
 * @param maxSockets requests the caller will have in flight at most; waiting for a socket would count as connecting
 * @throws SidecarError USAGE: no region, or an endpoint that is no URL
 */
export async function connectS3(options: S3ConnectionOptions, maxSockets: number): Promise<S3Connection> {
	const endpoint = options.endpoint || endpointOfEnvironment();
	if (endpoint !== undefined) assertEndpoint(endpoint);
	const region = options.region || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || (endpoint && "us-east-1");
	const [sdk, { fromNodeProviderChain }] = await Promise.all([import("@aws-sdk/client-s3"), import("@aws-sdk/credential-providers")]);
	const agents = [new HttpAgent({ keepAlive: true, maxSockets }), new HttpsAgent({ keepAlive: true, maxSockets })] as const;
	const config: S3ClientConfig = {
		...(endpoint && { endpoint }),
		...(region && { region }),
		forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
		maxAttempts: options.attempts ?? 1,
		retryMode: "standard",
		requestChecksumCalculation: "WHEN_SUPPORTED",
		// Every object of the log is verified by SHA-256 after it was read.
		responseChecksumValidation: "WHEN_REQUIRED",
		// With agents of our own the SDK would send the header, but not wait for the answer to it.
		expectContinueHeader: false,
	};
	const { connectMs, idleMs, bulkIdleMs } = { ...TIMEOUTS, ...options.timeouts };
	const handler = { httpAgent: agents[0], httpsAgent: agents[1], connectionTimeout: connectMs };
	const credentials = options.credentials ?? fromNodeProviderChain();
	const client = new sdk.S3Client({ ...config, credentials, requestHandler: { ...handler, socketTimeout: idleMs } });
	const shared = client.config.credentials;
	const bulkClient = new sdk.S3Client({ ...config, credentials: shared, requestHandler: { ...handler, socketTimeout: bulkIdleMs } });
	await client.config.region().catch((cause: unknown) => {
		throw new SidecarError("USAGE", { reason: "the region of the bucket is not known", remedy: "set AWS_REGION", cause });
	});
	return { sdk, client, bulkClient, agents };
}

/**
 * Closes the connections nobody uses. One that broke is seldom the only one: after a virtual machine was frozen all of them
 * are dead, and every try would take the next dead one from the pool.
 */
export function dropIdleSockets({ agents }: S3Connection): void {
	for (const agent of agents) {
		for (const sockets of Object.values(agent.freeSockets)) {
			for (const socket of [...(sockets ?? [])]) socket.destroy();
		}
	}
}

/** As the SDK reads it; taken out of its hands because path style depends on it. */
function endpointOfEnvironment(): string | undefined {
	const { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
	return AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === "true" ? undefined : AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || undefined;
}

function assertEndpoint(endpoint: string): void {
	const url = URL.parse(endpoint);
	if (url === null || !["http:", "https:"].includes(url.protocol) || url.username !== "" || url.password !== "") {
		const remedy = "use http://host:port or https://host, without a user";
		throw new SidecarError("USAGE", { value: withoutSecrets(endpoint), reason: "not usable as the store's endpoint", remedy });
	}
}
