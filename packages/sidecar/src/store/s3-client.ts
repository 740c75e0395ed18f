import type { Agent, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { SidecarError } from "../errors.ts";
import {
	credentialsProvider,
	type GivenCredentials,
	type S3Credentials,
} from "./s3-credentials.ts";
import { addressOf, endpointOf, type S3Address } from "./s3-endpoint.ts";
import type { Wire } from "./s3-failure.ts";
import { type S3Settings, s3Settings } from "./s3-settings.ts";
import { encoded, signed } from "./s3-sign.ts";
import { checkedBody, crc32Header, inPieces, refused } from "./s3-wire.ts";

/** How to reach S3: what the AWS SDK would be told, and its defaults to keep. */
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
	readonly credentials?: GivenCredentials | undefined;
	/** For tests; a missing part keeps its default. */
	readonly timeouts?: Partial<Timeouts>;
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

export const TIMEOUTS: Timeouts = { connectMs: 2_000, idleMs: 5_000, bulkIdleMs: 10_000 };
const BULK_BYTES = 256 * 1024;

/** The SDK's own: from this difference on, requests are signed with the server's time. */
const SKEW_MS = 240_000;
const EMPTY = Buffer.alloc(0);

export interface S3Request {
	readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
	readonly bucket: string;
	/** Undefined: of the bucket. */
	readonly key?: string;
	readonly query?: Readonly<Record<string, string | undefined>>;
	/** Names in lower case. */
	readonly headers?: Readonly<Record<string, string | undefined>>;
	readonly body?: Buffer;
	readonly signal?: AbortSignal | undefined;
}

/** Of a request that was carried out: its status is 2xx. */
export interface S3Response {
	readonly headers: IncomingMessage["headers"];
	/** Read it to its end, or destroy it: otherwise it blocks its connection. */
	readonly body: Readable;
}

/**
 * Signs a request, sends it once, and reads the head of its answer. By hand rather than with the
 * SDK, which takes about 80 ms to load and four times the processor time per request (decision 78).
 */
export class S3Client {
	readonly settings: S3Settings & { readonly region: string };
	readonly credentials: () => Promise<S3Credentials>;
	readonly #network: Network;
	readonly #timeouts: Timeouts;
	readonly #encryption: Readonly<Record<string, string>>;
	/** Of the server, from this machine's. */
	#clockOffsetMs = 0;

	/**
	 * Sends nothing.
	 *
	 * @param maxSockets maximum number of the caller's requests in flight; waiting for a socket would
	 * count as connecting
	 * @throws SidecarError USAGE: no region, or an invalid endpoint
	 */
	static async open(options: S3ConnectionOptions, maxSockets: number): Promise<S3Client> {
		const settings = await connectionSettings(options);
		return new S3Client(options, settings, openNetwork(settings, maxSockets));
	}

	private constructor(
		options: S3ConnectionOptions,
		settings: S3Client["settings"],
		network: Network,
	) {
		this.settings = settings;
		this.#network = network;
		this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
		this.#encryption = encryptionHeaders(options);
		this.credentials = credentialsProvider(options.credentials, settings.region, () =>
			sdkHandler(settings),
		);
	}

	/** AWS's for the region, unless another one is set. */
	get endpoint(): string {
		return endpointOf(this.settings);
	}

	/**
	 * @param wire filled with what is observed
	 * @throws Error named after S3's code for an answer other than 2xx; the system's error if there is
	 * none; the provider's if there are no credentials
	 */
	async send(wire: Wire, request: S3Request): Promise<S3Response> {
		const credentials = await this.credentials();
		request.signal?.throwIfAborted();
		const { method, bucket, key, body = EMPTY } = request;
		const address = addressOf(this.settings, bucket);
		const path = `${address.path}/${key === undefined ? "" : key.split("/").map(encoded).join("/")}`;
		const query = queryOf(request.query);
		const sealed = signed(
			{ method, path, query, headers: this.#headers(address, request), body },
			credentials,
			this.settings.region,
			Date.now() + this.#clockOffsetMs,
		);
		// A proxy may rewrite it, so it is not signed.
		const headers = { ...sealed, "user-agent": "openclaw-sidecar" };
		wire.sent++;
		wire.verb = method;
		wire.endpoint = address.origin;
		const target = query === "" ? path : `${path}?${query}`;
		const response = await this.#exchange(address, target, request, headers);
		this.#observe(wire, response);
		const { statusCode = 0 } = response;
		if (statusCode < 200 || statusCode > 299) throw await refused(response);
		return {
			headers: response.headers,
			body:
				method === "GET" && this.settings.responseChecksums === "WHEN_SUPPORTED"
					? checkedBody(response)
					: response,
		};
	}

	/**
	 * Closes idle connections. A broken one is rarely the only one: after a virtual machine was frozen
	 * all of them are dead, and every retry would take the next dead one from the pool.
	 */
	dropIdleSockets(): void {
		for (const sockets of Object.values(this.#network.agent.freeSockets))
			for (const socket of [...(sockets ?? [])]) socket.destroy();
	}

	close(): void {
		this.#network.agent.destroy();
	}

	#headers(address: S3Address, { method, headers, body }: S3Request): Record<string, string> {
		const all: Record<string, string> = { host: new URL(address.origin).host };
		for (const [name, value] of Object.entries(headers ?? {}))
			if (value !== undefined) all[name] = value;
		if (method === "GET" && this.settings.responseChecksums === "WHEN_SUPPORTED")
			all["x-amz-checksum-mode"] = "ENABLED";
		if (body === undefined) return all;
		Object.assign(all, this.#encryption, {
			"content-type": "application/octet-stream",
			"content-length": String(body.length),
		});
		if (this.settings.requestChecksums === "WHEN_SUPPORTED") {
			all["x-amz-sdk-checksum-algorithm"] = "CRC32";
			all["x-amz-checksum-crc32"] = crc32Header(body);
		}
		return all;
	}

	#exchange(
		{ origin }: S3Address,
		path: string,
		{ method, body = EMPTY, signal }: S3Request,
		headers: Readonly<Record<string, string>>,
	): Promise<IncomingMessage> {
		const { connectMs, idleMs, bulkIdleMs } = this.#timeouts;
		const { agent, request } = this.#network;
		return new Promise((resolve, reject) => {
			let received: IncomingMessage | undefined;
			const sent = request(origin, { method, path, headers: { ...headers }, agent });
			// Rejects at once: a request without a socket, as behind a proxy, emits no error.
			const end = (name: string, message: string) => {
				const error = named(name, message);
				reject(error);
				received?.destroy(error);
				sent.destroy(error);
			};
			const onAbort = () => end("AbortError", "Request aborted");
			signal?.addEventListener("abort", onAbort, { once: true });
			let hasConnected = false;
			const isConnected = () => {
				hasConnected = true;
				clearTimeout(connecting);
			};
			// What arrived while this process was busy is read first.
			const connecting = setTimeout(
				() =>
					setImmediate(() => {
						if (!hasConnected) end("TimeoutError", `no connection within ${connectMs} ms`);
					}),
				connectMs,
			);
			sent.once("socket", (socket) => {
				if (socket.connecting) socket.once("connect", isConnected);
				else isConnected();
			});
			const limitMs = body.length > BULK_BYTES ? bulkIdleMs : idleMs;
			sent.setTimeout(limitMs, () => end("TimeoutError", `no byte within ${limitMs} ms`));
			sent.once("close", () => {
				isConnected();
				signal?.removeEventListener("abort", onAbort);
				// After an answer this changes nothing.
				reject(named("ConnectionClosed", "the connection was closed without an answer"));
			});
			sent.once("response", (response) => {
				received = response;
				resolve(response);
			});
			sent.on("error", reject);
			const written = inPieces(body);
			if (written instanceof Readable) written.pipe(sent);
			else sent.end(written);
		});
	}

	/** Records what later layers lose. */
	#observe(wire: Wire, { statusCode, headers }: IncomingMessage): void {
		wire.status = statusCode ?? 0;
		const region = headers["x-amz-bucket-region"];
		if (typeof region === "string") wire.bucketRegion = region;
		const dateMs = Date.parse(headers.date ?? "");
		if (Number.isNaN(dateMs)) return;
		wire.dateMs = dateMs;
		// A cache's answer is older than its clock.
		if (headers.age !== undefined) return;
		const offsetMs = dateMs - Date.now();
		if (Math.abs(offsetMs - this.#clockOffsetMs) >= SKEW_MS) this.#clockOffsetMs = offsetMs;
	}
}

interface Network {
	readonly agent: Agent;
	readonly request: typeof import("node:http").request;
}

/** TLS is loaded only if it is used: it takes longer than the rest of a request. */
function openNetwork(settings: S3Client["settings"], maxSockets: number): Network {
	const isTls = endpointOf(settings).startsWith("https:");
	// An import would look up every export, and one of them loads undici (40 ms).
	const { Agent, request } = process.getBuiltinModule(isTls ? "node:https" : "node:http");
	return { agent: withProxy((options) => new Agent(options), settings, maxSockets), request };
}

/** How the SDK's own requests reach the network: as those of the store do. */
export function sdkHandler(settings: S3Settings, maxSockets = 64) {
	const http = process.getBuiltinModule("node:http");
	const https = process.getBuiltinModule("node:https");
	return {
		httpAgent: withProxy((options) => new http.Agent(options), settings, maxSockets),
		httpsAgent: withProxy((options) => new https.Agent(options), settings, maxSockets),
		connectionTimeout: TIMEOUTS.connectMs,
	};
}

/**
 * Through the proxy of HTTPS_PROXY or HTTP_PROXY, in upper or lower case, unless NO_PROXY lists the
 * host.
 */
function withProxy<T>(
	make: (options: import("node:https").AgentOptions) => T,
	{ secureContext }: S3Settings,
	maxSockets: number,
): T {
	try {
		return make({
			keepAlive: true,
			maxSockets,
			proxyEnv: process.env,
			...(secureContext && { secureContext }),
		});
	} catch (cause) {
		// Its message may contain the proxy's password.
		throw new SidecarError("USAGE", {
			reason: "HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy",
			remedy: "use http://host:port or https://host:port",
			cause: (cause as NodeJS.ErrnoException).code,
		});
	}
}

/** @throws SidecarError USAGE */
export async function connectionSettings(
	options: S3ConnectionOptions,
): Promise<S3Client["settings"]> {
	if (options.sseKmsKeyId !== undefined && options.sse?.startsWith("aws:kms") !== true) {
		const reason = "--sse-kms-key-id needs --sse aws:kms or --sse aws:kms:dsse";
		throw new SidecarError("USAGE", { value: options.sseKmsKeyId, reason });
	}
	const settings = await s3Settings(options);
	const { region } = settings;
	if (region !== undefined && /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/i.test(region))
		return { ...settings, region };
	throw new SidecarError("USAGE", {
		...(region !== undefined && { value: region }),
		reason:
			region === undefined ? "the region of the bucket is not known" : "not the name of a region",
		remedy: "set AWS_REGION",
	});
}

/** The headers of a PUT that request encryption. */
function encryptionHeaders({ sse, sseKmsKeyId }: S3ConnectionOptions): Record<string, string> {
	return {
		...(sse && { "x-amz-server-side-encryption": sse }),
		...(sseKmsKeyId && { "x-amz-server-side-encryption-aws-kms-key-id": sseKmsKeyId }),
	};
}

/** Encoded, in the order of the names, which a signature needs. */
function queryOf(query: S3Request["query"] = {}): string {
	return Object.entries(query)
		.flatMap(([name, value]) => (value === undefined ? [] : [`${encoded(name)}=${encoded(value)}`]))
		.sort()
		.join("&");
}

function named(name: string, message: string): Error {
	const error = new Error(message);
	error.name = name;
	return error;
}
