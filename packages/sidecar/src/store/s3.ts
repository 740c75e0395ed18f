import { AsyncLocalStorage } from "node:async_hooks";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { throwIfAborted } from "./abort.ts";
import { assertKey, assertPrefix, assertRange, isKey } from "./keys.ts";
import type { GetOptions, GetResult, ListOptions, ListPage, ObjectStore, PutOutcome, RequestCounts } from "./port.ts";
import { withoutSecrets } from "./redact.ts";
import { judgePut, judgeRead, lacksCredentials, type PutVerdict, type ReadVerdict, S3Failure, type Wire } from "./s3-failure.ts";
import { observeRequest, observeResponse, parsePage, readBody, unusable } from "./s3-wire.ts";

/**
 * A store in an S3 bucket, or anything that speaks its protocol and honours `If-None-Match: *` on PUT.
 *
 * The SDK signs, sends once and parses; retrying is done here. A PUT is never repeated. A GET is repeated as a whole, its
 * body included, which the SDK's own retries leave out: a body that ends early is the most common failure of a long restore.
 *
 * Not guaranteed: that a store which ignores `If-None-Match` is noticed. `conformance.ts` finds such a store, a PUT cannot.
 */
export interface S3StoreOptions {
	readonly bucket: string;
	/** Where the store begins: `""`, or segments joined by `/` without one at the end. Default `""`. */
	readonly prefix?: string;
	/** Instead of AWS, e.g. `http://127.0.0.1:9000`. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the shared config file. */
	readonly endpoint?: string;
	/** Default: AWS_REGION, AWS_DEFAULT_REGION, the shared config file; behind an `endpoint` at last `us-east-1`, which few of them look at. */
	readonly region?: string;
	/** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: only behind an `endpoint`. */
	readonly forcePathStyle?: boolean;
	/** Default: the SDK's chain for Node (environment, shared files, web identity, container, instance). */
	readonly credentials?: NonNullable<S3ClientConfig["credentials"]>;
	/** For tests; a part left out keeps its default. */
	readonly timeouts?: Partial<Timeouts>;
	/** For tests. Pause before a read's second and third attempt; each is shortened at random to between half and all of it. */
	readonly backoffMs?: readonly number[];
}

/**
 * None of them is a limit on a whole transfer, which may take as long as it moves. What is longer than these is the caller's
 * to end, by a signal.
 */
export interface Timeouts {
	/** 2,000 to connect: survives one lost SYN, which Linux sends again after a second. */
	readonly connectMs: number;
	/** 5,000 without a byte in either direction. */
	readonly idleMs: number;
	/**
	 * 20,000 for a PUT of more than 256 KiB: what the system has taken into its send buffer, up to 4 MiB on Linux, goes out
	 * without a sign to the process, and a link of 0.2 MB/s must not time out on it.
	 */
	readonly bulkIdleMs: number;
}

const TIMEOUTS: Timeouts = { connectMs: 2_000, idleMs: 5_000, bulkIdleMs: 20_000 };
const BULK_BYTES = 256 * 1024;

/** Three attempts with at most 1,250 ms of pauses: a restore waits, but a drain's budget of 8 s still holds. */
const BACKOFF_MS: readonly number[] = [250, 1_000];

/**
 * Requests in flight, and so connections. The rest waits here and not in the agent, where the SDK would count the waiting
 * as connecting and call it a timeout.
 */
const MAX_IN_FLIGHT = 64;

/** The most S3 lists in one page. */
const PAGE_SIZE = 1000;

type Sdk = typeof import("@aws-sdk/client-s3");

interface Connection {
	readonly sdk: Sdk;
	readonly client: S3Client;
	/** Differs from `client` in its timeout; they share credentials and connections. */
	readonly bulkClient: S3Client;
	readonly agents: readonly [HttpAgent, HttpsAgent];
}

