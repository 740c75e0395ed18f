import { printable } from "../errors.ts";
import { isPassing, refusalOf } from "./s3-refusal.ts";

/**
 * Classifies a failed S3 request. The SDK's own errors never leave the room: they carry the parsed
 * error document, which for a rejected signature contains the access key id, the session token and
 * the signed headers.
 */

/** The SDK's text for an answer without an error document. */
export const NO_MESSAGE = "UnknownError";

/** What was observed of one request on the wire, independent of the SDK's interpretation. */
export interface Wire {
	readonly method: "list" | "get" | "put" | "delete";
	/**
	 * Number of HTTP requests sent. 0: nothing left this machine, e.g. because no credentials were
	 * found.
	 */
	sent: number;
	/** The HTTP method. */
	verb?: string;
	/** The destination, e.g. `https://bucket.s3.eu-west-1.amazonaws.com`. */
	endpoint?: string;
	/** As the server sent it. */
	status?: number;
	/** The response's `Date`, ms since the epoch. */
	dateMs?: number;
	/** The bucket's actual region, if the server reports it. */
	bucketRegion?: string;
}

/**
 * The part of a failure that is safe to show, also on a terminal. Callers see it as the `cause`.
 */
export class S3Failure extends Error {
	/** HTTP status, if there was a response. */
	readonly status: number | undefined;
	/** The system's error code, if the connection failed. */
	readonly code: string | undefined;
	readonly requestId: string | undefined;
	/** The HTTP method, if a request was sent at all. */
	readonly verb: string | undefined;
	readonly bucketRegion: string | undefined;
	/** The server's clock, ms since the epoch. */
	readonly dateMs: number | undefined;

	constructor(error: unknown, wire: Wire) {
		const shown = error instanceof Error ? error : new Error(String(error));
		super(printable(withoutKeyIds(shown.message)));
		this.name = printable(shown.name);
		this.status = wire.status;
		this.code = text(property(shown, "code"));
		this.requestId = text(
			property(shown, "requestId") ?? property(property(shown, "$metadata"), "requestId"),
		);
		this.verb = wire.verb;
		this.bucketRegion = wire.bucketRegion;
		this.dateMs = wire.dateMs;
	}

	/** The answer has an S3 error code, so it comes from the store and not from a proxy. */
	get hasCode(): boolean {
		return (
			this.status !== undefined && this.message !== NO_MESSAGE && /^[A-Z][\w.]{2,}$/.test(this.name)
		);
	}

	/**
	 * One clause: `ECONNREFUSED`, `503 SlowDown: Please reduce your request rate.`, `TimeoutError:
	 * …`.
	 */
	get summary(): string {
		// Codes of Node itself say little; those of proxies and certificates come with a description.
		if (this.status === undefined && this.code !== undefined)
			return /^E[A-Z]+$/.test(this.code) ? this.code : `${this.code}: ${this.message}`;
		if (this.status === undefined || this.status < 300) return `${this.name}: ${this.message}`;
		if (this.message === NO_MESSAGE) return `${this.status}`;
		const where = this.#isWrongRegion()
			? `; the bucket is in ${printable(this.bucketRegion ?? "another region")}`
			: "";
		return `${this.status} ${this.name}: ${this.message}${where}`;
	}

	#isWrongRegion(): boolean {
		return this.status === 301 || this.name === "AuthorizationHeaderMalformed";
	}
}

/**
 * `Access key id ASIA…` appears in some messages. The id alone grants nothing, but no part of a
 * credential belongs in a log.
 */
function withoutKeyIds(message: string): string {
	return message.replace(/\bA[A-Z]IA[A-Z0-9]{12,}\b/g, "[access key id]");
}

function property(value: unknown, name: string): unknown {
	return typeof value === "object" && value !== null
		? (value as Record<string, unknown>)[name]
		: undefined;
}

function text(value: unknown): string | undefined {
	return typeof value === "string" ? value : undefined;
}

/**
 * Error codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html about the
 * caller's identity; some of them come with a 400.
 */
