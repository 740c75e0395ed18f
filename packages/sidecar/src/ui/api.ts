/**
 * What the page and its server tell each other. Types only: the page is built for a browser, and
 * knows nothing else of this package.
 *
 * Every request is a POST to `/api/NAME` with a JSON body, so that no path of a workspace is in a
 * URL. A path has the byte rule of `path.ts`; JSON keeps its lone surrogates as escapes. A failure
 * is `{code, message, remedy}`.
 */

export interface ApiError {
	readonly code: string;
	readonly message: string;
	readonly remedy: string;
}

export interface About {
	/** The log's location: the store's URL and the namespace below it. */
	readonly logUrl: string;
	readonly namespace: string;
	readonly workspace: string;
	readonly profile: string;
	/** Restoring, applying and dropping are possible. */
	readonly allowsRestore: boolean;
}

/** Every commit of the log as the store lists it, oldest first, by columns. */
export interface Timeline {
	readonly seqs: readonly number[];
	/** When the store received it, ms since the epoch. */
	readonly times: readonly number[];
	readonly bytes: readonly number[];
	/** The store's clock. */
	readonly nowMs: number;
}

export interface CommitsRequest {
	/** The newest commit to describe. */
	readonly from: number;
	readonly limit: number;
}

export interface CommitRow {
	readonly seq: number;
	readonly timeMs?: number;
	readonly bytes?: number;
	readonly id?: string;
	readonly writer?: string;
	readonly kind?: "full" | "delta";
	readonly changed?: number;
	readonly removed?: number;
	/** Which paths, in a few words. */
	readonly summary?: string;
	readonly flags?: readonly ("fence" | "closed" | "recovered" | "alarm")[];
	readonly turn?: "running" | "idle";
	/** It cannot be read: the error's code and message. */
	readonly unreadable?: Pick<ApiError, "code" | "message">;
}

export interface Commits {
	/** Newest first. */
	readonly commits: readonly CommitRow[];
}

/** A moment: a commit's number, or what `--at` accepts. Missing: the newest commit. */
export interface AtRequest {
	readonly at?: number | string | undefined;
}

export interface Moment {
	readonly seq: number;
	readonly timeMs: number;
	/** Entries and bytes of the whole tree. */
	readonly files: number;
	readonly directories: number;
	readonly bytes: number;
}

export interface LevelRequest extends AtRequest {
	/** A directory; "" for the workspace itself. */
	readonly path: string;
	readonly offset: number;
	readonly limit: number;
}

export interface Row {
	readonly name: string;
	readonly type: "file" | "dir" | "link";
	readonly mtimeMs: number;
	/** Octal digits. */
	readonly mode?: string;
	/** Of a file; of all files below a directory. */
	readonly size?: number;
	/** Files and links below a directory. */
	readonly files?: number;
	readonly target?: string;
	/** A place where secrets are expected: its content is shown only if asked for twice. */
	readonly secret?: true;
}

export interface Level {
	readonly seq: number;
	/** Entries of the directory. */
	readonly total: number;
	readonly offset: number;
	/** Directories first, then by the names' bytes. */
	readonly rows: readonly Row[];
}

export interface PathRequest extends AtRequest {
	readonly path: string;
}

export interface ContentRequest extends PathRequest {
	/** The person has agreed to see a secret. */
	readonly confirmed?: boolean;
}

export type Content =
	/** Ask first: nothing of the content is in this answer. */
	| { readonly kind: "secret"; readonly size: number; readonly reasons: readonly SecretReason[] }
	| {
			readonly kind: "text";
			readonly size: number;
			readonly text: string;
			/** Only the beginning was sent. */
			readonly isCut: boolean;
	  }
	| {
			readonly kind: "image";
			readonly size: number;
			readonly mediaType: string;
			readonly base64: string;
	  }
	| { readonly kind: "database"; readonly size: number; readonly tables: readonly TableName[] }
	/** The first bytes. */
	| { readonly kind: "binary"; readonly size: number; readonly base64: string }
	| { readonly kind: "too-large"; readonly size: number; readonly limit: number };

/** `place`: the profile expects secrets there. Otherwise a kind of secret that was found. */
export type SecretReason = string;

export interface TableName {
	readonly name: string;
	readonly rows: number | undefined;
}

export interface TableRequest extends ContentRequest {
	readonly table: string;
	readonly offset: number;
	readonly limit: number;
}

export interface Table {
	readonly columns: readonly string[];
	/** Values as text; null is null; a long value is cut. */
	readonly rows: readonly (readonly (string | null)[])[];
	readonly hasMore: boolean;
}

export interface SearchRequest extends AtRequest {
	/** Part of a path, or a pattern with * and ?. */
	readonly text: string;
}

export interface Found extends Row {
	readonly path: string;
}

/** A file or directory, and its place in each directory above it, from the workspace down. */
export interface EntryAt extends Found {
	readonly trail: readonly number[];
}

/** A line of the answer to `versions`. */
export type Version =
	| {
			readonly kind: "created" | "changed" | "metadata" | "deleted" | "renamed" | "there";
			readonly path: string;
			/** The former path of a renamed file. */
			readonly from?: string | undefined;
			/** The first commit with this state. */
			readonly seq: number;
			readonly timeMs: number;
			readonly writer: string;
			readonly size?: number;
			readonly sizeBefore?: number;
	  }
	| { readonly kind: "missing"; readonly commits: number };

