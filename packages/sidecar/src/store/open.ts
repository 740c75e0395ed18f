import { fileURLToPath } from "node:url";
import { SidecarError } from "../errors.ts";
import { DirectoryStore } from "./directory.ts";
import { isKey } from "./keys.ts";
import { withoutSecrets } from "./redact.ts";
import type { S3ConnectionOptions } from "./s3-client.ts";
import type { SweepableStore } from "./sweepable.ts";

/** Settings that the URL does not contain. All of them concern `s3://` only. */
export type OpenStoreOptions = Pick<
	S3ConnectionOptions,
	"endpoint" | "region" | "forcePathStyle" | "sse" | "sseKmsKeyId" | "credentials"
>;

/** Preloads what opening the store needs. @throws as `parseStoreUrl` */
export async function loadStore(url: string): Promise<void> {
	if (parseStoreUrl(url).kind === "s3")
		await Promise.all([import("./s3.ts"), import("./aws-credentials.ts")]);
}

export type StoreLocation =
	| { readonly kind: "directory"; readonly path: string }
	| { readonly kind: "s3"; readonly bucket: string; readonly prefix: string };

/**
 * Opens the store at `file:///absolute/dir` or `s3://bucket[/prefix]`. Does not read, write or send
 * anything yet.
 *
 * @throws SidecarError STORE_URL_INVALID, STORE_UNSUPPORTED (S3 Express), USAGE (no region, or a
 * bad endpoint)
 */
export async function openStore(
	url: string,
	options: OpenStoreOptions = {},
): Promise<SweepableStore> {
	const location = parseStoreUrl(url);
	if (location.kind === "directory") return new DirectoryStore(location.path);
	const { S3Store } = await import("./s3.ts");
	return await S3Store.open({ ...options, bucket: location.bucket, prefix: location.prefix });
}

/** @throws SidecarError STORE_URL_INVALID, STORE_UNSUPPORTED */
export function parseStoreUrl(url: string): StoreLocation {
	if (url.startsWith("file:")) return parseFileUrl(url);
	if (url.startsWith("s3:")) return parseS3Url(url);
	throw invalid(
		url,
		url.startsWith("/") ? `did you mean file://${url}?` : "neither file:// nor s3://",
	);
}

function parseFileUrl(url: string): StoreLocation {
	const parsed = URL.parse(url);
	if (parsed === null) throw invalid(url, "not a URL");
	if (!url.startsWith("file:///"))
		throw invalid(url, "the path must be absolute: file:// and then a slash");
	if (/[?#]/.test(url)) throw invalid(url, "write ? as %3F and # as %23");
	let path: string;
	try {
		path = fileURLToPath(parsed);
	} catch (cause) {
		throw invalid(url, "its path cannot be decoded", cause);
	}
	if (path.includes("\0")) throw invalid(url, "a path cannot contain a NUL");
	path = path.replace(/\/+$/, "");
	if (path === "") throw invalid(url, "the root directory cannot be a store");
	return { kind: "directory", path };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

function parseS3Url(url: string): StoreLocation {
	const match = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(url);
	if (match === null) throw invalid(url, "a bucket's name must follow s3://");
	const [, bucket = "", path = ""] = match;
	if (!BUCKET.test(bucket)) throw invalid(url, "not a bucket's name: 3-63 of a-z 0-9 . -");
	if (bucket.endsWith("--x-s3")) {
		throw new SidecarError("STORE_UNSUPPORTED", {
			value: url,
			reason: "S3 Express does not list in order",
			remedy: "use a general purpose bucket",
		});
	}
	const prefix = path.endsWith("/") ? path.slice(0, -1) : path;
	if (prefix !== "" && !isKey(prefix))
		throw invalid(url, "a prefix is segments of A-Z a-z 0-9 . _ = @ + - joined by /");
	return { kind: "s3", bucket, prefix };
}

function invalid(url: string, reason: string, cause?: unknown): SidecarError {
	return new SidecarError("STORE_URL_INVALID", { value: withoutSecrets(url), reason, cause });
}
