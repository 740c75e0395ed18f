import type { DatabaseSync } from "node:sqlite";
import type { FileType } from "../stat.ts";

/** By name: 1-64 characters of `a-z 0-9 -`. A value has at most 4,096 bytes. */
export type Annotations = Readonly<Record<string, string>>;

/**
 * What is specific to one agent. The rest of this project treats its workspace like any directory.
 */
export interface Profile {
	readonly name: string;
	/**
	 * Never stored and never watched: what the agent recreates by itself. Called for the path itself
	 * only: everything below a volatile directory is volatile too (`makeFilter` ensures that).
	 * @returns the pattern that matches, for people; undefined or "" for a path that is stored
	 */
	readonly volatile: (path: string, type: FileType) => string | undefined;
	/** All patterns of `volatile`, in groups with one reason each. For docs/standalone.md. */
	readonly leavesOut?: readonly { readonly reason: string; readonly patterns: readonly string[] }[];
	/**
	 * Holds credentials: restored without permissions for group and others (files 0600, directories
	 * 0700), whatever mode was stored.
	 */
	readonly secret: (path: string) => boolean;
	/** The deletion of these paths is deferred until a second scan confirms it. */
	readonly critical: readonly string[];
	/** Written after everything else, in this order: the agent refuses to start without them. */
	readonly restoredLast: readonly string[];
	/**
	 * Removes what must not outlive this machine (leases, locks) from a private COPY of the database
	 * at `path`. Must leave a database without any of it unchanged, byte for byte.
	 */
	readonly cleanSqlite?: (path: string, copy: DatabaseSync) => void;
	/**
	 * The databases to clean; default: all. A large database that is not cleaned is read in place,
	 * and needs no copy.
	 */
	readonly isCleaned?: (path: string) => boolean;
	/**
	 * What the content of the database at `path` says about the agent, by name, for the commit that
	 * holds it. Reads only.
	 */
	readonly annotateSqlite?: (
		path: string,
		database: DatabaseSync,
		options?: {
			/** Keep parts of what people write. Default true. */
			readonly withTexts?: boolean;
		},
	) => Annotations | undefined;
	/**
	 * The directory of an agent's or a person's own files that contains this path; undefined for the
	 * agent's own state. Not asked for additional roots, which are always their own. Default: the
	 * workspace itself.
	 */
	readonly workplaceOf?: (path: string) => string | undefined;
	/** A running agent refuses to work without it, or in it if it is empty. Default: nothing. */
	readonly isNeeded?: (path: string) => boolean;
}
