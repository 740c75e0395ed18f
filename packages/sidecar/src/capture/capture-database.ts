/**
 * Captures one database consistently with its transactions, in place or through a private copy. If
 * SQLite allows neither, captures the raw bytes.
 */

import type { DatabaseSync } from "node:sqlite";
import type { BlockBuilder } from "../commit/block-builder.ts";
import type { LocalEntry } from "../disk/local-tree.ts";
import { SidecarError } from "../errors.ts";
import { FILE_CHUNK_BITS, SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Path } from "../log/types.ts";
import type { Annotations } from "../workspace/profile.ts";
import { Slice } from "../workspace/slice.ts";
import { type SqliteRefusal, snapshotSqlite, walFingerprint } from "../workspace/sqlite.ts";
import { type PagesInPlace, readPagesInPlace } from "../workspace/sqlite-pages.ts";
import { readStable } from "../workspace/stable-read.ts";
import type { Stat } from "../workspace/stat.ts";
import { type CaptureContext, readOptions } from "./capture-context.ts";
import type { CapturedFile } from "./captured-file.ts";
import { ChunkPass } from "./chunk-pass.ts";

/** @param earlier result of an earlier round of the same capture */
export async function captureDatabase(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	stat: Stat,
	earlier?: LocalEntry,
): Promise<CapturedFile> {
	const { root, local, profile, tempDir } = context;
	const before = local.get(path);
	const fingerprint = walFingerprint(root, path);
	// Our own read of a database causes a hint: do not take the same content again.
	if (earlier !== undefined && earlier.database === fingerprint)
		return { kind: "taken", local: earlier };
	if (before !== undefined && before.database === fingerprint && before.stat !== undefined)
		return { kind: "same", local: { ...before, stat } };
	const left = context.room?.reserve(
		path,
		stat.size,
		before?.entry.type === "file" ? before.entry.chunks.length : 0,
		SQLITE_CHUNK_BITS,
	);
	if (left !== undefined) return { kind: "deferred", reason: left.reason };
	const inPlace = (canCopy: boolean) =>
		captureInPlace(context, builder, path, stat, fingerprint, canCopy);
	if (stat.size >= IN_PLACE_BYTES && before?.quick !== undefined) {
		const taken = await inPlace(true);
		if (taken !== undefined) return taken;
	}
	const pass = new ChunkPass(context, builder, before, SQLITE_CHUNK_BITS);
	let annotations: Annotations | undefined;
	let snapshot: Awaited<ReturnType<typeof snapshotSqlite>>;
	try {
		snapshot = await snapshotSqlite(root, path, tempDir, (database) => {
			profile.cleanSqlite?.(path, database);
			annotations = annotate(context, path, database);
		});
	} catch (error) {
		if (!(error instanceof SidecarError)) throw error;
		const taken = error.code === "WORKSPACE_DISK_FULL" ? await inPlace(false) : undefined;
		// No room for the copy, or it cannot be cleaned: this database waits, everything else
		// continues.
		return taken ?? { kind: "deferred", reason: error.message };
	}
	if (snapshot.kind === "gone") return { kind: "gone" };
	if (snapshot.kind !== "snapshot")
		return await captureRaw(context, builder, path, snapshot, fingerprint);
	try {
		const read = await readStable(
			snapshot.directory,
			snapshot.name,
			2 ** SQLITE_CHUNK_BITS,
			pass.chunk,
			readOptions(context),
		);
		if (read.kind !== "stable")
			return { kind: "deferred", reason: `its private copy could not be read: ${read.kind}` };
		return annotated(pass.result(stat, snapshot.sizeBytes, stat, fingerprint), annotations);
	} finally {
		snapshot.dispose();
	}
}

/** A failure costs the annotations, never the capture: the database may have another schema. */
function annotate(
	{ profile, logger }: CaptureContext,
	path: Path,
	database: DatabaseSync,
): Annotations | undefined {
	try {
		return profile.annotateSqlite?.(path, database);
	} catch (error) {
		logger.debug("capture.not-annotated", { path, error });
		return undefined;
	}
}

function annotated(file: CapturedFile, annotations: Annotations | undefined): CapturedFile {
	return file.kind === "taken" ? { ...file, local: { ...file.local, annotations } } : file;
}

/**
 * A database of this size or more that was taken before is not copied: 64 MiB take 0.3 s and as
 * much disk, each time.
 */
const IN_PLACE_BYTES = 64 * 1024 * 1024;
/**
 * During the upload of new content, the read transaction keeps the write-ahead log from restarting.
 * Beyond this size, a copy is better.
 */
const MAX_NEW_IN_PLACE_BYTES = 64 * 1024 * 1024;
/** Compared after each checkpoint: all of 1 GB in 64 of them, for 10 ms each. */
const COMPARED_BYTES = 16 * 1024 * 1024;
/** If a lock lasts longer, the copy waits for it. */
const IN_PLACE_BUSY_MS = 100;
const BLOCK_BYTES = 1024 * 1024;

/**
 * Reads a database in place, and only the parts that may have changed if those are known.
 * @returns undefined if it must be copied
 */
