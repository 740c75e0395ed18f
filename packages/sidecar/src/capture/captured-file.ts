import type { LocalEntry } from "../disk/local-tree.ts";
import type { Path } from "../log/types.ts";

/**
 * `same`: only the stat changed. `deferred`: it never became stable or cannot be read; it stays
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
	/** It holds a secret and is not stored: its entry in the log stays unchanged. */
	| { readonly kind: "excluded" }
	| { readonly kind: "deferred"; readonly reason: string; readonly raw?: RawFiles };

/**
 * Bytes that are not a consistent copy of a database, by path: the database itself, its write-ahead
 * log, its journal.
 */
export type RawFiles = ReadonlyMap<Path, LocalEntry>;
