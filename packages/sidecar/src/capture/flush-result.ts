import type { Deferred } from "./capture.ts";

export interface FlushOptions {
	/** Inspect every path, not only the hinted ones. */
	readonly sweep?: boolean;
	/** Commit even if nothing but directory times changed, and flag the commit `closed`. */
	readonly closed?: boolean;
	/**
	 * Leave larger files for a later flush, and all deletions with them: a renamed file must not be
	 * missing in between. For a drain, which first makes everything small durable.
	 */
	readonly maxFileBytes?: number;
	/** A drain: it confirms no deferred deletion, and omits a due FULL. */
	readonly inHurry?: boolean;
	/**
	 * The caller deleted on purpose, and one commit must contain all of it: no deletion is deferred. For a
	 * rollback.
	 */
	readonly deletionsAreMeant?: boolean;
	/** Commit nothing if something could not be taken or another writer owns the tree. */
	readonly allOrNothing?: boolean;
	/** A path that cannot be taken now, for a reason that a capture does not see. */
	readonly refused?: Deferred | undefined;
	readonly signal?: AbortSignal | undefined;
}

export type FlushResult =
	/** Nothing had changed, so there was no request. */
	| {
			readonly kind: "nothing";
			readonly deferred: readonly Deferred[];
			readonly deferredDeletions: number;
	  }
	| {
			readonly kind: "committed";
			readonly seq: number;
			readonly changed: number;
			readonly removed: number;
			/** Bytes sent: packs and the commit. */
			readonly bytes: number;
			/** True: below `.recovered/`, because another writer owns the tree. */
			readonly quarantined: boolean;
			readonly deferred: readonly Deferred[];
			readonly deferredDeletions: number;
	  }
	/** The store did not say whether it has the commit; the next flush tries the same bytes. */
	| { readonly kind: "unknown"; readonly cause: unknown };
