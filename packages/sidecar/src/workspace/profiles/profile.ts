import type { DatabaseSync } from "node:sqlite";
import type { FileType } from "../stat.ts";

/**
 * What is special about one agent. Everything else in this project treats its workspace as any
 * directory.
 */
export interface Profile {
	readonly name: string;
	/**
	 * Never stored and never watched: what the agent makes again by itself. Asked about the path
	 * itself only: what lies below a volatile directory goes with it (`makeFilter` sees to that).
	 */
	readonly volatile: (path: string, type: FileType) => boolean;
	/**
	 * Holds credentials: restored with no permissions for group and others (files 0600, directories
	 * 0700), whatever was stored.
	 */
	readonly secret: (path: string) => boolean;
	/** Paths whose vanishing is held until a second scan agrees. */
	readonly critical: readonly string[];
	/** Written when all else is in place, in this order: without them the agent refuses to start. */
	readonly restoredLast: readonly string[];
	/**
	 * Removes what must not outlive this machine (leases, locks) from a private COPY of the database
	 * at `path`. Must leave a database that has none of it untouched, byte by byte.
	 */
	readonly cleanSqlite?: (path: string, copy: DatabaseSync) => void;
	/**
	 * Which databases that is for; default: all. A large one that is not is read where it lies, and
	 * needs no copy.
	 */
	readonly isCleaned?: (path: string) => boolean;
}