const DENIED_NAMES: ReadonlySet<string> = new Set([
	"AccessDenied",
	"AccountProblem",
	"AllAccessDisabled",
	"ExpiredToken",
	"ExpiredTokenException",
	"InvalidAccessKeyId",
	"InvalidIdentityToken",
	"InvalidToken",
	"NotSignedUp",
	"SignatureDoesNotMatch",
	"TokenRefreshRequired",
	"UnrecognizedClientException",
]);

/** No credentials, or unusable ones: CredentialsProviderError, TokenProviderError and similar. */
export function lacksCredentials(failure: S3Failure): boolean {
	return failure.verb === undefined && failure.name.endsWith("ProviderError");
}

/** Some 403 answers are not about permissions. */
const NOT_DENIED = /^(InvalidObjectState|InvalidBucketState)$|QuotaExceeded|cap_exceeded|^KMS\./i;

function isDenied(failure: S3Failure): boolean {
	if (lacksCredentials(failure)) return true;
	if (failure.status === 401 || (failure.status === 400 && DENIED_NAMES.has(failure.name)))
		return true;
	return failure.status === 403 && !NOT_DENIED.test(failure.name) && !isPassing(failure);
}

/**
 * A 403, but not a denial: the client takes the correct time from this very answer and signs the next
 * request with it. Clocks jump when a frozen virtual machine wakes.
 */
function isClockWrong(failure: S3Failure): boolean {
	return failure.name === "RequestTimeTooSkewed";
}

/** The store answers, but gets too many requests: S3 until it has split a prefix, KMS, a gateway. */
export function isThrottled({ status, name }: S3Failure): boolean {
	return status === 429 || /SlowDown|Throttl|TooManyRequests|RequestLimitExceeded/i.test(name);
}

/** The remedy if the store repeatedly gave an answer that is retried. */
export function undecidedRemedy(failure: S3Failure): string | undefined {
	return isClockWrong(failure)
		? "correct this machine's clock, or the store's; the workspace is untouched, so run again"
		: undefined;
}

/** The verdict on a PUT. `unknown` unless the answer is certain. */
export type PutVerdict =
	| "exists"
	| "denied"
	| "bucket-missing"
	| "unsupported"
	| "refused"
	| "unknown";

export function classifyPut(failure: S3Failure): PutVerdict {
	if (failure.status === 412) return "exists";
	if (isClockWrong(failure)) return "unknown";
	if (isDenied(failure)) return "denied";
	if (failure.status === 404 && failure.name === "NoSuchBucket") return "bucket-missing";
	if (failure.status === 400 && /if-none-match|conditional/i.test(failure.message))
		return "unsupported";
	if (refusalOf(failure) !== undefined) return "refused";
	return failure.status === 501 ? "unsupported" : "unknown";
}

/** The verdict on a GET, a LIST or a DELETE, which may all be repeated. */
export type ReadVerdict =
	| "not-found"
	| "denied"
	| "bucket-missing"
	| "unsupported"
	| "refused"
	| "retry"
	| "unreachable";

export function classifyRead(failure: S3Failure): ReadVerdict {
	if (isClockWrong(failure)) return "retry";
	if (isDenied(failure)) return "denied";
	if (refusalOf(failure) !== undefined) return "refused";
	switch (failure.status) {
		case 404:
			if (failure.name === "NoSuchBucket") return "bucket-missing";
			// Without an error document any server may have sent it. Only for a HEAD does S3 itself send
			// no more.
			return failure.name === "NoSuchKey" || failure.verb === "HEAD" ? "not-found" : "unreachable";
		case 408:
		case 429:
			return "retry";
		case 501:
			return "unsupported";
		default:
			// No status: the connection failed. Below 300: the answer could not be used. Other 3xx and
			// 4xx answers are final.
			if (failure.status === undefined || failure.status < 300 || failure.status >= 500)
				return "retry";
			return isPassing(failure) ? "retry" : "unreachable";
	}
}
