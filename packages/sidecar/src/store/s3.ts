import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { throwIfAborted } from "./abort.ts";
import { BACKOFF, type Backoff, fewer, MOST_READS, more, pauseMs } from "./backoff.ts";
import { assertKey, assertPrefix, assertRange, isKey } from "./keys.ts";
import type { PlainPlace } from "./plain.ts";
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	PutOutcome,
	RequestCounts,
} from "./port.ts";
import { S3Client, type S3ConnectionOptions, type S3Request } from "./s3-client.ts";
import {
	classifyPut,
	classifyRead,
	isThrottled,
	lacksCredentials,
	type PutVerdict,
	type ReadVerdict,
	S3Failure,
	type Wire,
} from "./s3-failure.ts";
import { type ReadS3, S3PlainObjects } from "./s3-plain.ts";
import { denialRemedy, refusalOf } from "./s3-refusal.ts";
import { aboutObject, readBody, readPage, requireEmpty, unusable } from "./s3-wire.ts";
import type { SweepableStore } from "./sweepable.ts";

/**
 * A store in an S3 bucket, or in any service that speaks its protocol and honours `If-None-Match:
 * *` on PUT.
 *
 * `S3Client` signs and sends once; retries happen here. A PUT is never repeated. A GET is repeated
 * as a whole, including its body: one that ends early is the most common failure of a long restore.
 *
 * Not guaranteed: detecting a store that ignores `If-None-Match`. The conformance suite finds such
 * a store, a PUT cannot.
 */
export interface S3StoreOptions extends S3ConnectionOptions {
	readonly bucket: string;
	/** Where the store begins: `""`, or segments joined by `/` without a final `/`. Default `""`. */
	readonly prefix?: string;
	/** For tests: the pauses after failures of either kind. */
	readonly backoffMs?: readonly number[] | undefined;
	/** For tests: the pauses while the store asks for fewer requests. Default: `backoffMs`. */
	readonly throttledMs?: readonly number[] | undefined;
}

/** Requests in flight; further ones wait here. Far more than a restore on 2 cores keeps busy. */
const MAX_IN_FLIGHT = 64;

/** S3's maximum for one page. */
const PAGE_SIZE = 1000;

/** One request. */
type Attempt<T> = (wire: Wire) => Promise<T>;

export class S3Store implements SweepableStore {
	readonly url: string;
	readonly requests: RequestCounts = { list: 0, get: 0, put: 0 };
	readonly #client: S3Client;
	readonly #bucket: string;
	/** Empty or ending in `/`. */
	readonly #prefix: string;
	readonly #backoff: Backoff;
	readonly #inFlight = new PQueue({ concurrency: MAX_IN_FLIGHT });
	/** Each keeps its place until it is answered, also in its pauses. */
	readonly #reads = new PQueue({ concurrency: MOST_READS });

	/**
	 * Sends nothing.
	 *
	 * @throws SidecarError USAGE: no region, or an invalid endpoint
	 */
	static async open(options: S3StoreOptions): Promise<S3Store> {
		return new S3Store(options, await S3Client.open(options, MAX_IN_FLIGHT));
	}

