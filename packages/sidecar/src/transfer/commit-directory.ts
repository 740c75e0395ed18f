/**
 * Makes a directory the first content of a log: fence, capture, one commit.
 *
 * Guarantees: the log's tree was empty, and one commit makes it the whole directory, or it stays
 * empty. The directory is only read (except for what SQLite creates next to a database that it
 * reads). It can be killed anywhere and run again: before the commit the tree is empty. Does NOT
 * guarantee that every path is in the commit: the filter and SQLite's companions are left out, as
 * in any flush.
 */

import { Flusher } from "../capture/flush.ts";
import { SecretGuard, type SecretPolicy } from "../capture/secret-guard.ts";
import { type Environment, now } from "../commit/environment.ts";
import { LogWriter } from "../commit/log-writer.ts";
import { readLog } from "../commit/read-log.ts";
import { retryUnknown, untilResolved } from "../commit/until-resolved.ts";
import { LocalTree } from "../disk/local-tree.ts";
import { SidecarError } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Filter } from "../workspace/filter.ts";
import type { Profile } from "../workspace/profile.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { identityOf } from "../workspace/stat.ts";

export interface CommitDirectoryOptions {
	readonly store: ObjectStore;
	/** Absolute. */
	readonly directory: string;
	readonly filter: Filter;
	readonly profile: Profile;
	/** Private, outside the directory. Copies of databases are here only while they are read. */
	readonly tempDir: string;
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly environment: Environment;
	readonly logger: Logger;
	/** Default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	readonly signal?: AbortSignal | undefined;
}

const FENCE_TRIES = 10;

/**
 * @returns the head after the commit
 * @throws SidecarError LOG_NOT_EMPTY, SUPERSEDED (another writer took over the log meanwhile),
 * NOT_DURABLE (something could not be read), STORE_*, WORKSPACE_*; nothing of the directory was
 * committed, except for STORE_UNREACHABLE, which leaves that open
 */
export async function commitDirectory(options: CommitDirectoryOptions): Promise<Head> {
	const { store, directory, environment, logger, signal } = options;
	const since = now(environment);
	const { head, storeTimeMs } = await readLog(store, { signal });
	requireEmpty(head, store);
	const writer = new LogWriter(store, environment, head, since, storeTimeMs);
	await takeOver(writer, options);
	const { filter, profile, tempDir, quickHash, onSecret = "warn" } = options;
	const secrets = new SecretGuard({ policy: onSecret, profile, quickHash, logger });
	const context = {
		root: directory,
		filter,
		profile,
		tempDir,
		local: new LocalTree(),
		index: writer.index,
		quickHash,
		logger,
		secrets,
	};
	const flusher = new Flusher({
		store,
		environment,
		writer,
		context,
		root: identityOf(requireDirectory(directory)),
	});
	const flush = () => flusher.flush({ sweep: true, closed: true, allOrNothing: true, signal });
	await retryUnknown(environment, flush, { code: "STORE_UNREACHABLE", signal });
	return writer.head;
}

/**
 * Whether nothing was ever committed, not even an empty workspace, which has its directory in the
 * tree. Fences may exist.
 */
export function isUnused(head: Head): boolean {
	return head.tree.size === 0;
}

function requireEmpty(head: Head, store: ObjectStore): void {
	if (!isUnused(head))
		throw new SidecarError("LOG_NOT_EMPTY", {
			value: store.url,
			reason: `commit ${head.seq} is the newest`,
		});
}

async function takeOver(
	writer: LogWriter,
	{ store, environment, signal }: CommitDirectoryOptions,
): Promise<void> {
	for (let attempt = 0; attempt < FENCE_TRIES; attempt++) {
		const { kind } = await untilResolved(writer, environment, await writer.fence(signal), {
			signal,
		});
		if (kind === "committed") return;
		requireEmpty(writer.head, store);
	}
	throw new SidecarError("STORE_UNREACHABLE", {
		value: store.url,
		reason: `${FENCE_TRIES} fences were lost in a row: other writers keep starting on this namespace`,
	});
}
