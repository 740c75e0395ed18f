import { resolve } from "node:path";
import { SidecarError } from "../errors.ts";
import { type OpenStoreOptions, parseStoreUrl } from "./open.ts";
import type { PlainPlace, PlainSink } from "./plain.ts";

/** A place outside the log, for imports and exports. */
export type Place =
	| { readonly kind: "directory"; readonly path: string }
	/**
	 * `prefix` is empty or ends in `/`. Unlike a store's it may contain any text: other programs
	 * chose it.
	 */
	| { readonly kind: "s3"; readonly bucket: string; readonly prefix: string };

/**
 * @param text `s3://bucket/prefix/` (the final `/` is optional), `file:///dir`, or a path, which
 * may be relative
 * @throws SidecarError STORE_URL_INVALID
 */
export function parsePlace(text: string): Place {
	if (text === "" || text.includes("\0"))
		throw invalid(text, "a path or s3://bucket/prefix/ is needed");
	if (text.startsWith("file:"))
		return { kind: "directory", path: (parseStoreUrl(text) as { path: string }).path };
	if (!text.startsWith("s3:")) {
		if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
			throw invalid(text, "neither a path nor s3:// nor file://");
		return { kind: "directory", path: resolve(text) };
	}
	const [, bucket = "", path = ""] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(text) ?? [];
	parseStoreUrl(`s3://${bucket}`);
	const prefix = path === "" || path.endsWith("/") ? path : `${path}/`;
	if (prefix.startsWith("/") || prefix.includes("//"))
		throw invalid(text, "its prefix has an empty name");
	if (prefix.split("/").some((name) => name === "." || name === ".."))
		throw invalid(text, 'its prefix holds "." or ".."');
	return { kind: "s3", bucket, prefix };
}

/** The plain objects at a place; close the result. Sends nothing. */
export async function openPlace(
	place: Place,
	options: OpenStoreOptions,
): Promise<{ readonly place: PlainPlace; readonly close: () => Promise<void> }> {
	if (place.kind === "directory") return { place, close: async () => {} };
	const { S3Store } = await import("./s3.ts");
	const store = await S3Store.open({ ...options, bucket: place.bucket });
	return { place: store.plain(place.prefix), close: () => store.close() };
}

/** A place to which objects can be written; loads lib-storage. */
export async function openSink(
	place: Place & { kind: "s3" },
	options: OpenStoreOptions,
): Promise<PlainSink> {
	const { openS3Sink } = await import("./s3-sink.ts");
	return await openS3Sink({ ...options, bucket: place.bucket, prefix: place.prefix });
}

/**
 * Does either a place or the bucket's part with logs (`users/` below the store) contain the other?
 * An export to it would then look like a workspace's plain objects, or hide a log's own.
 * @param storeUrl of the whole store
 */
export function overlapsLogs(place: Place & { kind: "s3" }, storeUrl: string): boolean {
	const [, bucket, prefix = ""] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(storeUrl) ?? [];
	const logs = `${prefix === "" ? "" : `${prefix}/`}users/`;
	return (
		bucket === place.bucket && (logs.startsWith(place.prefix) || place.prefix.startsWith(logs))
	);
}

function invalid(text: string, reason: string): SidecarError {
	return new SidecarError("STORE_URL_INVALID", {
		value: text === "" ? '""' : text,
		reason,
		remedy: "use s3://bucket/prefix/ or the path of a directory",
	});
}