/** A line of the answer to `deleted`. */
export interface Deleted extends Found {
	/** The last commit that has it. */
	readonly seq: number;
	readonly deletedIn: number;
	readonly renamedTo?: string | undefined;
}

export interface SearchResult {
	readonly seq: number;
	readonly found: readonly Found[];
	/** All matches, also those that were not sent. */
	readonly total: number;
}

export interface CompareRequest {
	readonly from: number | string;
	readonly to?: number | string | undefined;
	readonly offset: number;
	readonly limit: number;
}

export interface Difference {
	readonly path: string;
	readonly kind: "added" | "removed" | "changed";
	readonly type: Row["type"];
	readonly aspects?: readonly string[];
	readonly sizeBefore?: number;
	readonly sizeAfter?: number;
	readonly secret?: true;
}

export interface Compared {
	readonly from: number;
	readonly to: number;
	readonly total: number;
	readonly counts: Readonly<Record<Difference["kind"], number>>;
	readonly differences: readonly Difference[];
}

export interface DifferenceRequest {
	readonly from: number | string;
	readonly to: number | string;
	readonly path: string;
	readonly confirmed?: boolean;
}

export type ContentDifference =
	| { readonly kind: "secret"; readonly size: number; readonly reasons: readonly SecretReason[] }
	/** Nothing but a mode or a time, or a directory. */
	| { readonly kind: "none" }
	| { readonly kind: "binary" }
	| { readonly kind: "too-large"; readonly limit: number }
	| {
			readonly kind: "text";
			/** As `diff -u` prints it. */
			readonly unified: string;
			/** Only the beginning was sent; the numbers are those of the whole. */
			readonly isCut: boolean;
			readonly addedLines: number;
			readonly removedLines: number;
	  }
	| {
			readonly kind: "database";
			readonly tables: readonly {
				readonly table: string;
				readonly rowsBefore?: number | undefined;
				readonly rowsAfter?: number | undefined;
			}[];
	  };

export interface QuarantinedFile {
	readonly path: string;
	readonly size: number;
}

export interface QuarantinedRow {
	readonly writer: string;
	readonly isRestore: boolean;
	readonly files: number;
	readonly bytes: number;
	readonly firstMs?: number | undefined;
	readonly lastMs?: number | undefined;
	/** The first ones. */
	readonly entries: readonly QuarantinedFile[];
}

export interface DownloadRequest extends PathRequest {
	readonly confirmed?: boolean;
	/** What to do with the places of a tree where secrets are expected. */
	readonly secrets?: "include" | "leave-out" | undefined;
}

export type Download =
	| { readonly kind: "ticket"; readonly url: string; readonly name: string }
	/** Ask first. */
	| { readonly kind: "secret"; readonly reasons: readonly SecretReason[] }
	/** Of a directory: so many files are in places where secrets are expected. */
	| { readonly kind: "secret-files"; readonly files: number };

/** Live state: what the store lists and what a daemon on this machine reports. */
export interface State {
	readonly newestSeq: number;
	/** The store's clock. */
	readonly nowMs: number;
	readonly daemon?:
		| {
				readonly phase: string;
				readonly pid: number;
				readonly headSeq?: number | undefined;
				readonly waiting?: number | undefined;
				readonly notTaken?:
					| readonly { readonly path: string; readonly reason: string }[]
					| undefined;
				readonly deferredDeletions?: number | undefined;
				readonly superseded?: boolean | undefined;
				readonly lastFlushError?: ApiError | null | undefined;
		  }
		| undefined;
	/** The daemon could not be asked. */
	readonly daemonError?: ApiError | undefined;
}

/** What of this disk is not in the log: reads the whole workspace. */
export interface DiskState {
	readonly isDurable: boolean;
	readonly reasons: readonly string[];
	readonly notDurable: readonly { readonly path: string; readonly reason: string }[];
	readonly notDurableCount: number;
	readonly behind: number;
	readonly deferredDeletions: number;
}

export interface RestoreRequest {
	readonly at: number | string;
	readonly path: string;
	/** Only tell what would be done. */
	readonly dryRun: boolean;
}

export interface Restored {
	readonly changes: readonly {
		readonly path: string;
		/** `time`: only its time changes. */
		readonly kind: "added" | "changed" | "removed" | "time";
		readonly bytes: number;
	}[];
	/** All changes, also those that were not sent. */
	readonly total: number;
	/** Replaced files, which are in the trash now. */
	readonly moved: number;
	/** The commit that holds the change; missing if no daemon made one. */
	readonly committed?: number;
	/** The first paths that the daemon could not commit. */
	readonly notTaken: readonly { readonly path: string; readonly reason: string }[];
	/** All of them. */
	readonly notTakenCount: number;
	/** Deletions that the daemon holds back. */
	readonly deferredDeletions: number;
}

export interface QuarantinedRequest {
	readonly writer: string;
	readonly path: string;
}

/** What `apply` and `drop` did: files, and the newest commit. */
export interface Dealt {
	readonly files: number;
	readonly seq?: number;
}