	private constructor(options: S3StoreOptions, client: S3Client) {
		this.#client = client;
		this.#bucket = options.bucket;
		this.#prefix = options.prefix ? `${options.prefix}/` : "";
		const { backoffMs, throttledMs = backoffMs } = options;
		this.#backoff = {
			fault: backoffMs ?? BACKOFF.fault,
			throttled: throttledMs ?? BACKOFF.throttled,
		};
		this.url = `s3://${options.bucket}${options.prefix ? `/${options.prefix}` : ""}`;
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		assertPrefix(prefix);
		let remaining = options.limit ?? Number.POSITIVE_INFINITY;
		let last = options.startAfter ?? "";
		let token: string | undefined;
		while (remaining > 0) {
			const listed = this.#prefix + prefix;
			// A page that contained only foreign keys is followed by full pages: thousands of foreign
			// keys may come first.
			const isFull = token !== undefined && remaining === options.limit;
			const query = {
				"list-type": "2",
				prefix: listed,
				"max-keys": String(isFull ? PAGE_SIZE : Math.min(remaining, PAGE_SIZE)),
				"continuation-token": token,
				"start-after": token === undefined && last !== "" ? this.#prefix + last : undefined,
			};
			const { signal } = options;
			const page = await this.#repeated("list", listed, signal, async (wire) => {
				const request = { method: "GET", bucket: this.#bucket, query, signal } as const;
				const { objects, next } = await readPage(await this.#client.send(wire, request), listed);
				return { objects, next, storeTimeMs: wire.dateMs ?? Date.now() };
			});
			// Markers of "folders" and foreign files are not objects of the store: everything listed can
			// be read.
			const objects = page.objects
				.map((object) => ({ ...object, key: object.key.slice(this.#prefix.length) }))
				.filter(({ key }) => isKey(key))
				.slice(0, remaining);
			for (const { key } of objects) {
				// S3 Express and similar: the newest commit would not be the first.
				if (key <= last)
					throw new SidecarError("STORE_UNSUPPORTED", {
						value: this.url,
						reason: `${key} is listed after ${last}`,
					});
				last = key;
			}
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
		// HTTP cannot request zero bytes.
		if (range?.length === 0) return await this.#head(key, signal);
		const request = {
			...this.#request("GET", key, signal),
			headers: { range: range && `bytes=${range.offset}-${range.offset + range.length - 1}` },
		};
		const result = await this.#repeated("get", request.key, signal, async (wire) => {
			try {
				return await readBody(await this.#client.send(wire, request), range, options.into);
			} catch (error) {
				if (wire.status === 416 && range !== undefined) return PAST_THE_END;
				throw error;
			}
		});
		if (result !== PAST_THE_END) return result;
		// A 416 reports the size at best, and never the time.
		const head = await this.#head(key, signal);
		if (range !== undefined && range.offset < head.totalBytes) {
			throw new SidecarError("STORE_UNREACHABLE", {
				value: `s3://${this.#bucket}/${request.key}`,
				reason: "416 for bytes that exist",
			});
		}
		return head;
	}

	async putIfAbsent(
		key: string,
		body: Buffer,
		options: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<PutOutcome> {
		assertKey(key);
		const { signal } = options;
		const wire: Wire = { method: "put", sent: 0 };
		const request = {
			...this.#request("PUT", key, signal),
			headers: { "if-none-match": "*" },
			body,
		};
		try {
			const etag = await this.#send(wire, signal, async () => {
				const response = await this.#client.send(wire, request);
				await requireEmpty(response, wire.status ?? 0);
				if (!response.headers.etag) throw unusable("a 200 without an ETag, so not from S3");
				return response.headers.etag;
			});
			return { kind: "created", etag, storeTimeMs: wire.dateMs };
		} catch (error) {
			const failure = new S3Failure(error, wire);
			const verdict = classifyPut(failure);
			if (verdict === "exists") return { kind: "exists" };
			if (verdict === "unknown")
				return { kind: "unknown", cause: signal?.aborted ? signal.reason : failure };
			throw this.#error(verdict, failure, wire, request.key);
		}
	}

	async delete(
		key: string,
		options: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<void> {
		assertKey(key);
		const request = this.#request("DELETE", key, options.signal);
		try {
			await this.#repeated("delete", request.key, options.signal, async (wire) => {
				const { body } = await this.#client.send(wire, request);
				body.resume();
				await finished(body);
			});
		} catch (error) {
			// S3 answers 204 either way; others may report that the object was missing.
			if (!(error instanceof SidecarError && error.code === "OBJECT_NOT_FOUND")) throw error;
		}
	}

	plain(prefix: string): PlainPlace {
		const read: ReadS3 = (...args) => this.#repeated(...args);
		return {
			kind: "objects",
			objects: new S3PlainObjects(this.#client, this.#bucket, this.#prefix + prefix, read),
		};
	}

	reconnect(): void {
		this.#client.dropIdleSockets();
	}

	async close(): Promise<void> {
		this.#client.close();
	}

	/** Size and time, without a body. */
	async #head(key: string, signal: AbortSignal | undefined): Promise<GetResult> {
		const request = this.#request("HEAD", key, signal);
		return await this.#repeated("get", request.key, signal, async (wire) => {
			const { headers, body } = await this.#client.send(wire, request);
			body.resume();
			const { sizeBytes, lastModifiedMs } = aboutObject(headers);
			if (sizeBytes === undefined || lastModifiedMs === undefined)
				throw unusable("a HEAD without a size or a time");
			return { body: Buffer.alloc(0), totalBytes: sizeBytes, lastModifiedMs };
		});
	}

	#request<Method extends S3Request["method"]>(
		method: Method,
		key: string,
		signal: AbortSignal | undefined,
	) {
		return { method, bucket: this.#bucket, key: this.#prefix + key, signal };
	}

	/** Repeats `attempt` while that may help. Must not be nested: the outer one holds the place. */
	async #repeated<T>(
		method: "list" | "get" | "delete",
		key: string,
		signal: AbortSignal | undefined,
		attempt: Attempt<T>,
	): Promise<T> {
		try {
			return await this.#reads.add(() => this.#untilAnswered(method, key, signal, attempt), {
				signal,
			});
		} catch (error) {
			throwIfAborted(key, signal);
			throw error;
		}
	}

	async #untilAnswered<T>(
		method: "list" | "get" | "delete",
		key: string,
		signal: AbortSignal | undefined,
		attempt: Attempt<T>,
	): Promise<T> {
		const failures = { fault: 0, throttled: 0 };
		for (let attempts = 1; ; attempts++) {
			throwIfAborted(key, signal);
			const wire: Wire = { method, sent: 0 };
			try {
				const answer = await this.#send(wire, signal, attempt);
				this.#reads.concurrency = more(this.#reads.concurrency);
				return answer;
			} catch (error) {
				throwIfAborted(key, signal);
				if (error instanceof SidecarError) throw error;
				const failure = new S3Failure(error, wire);
				const verdict = classifyRead(failure);
				const kind = isThrottled(failure) ? "throttled" : "fault";
				if (kind === "throttled") this.#reads.concurrency = fewer(this.#reads.concurrency);
				const pause = pauseMs(this.#backoff[kind], ++failures[kind], Math.random());
				if (verdict !== "retry" || pause === undefined)
					throw this.#error(verdict, failure, wire, key, attempts);
				// An aborted pause is noticed at the top of the loop.
				await sleep(pause, undefined, { signal }).catch(() => {});
			}
		}
	}

	async #send<T>(wire: Wire, signal: AbortSignal | undefined, attempt: Attempt<T>): Promise<T> {
		try {
			return await this.#inFlight.add(() => attempt(wire), { signal });
		} catch (error) {
			if (wire.sent > 0 && wire.status === undefined) this.#client.dropIdleSockets();
			throw error;
		} finally {
			if (wire.method !== "delete") this.requests[wire.method] += wire.sent;
		}
	}

	#error(
		verdict: Exclude<PutVerdict | ReadVerdict, "exists" | "unknown">,
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
				return new SidecarError("STORE_BUCKET_MISSING", {
					value: `s3://${this.#bucket}`,
					reason,
					cause,
				});
			case "unsupported":
				return new SidecarError("STORE_UNSUPPORTED", { value: this.url, reason, cause });
			case "denied":
				if (!lacksCredentials(cause))
					return new SidecarError("STORE_ACCESS_DENIED", {
						value: object,
						reason,
						remedy: denialRemedy(cause, wire.verb),
						cause,
					});
				return new SidecarError("STORE_ACCESS_DENIED", {
					value: this.url,
					reason: cause.summary,
					remedy: CREDENTIALS_REMEDY,
					cause,
				});
			case "refused": {
				const { code = "STORE_REFUSED", remedy } = refusalOf(cause) ?? {};
				return new SidecarError(code, { value: object, reason, remedy, cause });
			}
			case "retry":
			case "unreachable":
				return new SidecarError("STORE_UNREACHABLE", {
					value: object,
					reason,
					remedy: connectionRemedy(cause),
					cause,
				});
		}
	}
}

const PAST_THE_END = Symbol("the range starts past the end");

/** Remedy for a failed connection, if the machine's settings may be the reason. */
function connectionRemedy({ status, code = "" }: S3Failure): string | undefined {
	if (status !== undefined) return undefined;
	if (/CERT|ISSUER|SIGNATURE|ALTNAME/.test(code))
		return "set AWS_CA_BUNDLE (or NODE_EXTRA_CA_CERTS) to the certificate of the authority that the server, or the proxy in front of it, uses";
	const isProxied = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].find(
		(name) => process.env[name],
	);
	if (isProxied === undefined) return undefined;
	return `check the network and --endpoint; ${isProxied} is set, so requests go through that proxy unless NO_PROXY lists the store's host`;
}

const CREDENTIALS_REMEDY =
	"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role provides credentials (container, instance, web identity)";