async function captureInPlace(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	stat: Stat,
	fingerprint: string,
	canCopy: boolean,
): Promise<CapturedFile | undefined> {
	const { root, profile, local, signal } = context;
	const before = local.get(path);
	const isCleaned = profile.cleanSqlite !== undefined && profile.isCleaned?.(path) !== false;
	if (isCleaned) return undefined;
	const pages = await readPagesInPlace(root, path, IN_PLACE_BUSY_MS, before?.pages);
	if (pages === undefined) return undefined;
	try {
		const pass = new ChunkPass(context, builder, before, SQLITE_CHUNK_BITS);
		const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
		const slice = new Slice();
		const comparedTo = pages.isAfterCheckpoint
			? compareSome(context, pages, before, block)
			: pages.seen?.comparedTo;
		for (let offset = 0; offset < pages.sizeBytes; offset += BLOCK_BYTES) {
			const isRead = await readBlock(pages, pass, block, offset);
			if (!isRead || (canCopy && pass.newBytes > MAX_NEW_IN_PLACE_BYTES)) return undefined;
			if (slice.isOver) await slice.next(signal);
		}
		const annotations = pages.ask((database) => annotate(context, path, database));
		if (!pages.isOneMoment()) return undefined;
		const taken = pass.result(stat, pages.sizeBytes, stat, fingerprint);
		return taken.kind === "taken"
			? {
					...taken,
					local: {
						...taken.local,
						pages: pages.seen && { ...pages.seen, comparedTo: comparedTo ?? 0 },
						annotations,
					},
				}
			: undefined;
	} finally {
		pages.close();
	}
}

/**
 * Compares a part of what should be unchanged with the last capture, each time another part. If it
 * differs, something other than SQLite wrote to the file, and everything is read.
 * @returns where the next comparison begins
 */
function compareSome(
	{ quickHash }: CaptureContext,
	pages: PagesInPlace,
	before: LocalEntry | undefined,
	block: Buffer,
): number {
	const chunkBytes = 2 ** SQLITE_CHUNK_BITS;
	const known = before?.quick ?? new BigUint64Array();
	const count = Math.min(known.length, COMPARED_BYTES / chunkBytes);
	let index = (before?.pages?.comparedTo ?? 0) / chunkBytes;
	for (let compared = 0; compared < count; compared++, index++) {
		index %= known.length;
		const offset = index * chunkBytes;
		const bytes = block.subarray(0, Math.min(chunkBytes, pages.sizeBytes - offset));
		if (bytes.length === 0 || pages.mayDiffer(offset, bytes.length)) continue;
		if (!pages.read(bytes, offset) || quickHash(bytes) !== known[index]) {
			pages.distrust();
			break;
		}
	}
	return index * chunkBytes;
}

/**
 * Takes up to 1 MiB from `offset` and skips what cannot have changed. False if it cannot be read.
 */
async function readBlock(
	pages: PagesInPlace,
	pass: ChunkPass,
	block: Buffer,
	offset: number,
): Promise<boolean> {
	const chunkBytes = 2 ** SQLITE_CHUNK_BITS;
	const end = Math.min(BLOCK_BYTES, pages.sizeBytes - offset);
	for (let from = 0; from < end; ) {
		const length = Math.min(chunkBytes, end - from);
		if (
			!pages.mayDiffer(offset + from, length) &&
			pass.keep((offset + from) / chunkBytes, length)
		) {
			from += length;
			continue;
		}
		// Read everything up to the next unchanged part at once.
		let to = from + length;
		while (to < end && pages.mayDiffer(offset + to, Math.min(chunkBytes, end - to)))
			to = Math.min(end, to + chunkBytes);
		const bytes = block.subarray(from, to);
		if (!pages.read(bytes, offset + from)) return false;
		for (let at = 0; at < bytes.length; at += chunkBytes)
			await pass.chunk(
				(offset + from + at) / chunkBytes,
				bytes.subarray(at, Math.min(at + chunkBytes, bytes.length)),
				offset + from + at,
			);
		from = to;
	}
	return true;
}

/**
 * Takes raw bytes, rather than nothing, of a database that SQLite refuses to copy. A damaged one is
 * taken as the file it is, if that is stable; it may be repaired later. A locked one keeps its
 * entry in the log. Its newest rows may be only in the WAL, so its file alone would be an older
 * database that looks like this one. Companion files are stored separately in both cases.
 */
async function captureRaw(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	refusal: SqliteRefusal,
	fingerprint: string,
): Promise<CapturedFile> {
	const reason = `database ${refusal.kind}: ${refusal.reason}`;
	const isDamaged = refusal.kind === "corrupt" || refusal.kind === "not-a-database";
	const raw = new Map<Path, LocalEntry>();
	const read = async (at: Path, bits: number) => {
		const pass = new ChunkPass(
			context,
			builder,
			at === path ? context.local.get(path) : undefined,
			bits,
			undefined,
			true,
		);
		const result = await readStable(context.root, at, 2 ** bits, pass.chunk, readOptions(context));
		return { pass, result };
	};
	let taken: CapturedFile | undefined;
	if (isDamaged) {
		const { pass, result } = await read(path, SQLITE_CHUNK_BITS);
		if (result.kind === "gone") return result;
		if (result.kind === "unreadable") return { kind: "deferred", reason: result.reason };
		if (result.kind === "stable")
			taken = pass.result(result.stat, result.size, result.stat, fingerprint);
	}
	const isTaken = taken?.kind === "taken";
	if (!isTaken && !context.keepsRaw(path)) return { kind: "deferred", reason };
	for (const at of [...(isTaken ? [] : [path]), `${path}-wal`, `${path}-journal`]) {
		const { pass, result } = await read(at, at === path ? SQLITE_CHUNK_BITS : FILE_CHUNK_BITS);
		if (result.kind === "gone" || result.kind === "unreadable" || pass.bytes === 0) continue;
		const file = pass.result(result.stat, pass.bytes, undefined);
		if (file.kind === "taken") raw.set(at, file.local);
	}
	if (taken?.kind === "taken")
		return { ...taken, note: `${reason}; its raw bytes were stored`, raw };
	return {
		kind: "deferred",
		reason: raw.size === 0 ? reason : `${reason}; its raw bytes were quarantined`,
		raw,
	};
}
