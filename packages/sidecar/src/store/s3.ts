import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { throwIfAborted } from "./abort.ts";
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
import {
	BULK_BYTES,
	connectS3,
	dropIdleSockets,
	encryptionInput,
	type S3Connection,
	type S3ConnectionOptions,
} from "./s3-client.ts";
import {
	classifyPut,
	classifyRead,
	lacksCredentials,
	type PutVerdict,
	type ReadVerdict,
	S3Failure,
	type Wire,
} from "./s3-failure.ts";
import { type ReadS3, S3PlainObjects } from "./s3-plain.ts";
import { denialRemedy, refusalOf } from "./s3-refusal.ts";
import { observeRequest, observeResponse, parsePage, readBody, unusable } from "./s3-wire.ts";
import type { SweepableStore } from "./sweepable.ts";

/**
 * A store in an S3 bucket, or in any service that speaks its protocol and honours `If-None-Match:
 * *` on PUT.
 *
 * The SDK signs, sends once and parses; retries happen here. A PUT is never repeated. A GET is
 * repeated as a whole, including its body. The SDK's own retries do not cover the body, and a body
 * that ends early is the most common failure of a long restore.
 *
 * Not guaranteed: detecting a store that ignores `If-None-Match`. The conformance suite finds such
 * a store, a PUT cannot.
 */
export interface S3StoreOptions extends S3ConnectionOptions {
	readonly bucket: string;
	/** Where the store begins: `""`, or segments joined by `/` without a final `/`. Default `""`. */
	readonly prefix?: string;
	/**
	 * For tests. Pause before a read's second and third attempt; each is shortened at random to
	 * between half and all of it.
	 */
	readonly backoffMs?: readonly number[];
}

/**
 * Three attempts with at most 1,250 ms of pauses: a restore waits, but a drain's budget of 8 s
 * still holds.
 */
const BACKOFF_MS: readonly number[] = [250, 1_000];

/** Requests in flight; further ones wait here. Far more than a restore on 2 cores keeps busy. */
const MAX_IN_FLIGHT = 64;

/** S3's maximum for one page. */
const PAGE_SIZE = 1000;

/** One SDK request, ended by `until`. */
type Attempt<T> = (
	wire: Wire,
	until: { readonly abortSignal: AbortSignal } | undefined,
) => Promise<T>;

export class S3Store implements SweepableStore {
	readonly url: string;
	readonly requests: RequestCounts = { list: 0, get: 0, put: 0 };
	readonly #connection: S3Connection;
	readonly #bucket: string;
	/** Empty or ending in `/`. */
	readonly #prefix: string;
	readonly #backoffMs: readonly number[];
	readonly #encryption: ReturnType<typeof encryptionInput>;
	readonly #inFlight = new PQueue({ concurrency: MAX_IN_FLIGHT });
	readonly #wires = new AsyncLocalStorage<Wire>();

	/**
	 * Sends nothing.
	 *
	 * @throws SidecarError USAGE: no region, or an invalid endpoint
	 */
	static async open(options: S3StoreOptions): Promise<S3Store> {
		return new S3Store(options, await connectS3(options, MAX_IN_FLIGHT));
	}

