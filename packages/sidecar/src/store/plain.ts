/**
 * Objects in other programs' layout: any key, read next to the log, and written for others to read.
 *
 * A log's own keys are few and safe (`keys.ts`); these may be anything. Nothing here validates a
 * key.
 */
import type { Readable } from "node:stream";

export interface PlainObject {
	/**
	 * Relative to the place's prefix, unchanged: it may contain anything, also `..`, `//` or nothing
	 * at all (the prefix itself).
	 */
	readonly key: string;
	readonly sizeBytes: number;
	/** The store's clock, ms since the epoch. */
	readonly lastModifiedMs: number;
	/** Version of the listed object; undefined if the store does not report one. */
	readonly etag?: string | undefined;
}

export interface PlainRead {
	readonly body: Buffer;
	/** Metadata of the object, with keys in lower case. */
	readonly metadata: Readonly<Record<string, string>>;
}

export interface PlainGetOptions {
	/** Default: the whole object. */
	readonly range?: { readonly offset: number; readonly length: number } | undefined;
	/** Like in `GetOptions`. */
	readonly into?: Buffer | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface PlainObjects {
	/** For messages; ends in `/`. */
	readonly url: string;

	/**
	 * Everything below the prefix, page by page, to the end.
	 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNREACHABLE
	 */
	list(options?: {
		readonly signal?: AbortSignal | undefined;
	}): AsyncIterable<readonly PlainObject[]>;

	/**
	 * The listed object, complete, or a range of it; retried while that is useful.
	 * @throws SidecarError SOURCE_CHANGED if it was removed or replaced meanwhile;
	 * STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNREACHABLE
	 */
	get(object: PlainObject, options?: PlainGetOptions): Promise<PlainRead>;
}

/** A place to which plain objects can be written. */
export interface PlainSink {
	/** For messages; ends in `/`. */
	readonly url: string;

	/**
	 * Checks a key of this place, including the prefix. Undefined if it fits, otherwise the reason.
	 */
	unfit(key: string): string | undefined;

	/**
	 * Creates or replaces an object. A stream of any size is sent in parts, of which a few are in
	 * memory.
	 * @param sizeBytes of the whole body
	 * @returns undefined, or the reason why this store accepts no object under that key: some stores
	 * have their own rules
	 * @throws SidecarError STORE_*; the stream's own error if it fails
	 */
	put(
		key: string,
		body: Buffer | Readable,
		options: {
			readonly sizeBytes: number;
			readonly metadata: Readonly<Record<string, string>>;
			readonly signal?: AbortSignal | undefined;
		},
	): Promise<string | undefined>;

	close(): Promise<void>;
}

/**
 * The content next to a log: objects, or, in a store that is a directory, files with modes, times
 * and links.
 */
export type PlainPlace =
	| { readonly kind: "objects"; readonly objects: PlainObjects }
	| { readonly kind: "directory"; readonly path: string };
