/**
 * The ObjectStore port: the five operations that the log needs from a store, and their outcomes.
 *
 * Guarantees every implementation gives (checked by `packages/testkit/store/conformance.ts`):
 * - `putIfAbsent` creates the object whole or not at all, and never replaces one.
 * - An object is listed and readable as soon as `putIfAbsent` returned `created`.
 * - `list` is in ascending order of the keys' bytes.
 * Not guaranteed: that an `unknown` PUT is absent; it may land later.
 */
import type { PlainPlace } from "./plain.ts";

export interface ObjectInfo {
	readonly key: string;
	readonly sizeBytes: number;
	/** The store's clock, ms since the epoch. */
	readonly lastModifiedMs: number;
	/**
	 * The ETag that the PUT returned, unless the object was replaced since; undefined if the store
	 * has none.
	 */
	readonly etag?: string | undefined;
}

export interface ListPage {
	readonly objects: readonly ObjectInfo[];
	/** The store's clock when it answered, ms since the epoch. */
	readonly storeTimeMs: number;
}

export interface ListOptions {
	/** Only keys strictly after this one. */
	readonly startAfter?: string | undefined;
	/** At most this many objects in all; default: all, in pages of up to 1,000. */
	readonly limit?: number | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface GetOptions {
	/**
	 * Bytes `offset .. offset + length - 1`. A range that reaches past the end gives the existing
	 * bytes; one that starts past it gives none.
	 */
	readonly range?: { readonly offset: number; readonly length: number } | undefined;
	/**
	 * Buffer for the bytes if they fit; `body` is then a view of it. Gigabytes that pass through
	 * fresh buffers leave 64 MB and more of dead buffers before the collector runs.
	 */
	readonly into?: Buffer | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface GetResult {
	readonly body: Buffer;
	/** Size of the whole object, whatever the range. */
	readonly totalBytes: number;
	readonly lastModifiedMs: number;
}

/**
 * `created`: the object exists and is ours. `exists`: refused, an object existed already (perhaps
 * ours, from an earlier try). `unknown`: the store may or may not have it, now or later (409,
 * timeout, 5xx, reset).
 */
export type PutOutcome =
	/**
	 * `storeTimeMs`: the store's clock when it answered, ms since the epoch, if it is another
	 * machine's.
	 */
	| {
			readonly kind: "created";
			readonly storeTimeMs?: number | undefined;
			readonly etag?: string | undefined;
	  }
	| { readonly kind: "exists" }
	| { readonly kind: "unknown"; readonly cause: unknown };

export interface ObjectStore {
	/** For messages: scheme, bucket and prefix, never a credential. */
	readonly url: string;

	/**
	 * Pages of the objects below `prefix`. A missing prefix is an empty listing.
	 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_REFUSED,
	 * STORE_UNREACHABLE
	 */
	list(prefix: string, options?: ListOptions): AsyncIterable<ListPage>;

	/**
	 * One object or a range of it, retried by the implementation while that is useful.
	 * @throws SidecarError OBJECT_NOT_FOUND, STORE_ACCESS_DENIED, STORE_BUCKET_MISSING,
	 * STORE_REFUSED, STORE_UNREACHABLE
	 */
	get(key: string, options?: GetOptions): Promise<GetResult>;

	/**
	 * ONE create-only PUT, never retried here: the commit protocol decides what an `unknown` means.
	 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNSUPPORTED,
	 * STORE_REFUSED, STORE_FULL, NOT_DURABLE (no space): the object was NOT created
	 */
	putIfAbsent(
		key: string,
		body: Buffer,
		options?: { readonly signal?: AbortSignal | undefined },
	): Promise<PutOutcome>;

	/**
	 * The other content below `prefix` (empty, or ending in `/`): objects that are not part of a log.
	 * Sends nothing. A store without such content omits this method.
	 */
	plain?(prefix: string): PlainPlace | undefined;

	/**
	 * Drops idle connections: after a machine was frozen they are dead, and each would cost a
	 * timeout.
	 */
	reconnect?(): void;

	/** Requests sent so far, for budgets and metrics. */
	readonly requests: RequestCounts;

	close(): Promise<void>;
}

export interface RequestCounts {
	list: number;
	get: number;
	put: number;
}
