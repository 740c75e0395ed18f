/**
 * Removes garbage in slots newer than the newest good commit, where it keeps everyone from reading
 * the log. Stolen credentials can write such garbage. Keys below `log/` that are not a commit's
 * block nothing (`newestSeq`), and may be somebody's files.
 *
 * Guarantees: nothing is removed that any reader could restore, whatever the caller requests. Every
 * removed byte is first written to a local directory and synced. Does NOT bring back what a writer
 * could not commit meanwhile: its next flush does.
 */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { listObjects } from "../commit/list-objects.ts";
import { SidecarError } from "../errors.ts";
import { readChain } from "../history/reachable.ts";
import { LOG_PREFIX, logKey, seqOfKey } from "../log/keys.ts";
import type { ObjectStore } from "../store/port.ts";
import type { SweepableStore } from "../store/sweepable.ts";
import type { Logger } from "../telemetry/types.ts";
import { makeDirectories } from "../workspace/make-directories.ts";

export interface RepairOptions {
	/** The newest commit that must stay. */
	readonly after: number;
	/**
	 * The directory for copies of what is removed. Absolute; it need not exist. Undefined: only
	 * report, remove nothing.
	 */
	readonly copyTo?: string | undefined;
	readonly logger: Logger;
	readonly signal?: AbortSignal | undefined;
}

export interface Removal {
	readonly key: string;
	readonly seq: number;
	readonly bytes: number;
	/** When the store received it, by its clock, ms since the epoch. */
	readonly timeMs: number;
	/** Why it is unreadable. */
	readonly error: SidecarError;
	/** The location of its copy; undefined if nothing was removed. */
	readonly copy: string | undefined;
}

/** The piece size for reading and writing copies. */
const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * @returns the obstructing objects, newest first; removed if `copyTo` was given
 * @throws SidecarError COMMIT_NOT_FOUND if `after` is not in the log, its own error if it is
 * unreadable, USAGE if a later commit is readable, FORMAT_UNKNOWN, WORKSPACE_DISK_FULL and similar
 * for the copies, STORE_*
 */
export async function repair(
	store: SweepableStore,
	options: RepairOptions,
): Promise<readonly Removal[]> {
	const { after, copyTo, logger, signal } = options;
	const { objects } = await listObjects(store, LOG_PREFIX, signal);
	const seqs = new Set(objects.flatMap(({ key }) => seqOfKey(key) ?? []));
	if (!seqs.has(after)) throw new SidecarError("COMMIT_NOT_FOUND", { value: String(after) });
	const isListed = (seq: number) => seqs.has(seq);
	await readChain(store, after, isListed, signal);

	const removals: Removal[] = [];
	for (const { key, sizeBytes, timeMs } of objects) {
		const seq = seqOfKey(key);
		if (seq === undefined || seq <= after) continue;
		const error = await whyUnreadable(store, seq, isListed, signal);
		removals.push({ key, seq, bytes: sizeBytes, timeMs, error, copy: undefined });
	}
	if (copyTo === undefined) return removals;
	const done: Removal[] = [];
	for (const removal of removals) {
		const copy = await copyObject(store, removal.key, copyTo, signal);
		await store.delete(removal.key, { signal });
		logger.warn("repair.removed", {
			key: removal.key,
			bytes: removal.bytes,
			copy,
			code: removal.error.code,
			kind: "security",
		});
		done.push({ ...removal, copy });
	}
	return done;
}

/** @throws SidecarError USAGE if it is readable, FORMAT_UNKNOWN if a newer release might read it */
async function whyUnreadable(
	store: ObjectStore,
	seq: number,
	isListed: (seq: number) => boolean,
	signal: AbortSignal | undefined,
): Promise<SidecarError> {
	try {
		await readChain(store, seq, isListed, signal);
	} catch (error) {
		if (!(error instanceof SidecarError) || error.category !== "damaged") throw error;
		if (error.code !== "FORMAT_UNKNOWN") return error;
		throw new SidecarError("FORMAT_UNKNOWN", {
			value: logKey(seq),
			reason: "a newer release can read it, so it is not removed",
			remedy:
				"upgrade; if none of your releases wrote it, copy it away and delete it with the store's own tools",
			cause: error,
		});
	}
	throw new SidecarError("USAGE", {
		value: String(seq),
		reason: "this later commit can be read, and what can be read is never removed",
		remedy: `use --after ${seq}, or \`openclaw-sidecar rollback --to\` to go back without removing anything`,
	});
}

async function copyObject(
	store: ObjectStore,
	key: string,
	directory: string,
	signal: AbortSignal | undefined,
): Promise<string> {
	const path = join(directory, key);
	try {
		makeDirectories(dirname(path));
		const file = openSync(`${path}.part`, "w", 0o600);
		try {
			for (let offset = 0; ; ) {
				const { body, totalBytes } = await store.get(key, {
					range: { offset, length: PIECE_BYTES },
					signal,
				});
				for (let written = 0; written < body.length; ) written += writeSync(file, body, written);
				offset += body.length;
				if (offset >= totalBytes) break;
				if (body.length === 0)
					throw new SidecarError("STORE_UNREACHABLE", {
						value: key,
						reason: `it ended at byte ${offset} of ${totalBytes}`,
					});
			}
			fsyncSync(file);
		} finally {
			closeSync(file);
		}
		renameSync(`${path}.part`, path);
		const parent = openSync(dirname(path), "r");
		fsyncSync(parent);
		closeSync(parent);
		return path;
	} catch (error) {
		if (error instanceof SidecarError) throw error;
		const reason = `the copy cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}), so nothing more is removed`;
		throw new SidecarError("STATE_DIR_UNUSABLE", { value: path, reason, cause: error });
	}
}
