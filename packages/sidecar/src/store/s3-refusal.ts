/**
 * Answers that mean a store did not carry out the request and never will: the error code for each,
 * and its remedy. Their codes are those of AWS, MinIO, Ceph, R2 and B2.
 */
import type { S3Failure } from "./s3-failure.ts";

export interface Refusal {
	readonly code: "STORE_REFUSED" | "STORE_FULL";
	/** Undefined: the remedy of the code's own entry. */
	readonly remedy: string | undefined;
}

/**
 * Client errors after which the same request may succeed: the bytes were damaged or late in
 * transit, or too many requests came at once.
 */
const RETRY =
	/^(BadDigest|IncompleteBody|RequestTimeout|RequestTimeTooSkewed|OperationAborted|XAmzContentSHA256Mismatch|XAmzContentChecksumMismatch)|SlowDown|Throttl|TooManyRequests|LimitExceeded|PriorRequestNotComplete/i;

/** Statuses that are certain from any sender: a proxy in front of the store also answers 413. */
const CERTAIN: ReadonlySet<number | undefined> = new Set([
	402, 405, 406, 411, 413, 414, 415, 417, 422, 431, 451, 507,
]);

/** Statuses that are certain if they carry the store's own code. */
const CERTAIN_WITH_CODE: ReadonlySet<number | undefined> = new Set([301, 308, 400, 403]);

const FULL = /QuotaExceeded|StorageFull|StorageLimit|InsufficientStorage|cap_exceeded/i;
const CHECKSUM = /x-amz-(checksum|sdk-checksum|trailer)|content-md5|checksum|-TRAILER/i;
const REGION =
	/^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/;
const SIZE = /^(EntityTooLarge|MaxMessageLengthExceeded|InvalidSize)$/;
const ENCRYPTION = /server-side-encryption|\bSSE\b/i;

/** Undefined if the outcome is uncertain, or a retry may help. Denials are classified elsewhere. */
export function refusalOf(failure: S3Failure): Refusal | undefined {
	const { status, name } = failure;
	if (isPassing(failure)) return undefined;
	const aboutChecksums = isAboutChecksums(failure);
	if (
		!CERTAIN.has(status) &&
		!(CERTAIN_WITH_CODE.has(status) && failure.hasCode) &&
		!(status === 501 && aboutChecksums)
	)
		return undefined;
	if (status === 507 || FULL.test(name)) return { code: "STORE_FULL", remedy: undefined };
	return {
		code: "STORE_REFUSED",
		remedy: aboutChecksums ? checksumRemedy(failure) : remedyOf(failure),
	};
}

/** A client error that may be temporary. */
export function isPassing({ name }: S3Failure): boolean {
	return RETRY.test(name);
}

function isAboutChecksums({ name, message }: S3Failure): boolean {
	return CHECKSUM.test(name) || CHECKSUM.test(message);
}

function checksumRemedy({ message }: S3Failure): string {
	const isMissing = /\b(requires?|required|missing|must)\b/i.test(message);
	return isMissing
		? "the bucket demands a checksum: unset AWS_REQUEST_CHECKSUM_CALCULATION (or set it to when_supported)"
		: "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required, or request_checksum_calculation = when_required in the AWS profile: then no checksum header is sent";
}

function remedyOf({ status, name, message, bucketRegion }: S3Failure): string | undefined {
	if (isAboutKms(name, message)) return KMS_REMEDY;
	if (name === "InvalidObjectState")
		return "the object was moved to an archive: restore it there, and end the bucket's lifecycle rule that archives objects";
	if (REGION.test(name))
		return `set --region to the bucket's region${bucketRegion === undefined ? "" : `, ${bucketRegion}`}`;
	if (status === 413 || SIZE.test(name))
		return "raise the limit for objects or request bodies in the store and in each proxy in front of it: the log's packs have up to 16 MiB";
	if (status === 405)
		return "check --endpoint: it must be the S3 API of the store, not its web console, and must not be read-only";
	if (status === 411)
		return "a proxy in front of the store removes Content-Length: let it pass the header through";
	if (name === "InvalidBucketName")
		return "correct --store; --force-path-style names the bucket in the path";
	if (ENCRYPTION.test(message))
		return "check --sse and --sse-kms-key-id against what the bucket demands and the store can do";
	return undefined;
}

function isAboutKms(name: string, message: string): boolean {
	return /kms/i.test(name) || /\bkms:/.test(message);
}

const KMS_REMEDY =
	"enable the bucket's KMS key, and allow these credentials kms:GenerateDataKey and kms:Decrypt with it; --sse-kms-key-id names another key";

/** Remedy for a denial whose message says more than "denied". */
export function denialRemedy(
	{ name, message }: S3Failure,
	verb: string | undefined,
): string | undefined {
	if (isAboutKms(name, message)) return KMS_REMEDY;
	if (verb !== "PUT" || name !== "AccessDenied") return undefined;
	return "check the credentials and that the policy allows create-only put below the namespace's prefix; a bucket that demands encryption headers needs --sse";
}
