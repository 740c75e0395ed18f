import type { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import { SidecarError } from "../errors.ts";
import type { PlainSink } from "./plain.ts";
import { connectionSettings, type S3ConnectionOptions, sdkHandler, TIMEOUTS } from "./s3-client.ts";
import { credentialsProvider } from "./s3-credentials.ts";
import { classifyPut, S3Failure, type Wire } from "./s3-failure.ts";
import { denialRemedy, refusalOf } from "./s3-refusal.ts";
import { unusable } from "./s3-wire.ts";

/**
 * Writes plain objects to a bucket, bodies of any size as streams, through lib-storage. Objects
 * larger than a part are uploaded in parts, three at once. Never used for a log, whose objects are
 * create-only, single PUTs.
 *
 * Not guaranteed: that an existing object is kept.
 */

/** S3's minimum: 50 GB in 10,000 parts; larger objects get larger parts. */
const PART_BYTES = 5 * 1024 * 1024;
const MAX_PARTS = 10_000;
const PARTS_AT_ONCE = 3;
/** Sockets: more than the callers have uploads in progress. */
const MAX_SOCKETS = 64;
/** By the SDK: a PUT that replaces may be repeated, unlike one of the log. */
const ATTEMPTS = 4;
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const MAX_KEY_BYTES = 1024;

export interface S3SinkOptions extends S3ConnectionOptions {
	readonly bucket: string;
	/** Ends in `/`. */
	readonly prefix: string;
}

/**
 * Loads lib-storage. Sends nothing. @throws SidecarError USAGE: no region, or an invalid endpoint
 */
export async function openS3Sink(options: S3SinkOptions): Promise<PlainSink> {
	const settings = await connectionSettings(options);
	const handler = sdkHandler(settings, MAX_SOCKETS);
	const { S3Client, Upload } = await import("./s3-upload.ts");
	const provide = credentialsProvider(options.credentials, settings.region, () => handler);
	const client = new S3Client({
		...(settings.endpoint && { endpoint: settings.endpoint }),
		region: settings.region,
		useFipsEndpoint: settings.fips,
		useDualstackEndpoint: settings.dualstack,
		forcePathStyle: settings.pathStyle,
		maxAttempts: ATTEMPTS,
		retryMode: "standard",
		requestChecksumCalculation: settings.requestChecksums,
		responseChecksumValidation: settings.responseChecksums,
		// With custom agents the SDK would send the header, but not wait for the answer to it.
		expectContinueHeader: false,
		credentials: Object.assign(provide, { memoized: true }),
		requestHandler: { ...handler, socketTimeout: TIMEOUTS.bulkIdleMs },
	});
	return new S3Sink(options, client, Upload);
}

class S3Sink implements PlainSink {
	readonly url: string;
	readonly #bucket: string;
	readonly #prefix: string;
	readonly #client: S3Client;
	readonly #encryption: object;
	readonly #Upload: typeof import("@aws-sdk/lib-storage").Upload;

	constructor(
		options: S3SinkOptions,
		client: S3Client,
		Upload: typeof import("@aws-sdk/lib-storage").Upload,
	) {
		const { bucket, prefix, sse, sseKmsKeyId } = options;
		this.#bucket = bucket;
		this.#prefix = prefix;
		this.#encryption = {
			...(sse && { ServerSideEncryption: sse }),
			...(sseKmsKeyId && { SSEKMSKeyId: sseKmsKeyId }),
		};
		this.#client = client;
		this.#Upload = Upload;
		this.url = `s3://${bucket}/${prefix}`;
	}

	unfit(key: string): string | undefined {
		if (!key.isWellFormed()) return "its name is not UTF-8, and a key must be";
		const keyBytes = Buffer.byteLength(this.#prefix + key);
		return keyBytes > MAX_KEY_BYTES
			? `its key would have ${keyBytes} bytes, the limit of S3 is ${MAX_KEY_BYTES}`
			: undefined;
	}

	async put(
		key: string,
		body: Buffer | Readable,
		{
			sizeBytes,
			metadata,
			signal,
		}: {
			sizeBytes: number;
			metadata: Readonly<Record<string, string>>;
			signal?: AbortSignal | undefined;
		},
	): Promise<string | undefined> {
		const abort = new AbortController();
		const onAbort = () => abort.abort(signal?.reason);
		signal?.throwIfAborted();
		signal?.addEventListener("abort", onAbort, { once: true });
		try {
			const upload = new this.#Upload({
				client: this.#client,
				params: {
					Bucket: this.#bucket,
					Key: this.#prefix + key,
					Body: body,
					ContentLength: sizeBytes,
					Metadata: { ...metadata },
					...this.#encryption,
				},
				partSize: Math.max(PART_BYTES, Math.ceil(sizeBytes / (MAX_PARTS - 1))),
				queueSize: PARTS_AT_ONCE,
				abortController: abort,
			});
			const { ETag: etag } = await upload.done();
			if (!etag) throw unusable("a 200 without an ETag, so not from S3");
			return undefined;
		} catch (error) {
			signal?.throwIfAborted();
			if (error instanceof SidecarError) throw error;
			const failure = failureOf(error);
			if (failure.status === 400 && KEY_REFUSED.test(failure.name))
				return `the store refuses its key: ${failure.summary}`;
			throw this.#error(failure, key);
		} finally {
			signal?.removeEventListener("abort", onAbort);
		}
	}

	async close(): Promise<void> {
		this.#client.destroy();
	}

	#error(cause: S3Failure, key: string): SidecarError {
		const verdict = classifyPut(cause);
		if (verdict === "bucket-missing")
			return new SidecarError("STORE_BUCKET_MISSING", {
				value: `s3://${this.#bucket}`,
				reason: cause.summary,
				cause,
			});
		const detail = { value: this.url + key, reason: cause.summary, cause };
		const refusal = verdict === "refused" ? refusalOf(cause) : undefined;
		if (refusal !== undefined)
			return new SidecarError(refusal.code, { ...detail, remedy: refusal.remedy });
		if (verdict !== "denied") return new SidecarError("STORE_UNREACHABLE", detail);
		const remedy =
			denialRemedy(cause, "PUT") ?? "check that the credentials allow s3:PutObject there";
		return new SidecarError("STORE_ACCESS_DENIED", { ...detail, remedy });
	}
}

/** KeyTooLongError of S3, XMinioInvalidObjectName and similar: they concern only this key. */
const KEY_REFUSED = /KeyTooLong|InvalidObjectName/;

/**
 * The part of an SDK's error that may be shown. A stream's own failure has no status, and is passed
 * on unchanged.
 */
function failureOf(error: unknown): S3Failure {
	const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
	const wire: Wire = {
		method: "put",
		sent: 1,
		...(status !== undefined && { status, verb: "PUT" }),
	};
	return new S3Failure(error, wire);
}