export class S3Store implements ObjectStore {
	readonly url: string;
	readonly requests: RequestCounts = { list: 0, get: 0, put: 0 };
	readonly #connection: Connection;
	readonly #bucket: string;
	/** Empty or ending in `/`. */
	readonly #prefix: string;
	readonly #backoffMs: readonly number[];
	readonly #inFlight = new PQueue({ concurrency: MAX_IN_FLIGHT });
	readonly #wires = new AsyncLocalStorage<Wire>();

	/**
	 * Sends nothing. Loads the SDK (about 80 ms and 40 MB), which a store of another kind must not pay for.
	 *
	 * @throws SidecarError USAGE: no region, or an endpoint that is no URL
	 */
	static async open(options: S3StoreOptions): Promise<S3Store> {
		const endpoint = options.endpoint || endpointOfEnvironment();
		if (endpoint !== undefined) assertEndpoint(endpoint);
		const region = options.region || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || (endpoint && "us-east-1");
		const [sdk, { fromNodeProviderChain }] = await Promise.all([import("@aws-sdk/client-s3"), import("@aws-sdk/credential-providers")]);
		const agentOptions = { keepAlive: true, maxSockets: MAX_IN_FLIGHT };
		const agents = [new HttpAgent(agentOptions), new HttpsAgent(agentOptions)] as const;
		const config: S3ClientConfig = {
			...(endpoint && { endpoint }),
			...(region && { region }),
			forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
			maxAttempts: 1,
			retryMode: "standard",
			requestChecksumCalculation: "WHEN_SUPPORTED",
			// Every object of the log is verified by SHA-256 after it was read.
			responseChecksumValidation: "WHEN_REQUIRED",
			// With agents of our own the SDK would send the header, but not wait for the answer to it.
			expectContinueHeader: false,
		};
		const { connectMs: connectionTimeout, idleMs, bulkIdleMs } = { ...TIMEOUTS, ...options.timeouts };
		const handler = { httpAgent: agents[0], httpsAgent: agents[1], connectionTimeout };
		const credentials = options.credentials ?? fromNodeProviderChain();
		const client = new sdk.S3Client({ ...config, credentials, requestHandler: { ...handler, socketTimeout: idleMs } });
		const shared = client.config.credentials;
		const bulkClient = new sdk.S3Client({ ...config, credentials: shared, requestHandler: { ...handler, socketTimeout: bulkIdleMs } });
		await client.config.region().catch((cause: unknown) => {
			client.destroy();
			throw new SidecarError("USAGE", {
				value: `s3://${options.bucket}`,
				reason: "its region is not known",
				remedy: "set AWS_REGION",
				cause,
			});
		});
		return new S3Store(options, { sdk, client, bulkClient, agents });
	}

	private constructor(options: S3StoreOptions, connection: Connection) {
		this.#connection = connection;
		this.#bucket = options.bucket;
		this.#prefix = options.prefix ? `${options.prefix}/` : "";
		this.#backoffMs = options.backoffMs ?? BACKOFF_MS;
		this.url = `s3://${options.bucket}${options.prefix ? `/${options.prefix}` : ""}`;
		for (const client of [connection.client, connection.bulkClient]) this.#observe(client);
	}

