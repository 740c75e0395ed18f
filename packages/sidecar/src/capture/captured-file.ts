import type { LocalEntry } from "../disk/local-tree.ts";
import type { Path } from "../log/types.ts";

/**
 * `same`: nothing but the stat moved. `deferred`: it never stood still or cannot be read; it stays
 * dirty.
 */
export type CapturedFile =
	| {
			readonly kind: "taken";
			readonly local: LocalEntry;
			readonly note?: string;
			readonly raw?: RawFiles;
	  }
	| { readonly kind: "same"; readonly local: LocalEntry }
	| { readonly kind: "gone" }
	/** It holds a secret and is not stored: what the log has of it stays as it is. */
	| { readonly kind: "excluded" }
	| { readonly kind: "deferred"; readonly reason: string; readonly raw?: RawFiles };

/**
 * Bytes that are no consistent copy of a database, by path: the database itself, its write-ahead
 * log, its journal.
 */
export type RawFiles = ReadonlyMap<Path, LocalEntry>;
