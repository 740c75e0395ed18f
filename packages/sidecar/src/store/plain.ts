/**
 * Objects as other programs lay them down: any key, read beside the log, and written for others to
 * read.
 *
 * A log's own keys are few and safe (`keys.ts`); these are whatever somebody put there. Nothing
 * here judges a key.
 */
import type { Readable } from "node:stream";

export interface PlainObject {
	/**
	 * Below the place's prefix, as it is: it may hold anything, also `..`, `//` or nothing at all
	 * (the prefix itself).
	 */
	readonly key: string;
	readonly sizeBytes: number;
	/** The store's clock, ms since the epoch. */
	readonly lastModifiedMs: number;
	/** Which version of the object was listed; undefined where the store does not say. */
	readonly etag?: string | undefined;
}

export interface PlainRead {
	readonly body: Buffer;
	/** What was stored with the object, keys in lower case. */
	readonly metadata: Readonly<Record<string, string>>;
}

export interface PlainGetOptions {
	/** Default: the whole object. */
	readonly range?: { readonly offset: number; readonly length: number };
	/** As in `GetOptions`. */
	readonly into?: Buffer;
	readonly signal?: AbortSignal;
}

export interface PlainObjects {
	/** For messages; ends in `/`. */
	readonly url: string;

	/**
	 * Everything below the prefix, page by page, to the end.
	 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNREACHABLE
	 */
	list(options?: { readonly signal?: AbortSignal }): AsyncIterable<readonly PlainObject[]>;

	/**
	 * The object that was listed, or a range of it, whole; retried while that is useful.
	 * @throws SidecarError SOURCE_CHANGED where it is gone or another by now; STORE_ACCESS_DENIED,
	 * STORE_BUCKET_MISSING, STORE_UNREACHABLE
	 */
	get(object: PlainObject, options?: PlainGetOptions): Promise<PlainRead>;
}

/** Where plain objects can be written. */
export interface PlainSink {
	/** For messages; ends in `/`. */
	readonly url: string;

	/** As a key of this place: the prefix counts, too. Undefined where it fits, else why not. */
	unfit(key: string): string | undefined;

	/**
	 * Creates or replaces an object. A stream of any size is sent in parts, of which a few are in
	 * memory.
	 * @param sizeBytes of the whole body
	 * @returns undefined, or why this store takes no object under that key: some have rules of their
	 * own
	 * @throws SidecarError STORE_*; the stream's own, where it fails with one
	 */
	put(
		key: string,
		body: Buffer | Readable,
		options: {
			readonly sizeBytes: number;
			readonly metadata: Readonly<Record<string, string>>;
			readonly signal?: AbortSignal;
		},
	): Promise<string | undefined>;

	close(): Promise<void>;
}

/**
 * What lies beside a log: objects, or, in a store that is a directory, files with modes, times and
 * links.
 */
export type PlainPlace =
	| { readonly kind: "objects"; readonly objects: PlainObjects }
	| { readonly kind: "directory"; readonly path: string };