	#observe(client: S3Client): void {
		client.middlewareStack.add(
			(next) => async (args) => {
				const wire = this.#wires.getStore();
				if (wire === undefined) return await next(args);
				const result = await next({ ...args, request: observeRequest(wire, args.request) });
				await observeResponse(wire, result.response);
				return result;
			},
			// Next to the wire: before anything of the SDK's touches the response.
			{ step: "deserialize", priority: "low", name: "observeWire" },
		);
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		assertPrefix(prefix);
		let remaining = options.limit ?? Number.POSITIVE_INFINITY;
		let last = options.startAfter === undefined ? "" : this.#prefix + options.startAfter;
		let token: string | undefined;
		while (remaining > 0) {
			const input = {
				Bucket: this.#bucket,
				Prefix: this.#prefix + prefix,
				MaxKeys: Math.min(remaining, PAGE_SIZE),
				...(token !== undefined ? { ContinuationToken: token } : last !== "" && { StartAfter: last }),
			};
			const page = await this.#read("list", input.Prefix, options.signal, async (abortSignal, wire) => {
				const output = await this.#connection.client.send(new this.#connection.sdk.ListObjectsV2Command(input), { abortSignal });
				return { ...parsePage(output, input.Prefix), storeTimeMs: wire.dateMs ?? Date.now() };
			});
			if (page === PAST_THE_END) throw new SidecarError("STORE_UNREACHABLE", { value: this.url, reason: "416 for a LIST" });
			for (const { key } of page.objects) {
				// S3 Express and its like: the newest commit would not be the first.
				if (key <= last) throw new SidecarError("STORE_UNSUPPORTED", { value: this.url, reason: `${key} is listed after ${last}` });
				last = key;
			}
			// Markers of "folders" and other people's files are no objects of the store: what is listed can be read.
			const objects = page.objects.flatMap((object) => {
				const key = object.key.slice(this.#prefix.length);
				return isKey(key) ? [{ ...object, key }] : [];
			});
			yield { objects, storeTimeMs: page.storeTimeMs };
			remaining -= objects.length;
			token = page.next;
			if (token === undefined) return;
		}
	}

	async get(key: string, options: GetOptions = {}): Promise<GetResult> {
		assertKey(key);
		const { range, signal } = options;
		if (range !== undefined) assertRange(range);
		// HTTP has no way to ask for no bytes.
		if (range?.length === 0) return await this.#head(key, signal);
		const input = {
			Bucket: this.#bucket,
			Key: this.#prefix + key,
			...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
		};
		const result = await this.#read("get", input.Key, signal, async (abortSignal) => {
			const output = await this.#connection.client.send(new this.#connection.sdk.GetObjectCommand(input), { abortSignal });
			return await readBody(output, range);
		});
		// A 416 tells the size at best, and never the time.
		return result === PAST_THE_END ? await this.#head(key, signal) : result;
	}

	async putIfAbsent(key: string, body: Buffer, options: { readonly signal?: AbortSignal } = {}): Promise<PutOutcome> {
		assertKey(key);
		const { signal } = options;
		const wire: Wire = { method: "put", sent: 0 };
		const input = { Bucket: this.#bucket, Key: this.#prefix + key, Body: body, IfNoneMatch: "*" };
		try {
			await this.#send(wire, signal, async (abortSignal) => {
				const { sdk, client, bulkClient } = this.#connection;
				const output = await (body.length > BULK_BYTES ? bulkClient : client).send(new sdk.PutObjectCommand(input), { abortSignal });
				if (!output.ETag) throw unusable("a 200 without an ETag, so not from S3");
			});
			return { kind: "created" };
		} catch (error) {
			const failure = new S3Failure(error, wire);
			const verdict = judgePut(failure);
			if (verdict === "exists") return { kind: "exists" };
			if (verdict === "unknown") return { kind: "unknown", cause: signal?.aborted ? signal.reason : failure };
			throw this.#error(verdict, failure, wire, input.Key);
		}
	}

	async close(): Promise<void> {
		for (const client of [this.#connection.client, this.#connection.bulkClient]) client.destroy();
	}

	/** Size and time, without a body. */
	async #head(key: string, signal: AbortSignal | undefined): Promise<GetResult> {
		const input = { Bucket: this.#bucket, Key: this.#prefix + key };
		const result = await this.#read("get", input.Key, signal, async (abortSignal) => {
			const output = await this.#connection.client.send(new this.#connection.sdk.HeadObjectCommand(input), { abortSignal });
			if (output.ContentLength === undefined || output.LastModified === undefined) throw unusable("a HEAD without a size or a time");
			return { body: Buffer.alloc(0), totalBytes: output.ContentLength, lastModifiedMs: output.LastModified.getTime() };
		});
		if (result === PAST_THE_END) throw new SidecarError("STORE_UNREACHABLE", { value: this.url, reason: "416 for a HEAD" });
		return result;
	}

	/** Repeats `attempt` while that may help. */
	async #read<T>(
		method: "list" | "get",
		key: string,
		signal: AbortSignal | undefined,
		attempt: (abortSignal: AbortSignal, wire: Wire) => Promise<T>,
	): Promise<T | typeof PAST_THE_END> {
		for (let attempts = 1; ; attempts++) {
			throwIfAborted(key, signal);
			const wire: Wire = { method, sent: 0 };
			try {
				return await this.#send(wire, signal, attempt);
			} catch (error) {
				throwIfAborted(key, signal);
				const failure = new S3Failure(error, wire);
				const verdict = judgeRead(failure);
				if (verdict === "past-the-end") return PAST_THE_END;
				const pauseMs = this.#backoffMs[attempts - 1];
				if (verdict !== "retry" || pauseMs === undefined) throw this.#error(verdict, failure, wire, key, attempts);
				// A signal that aborts the pause is noticed at the top of the loop.
				await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, signal && { signal }).catch(() => {});
			}
		}
	}

	async #send<T>(wire: Wire, signal: AbortSignal | undefined, attempt: (abortSignal: AbortSignal, wire: Wire) => Promise<T>): Promise<T> {
		// The SDK listens on the signal it is given: each request gets its own, or Node warns of a leak from the 11th on.
		const abortSignal = AbortSignal.any(signal === undefined ? [] : [signal]);
		try {
			return await this.#inFlight.add(() => this.#wires.run(wire, attempt, abortSignal, wire), signal && { signal });
		} catch (error) {
			if (wire.sent > 0 && wire.status === undefined) this.#dropIdleConnections();
			throw error;
		} finally {
			this.requests[wire.method] += wire.sent;
		}
	}

	/**
	 * A connection that broke is seldom the only one: after a virtual machine was frozen all of them are dead, and every try
	 * would take the next dead one from the pool.
	 */
	#dropIdleConnections(): void {
		for (const agent of this.#connection.agents) {
			for (const sockets of Object.values(agent.freeSockets)) {
				for (const socket of [...(sockets ?? [])]) socket.destroy();
			}
		}
	}

	#error(
		verdict: Exclude<PutVerdict | ReadVerdict, "exists" | "unknown" | "past-the-end">,
		cause: S3Failure,
		wire: Wire,
		key: string,
		attempts = 1,
	): SidecarError {
		const object = `s3://${this.#bucket}/${key}`;
		const tries = attempts > 1 ? ` (${attempts} attempts)` : "";
		const reason = `${wire.method} at ${wire.endpoint ?? "no endpoint yet"}: ${cause.summary}${tries}`;
		switch (verdict) {
			case "not-found":
				return new SidecarError("OBJECT_NOT_FOUND", { value: object, cause });
			case "bucket-missing":
				return new SidecarError("STORE_BUCKET_MISSING", { value: `s3://${this.#bucket}`, reason, cause });
			case "unsupported":
				return new SidecarError("STORE_UNSUPPORTED", { value: this.url, reason, cause });
			case "denied":
				if (!lacksCredentials(cause)) return new SidecarError("STORE_ACCESS_DENIED", { value: object, reason, cause });
				return new SidecarError("STORE_ACCESS_DENIED", { value: this.url, reason: cause.summary, remedy: CREDENTIALS_REMEDY, cause });
			case "retry":
			case "unreachable":
				return new SidecarError("STORE_UNREACHABLE", { value: object, reason, cause });
		}
	}
}

const PAST_THE_END = Symbol("the range starts past the end");

const CREDENTIALS_REMEDY =
	"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role provides credentials (container, instance, web identity)";

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