	private constructor(options: S3StoreOptions, connection: S3Connection) {
		this.#connection = connection;
		this.#bucket = options.bucket;
		this.#prefix = options.prefix ? `${options.prefix}/` : "";
		this.#backoffMs = options.backoffMs ?? BACKOFF_MS;
		this.#encryption = encryptionInput(options);
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
			// Next to the wire: before any part of the SDK touches the response.
			{ step: "deserialize", priority: "low", name: "observeWire" },
		);
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		assertPrefix(prefix);
		let remaining = options.limit ?? Number.POSITIVE_INFINITY;
		let last = options.startAfter ?? "";
		let token: string | undefined;
		while (remaining > 0) {
			const input = {
				Bucket: this.#bucket,
				Prefix: this.#prefix + prefix,
				// A page that contained only foreign keys is followed by full pages: thousands of foreign
				// keys may come first.
				MaxKeys:
					token !== undefined && remaining === options.limit
						? PAGE_SIZE
						: Math.min(remaining, PAGE_SIZE),
				...(token !== undefined
					? { ContinuationToken: token }
					: last !== "" && { StartAfter: this.#prefix + last }),
			};
			const page = await this.#repeated(
				"list",
				input.Prefix,
				options.signal,
				async (wire, until) => {
					const output = await this.#connection.client.send(
						new this.#connection.sdk.ListObjectsV2Command(input),
						until,
					);
					return { ...parsePage(output, input.Prefix), storeTimeMs: wire.dateMs ?? Date.now() };
				},
			);
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
		const input = {
			Bucket: this.#bucket,
			Key: this.#prefix + key,
			Range: range && `bytes=${range.offset}-${range.offset + range.length - 1}`,
		};
		const result = await this.#repeated("get", input.Key, signal, async (wire, until) => {
			const { client, sdk } = this.#connection;
			try {
				return await readBody(
					await client.send(new sdk.GetObjectCommand(input), until),
					range,
					options.into,
				);
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
				value: `s3://${this.#bucket}/${input.Key}`,
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
		let etag = "";
		const input = {
			Bucket: this.#bucket,
			Key: this.#prefix + key,
			Body: body,
			IfNoneMatch: "*",
			...this.#encryption,
		};
		try {
			await this.#send(wire, signal, async (_, until) => {
				const { sdk, client, bulkClient } = this.#connection;
				const output = await (body.length > BULK_BYTES ? bulkClient : client).send(
					new sdk.PutObjectCommand(input),
					until,
				);
				if (!output.ETag) throw unusable("a 200 without an ETag, so not from S3");
				etag = output.ETag;
			});
			return { kind: "created", etag, storeTimeMs: wire.dateMs };
		} catch (error) {
			const failure = new S3Failure(error, wire);
			const verdict = classifyPut(failure);
			if (verdict === "exists") return { kind: "exists" };
			if (verdict === "unknown")
				return { kind: "unknown", cause: signal?.aborted ? signal.reason : failure };
			throw this.#error(verdict, failure, wire, input.Key);
		}
	}

	async delete(
		key: string,
		options: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<void> {
		assertKey(key);
		const input = { Bucket: this.#bucket, Key: this.#prefix + key };
		try {
			await this.#repeated("delete", input.Key, options.signal, async (_, until) => {
				await this.#connection.client.send(
					new this.#connection.sdk.DeleteObjectCommand(input),
					until,
				);
			});
		} catch (error) {
			// S3 answers 204 either way; others may report that the object was missing.
			if (!(error instanceof SidecarError && error.code === "OBJECT_NOT_FOUND")) throw error;
		}
	}

	plain(prefix: string): PlainPlace {
		const read: ReadS3 = (method, key, signal, attempt) =>
			this.#repeated(method, key, signal, (wire, until) => attempt(wire, until ?? {}));
		return {
			kind: "objects",
			objects: new S3PlainObjects(this.#connection, this.#bucket, this.#prefix + prefix, read),
		};
	}

	reconnect(): void {
		dropIdleSockets(this.#connection);
	}

	async close(): Promise<void> {
		for (const client of [this.#connection.client, this.#connection.bulkClient]) client.destroy();
	}

	/** Size and time, without a body. */
	async #head(key: string, signal: AbortSignal | undefined): Promise<GetResult> {
		const input = { Bucket: this.#bucket, Key: this.#prefix + key };
		return await this.#repeated("get", input.Key, signal, async (_, until) => {
			const output = await this.#connection.client.send(
				new this.#connection.sdk.HeadObjectCommand(input),
				until,
			);
			if (output.ContentLength === undefined || output.LastModified === undefined)
				throw unusable("a HEAD without a size or a time");
			return {
				body: Buffer.alloc(0),
				totalBytes: output.ContentLength,
				lastModifiedMs: output.LastModified.getTime(),
			};
		});
	}

	/** Repeats `attempt` while that may help. */
	async #repeated<T>(
		method: "list" | "get" | "delete",
		key: string,
		signal: AbortSignal | undefined,
		attempt: Attempt<T>,
	): Promise<T> {
		for (let attempts = 1; ; attempts++) {
			throwIfAborted(key, signal);
			const wire: Wire = { method, sent: 0 };
			try {
				return await this.#send(wire, signal, attempt);
			} catch (error) {
				throwIfAborted(key, signal);
				if (error instanceof SidecarError) throw error;
				const failure = new S3Failure(error, wire);
				const verdict = classifyRead(failure);
				const pauseMs = this.#backoffMs[attempts - 1];
				if (verdict !== "retry" || pauseMs === undefined)
					throw this.#error(verdict, failure, wire, key, attempts);
				// An aborted pause is noticed at the top of the loop.
				await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
			}
		}
	}

	async #send<T>(wire: Wire, signal: AbortSignal | undefined, attempt: Attempt<T>): Promise<T> {
		try {
			return await this.#inFlight.add(
				() => this.#wires.run(wire, attempt, wire, signal && { abortSignal: signal }),
				{ signal },
			);
		} catch (error) {
			if (wire.sent > 0 && wire.status === undefined) dropIdleSockets(this.#connection);
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
