/**
 * Reads a large database in WAL mode in place, under a read transaction. A copy of 1 GB would cost
 * 1 GB on disk each time. Pages come from the file, unless the write-ahead log contains them: then
 * the newest committed frame counts.
 *
 * Why that is one state: during the read transaction, a checkpoint copies into the file only pages
 * that have a frame in the log before our position. The log does not start over, unless all of it
 * was already in the file when we began. In that case no checkpoint writes to the file at all, and
 * `isOneMoment` detects the new log by its header.
 *
 * Why an earlier read tells what is unchanged (`mayDiffer`): nothing has written to the file since,
 * and the log continues from the exact frame at which that read ended. So only pages with a later
 * frame differ. Or checkpoints have written to the file, and every commit since is known: as many as
 * the log's index counts, in this round of the log and in what is left of the round before. Then
 * only their pages differ. If in doubt, everything may differ.
 *
 * Not guaranteed: detecting at once that something other than SQLite wrote to the file while SQLite
 * had it open, if a checkpoint wrote to it as well. Such a write corrupts the database. The reader
 * compares a part of what is unchanged (`isAfterCheckpoint`) and calls `distrust` if it is not.
 *
 * The bytes equal those of `snapshotSqlite`. Not for databases that are cleaned, and not in
 * rollback mode, where a read transaction blocks every writer.
 */

import { fstatSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { Root } from "../path.ts";
import { closeGuarded, descriptorAt, isInPlace, openGuarded, pin } from "./guarded-open.ts";
import { readFully } from "./read-fully.ts";
import { COUNTERS, openForReading, type Source } from "./sqlite.ts";
import {
	isSqliteHeader,
	isStable,
	isWalMode,
	readHead,
	SQLITE_HEADER_BYTES,
} from "./sqlite-file.ts";
import { lstatPath, type Stat, sameStat, toStat } from "./stat.ts";
import { isSame, NO_WAL, pageOffset, readOn, readWal, type WalPosition } from "./wal.ts";
import { isNextRound, readWalIndex, type WalIndex } from "./wal-index.ts";

/** The state recorded by an earlier read of the same database. */
export interface SeenPages {
	readonly file: Stat;
	readonly walIno: bigint;
	readonly wal: WalPosition;
	/** Undefined: nothing is known once the file changes. */
	readonly index: WalIndex | undefined;
	readonly pageCount: number;
	/** Where the reader's next comparison begins. */
	readonly comparedTo: number;
}

export interface PagesInPlace {
	readonly sizeBytes: number;
	/** May bytes in this range differ from what was read when `before` was recorded? */
	mayDiffer(offset: number, length: number): boolean;
	/** What is unchanged is known although the file was written to. */
	readonly isAfterCheckpoint: boolean;
	/** From now on everything may differ. */
	distrust(): void;
	/** Fills `into` with the bytes from `offset`. False if they cannot be read. */
	read(into: Buffer, offset: number): boolean;
	/** Queries the state that is read. Undefined if no process has the database open. */
	ask<T>(query: (database: DatabaseSync) => T): T | undefined;
	/** Call it after the last read: were all reads of one moment? */
	isOneMoment(): boolean;
	/** Input for the next read; undefined if that could miss a change. */
	readonly seen: SeenPages | undefined;
	close(): void;
}

/**
 * Pages with a frame in the log that are remembered from one read to the next: 256 MB of 4 KiB
 * pages, 6 MB of memory.
 */
const MAX_REMEMBERED = 65_536;
/** Reads of a log that another process writes, until its index agrees. */
const INDEX_TRIES = 3;
/** No page contains this byte: SQLite uses it for locks. */
const LOCK_BYTE = 0x40000000;

/** @returns undefined if it cannot be read this way, or not now: then copy it */
export async function readPagesInPlace(
	root: Root,
	path: string,
	busyMs: number,
	before?: SeenPages,
): Promise<PagesInPlace | undefined> {
	const guard = openGuarded(root, path, false);
	if (guard.kind !== "open") return undefined;
	const release = pin(guard.stat, guard.fd);
	let close = release;
	let isKept = false;
	try {
		const header = readHead(guard.fd, SQLITE_HEADER_BYTES);
		if (!isSqliteHeader(header) || !isWalMode(header)) return undefined;
		const source: Source = { root, path, guard };
		if (isClosed(source)) {
			const pages = await Pages.open(
				source,
				undefined,
				pageSizeIn(header),
				pageCountIn(header, guard.stat.size),
				before,
				release,
				undefined,
			);
			isKept = pages !== undefined;
			return pages;
		}
		const live = await openForReading(source, busyMs);
		if (live === undefined) return undefined;
		close = () => {
			live.close();
			release();
		};
		if (live.prepare("PRAGMA journal_mode").get()?.journal_mode !== "wal") return undefined;
		const pageCount = Number(live.prepare("PRAGMA page_count").get()?.page_count);
		const wal = openGuarded(root, `${path}-wal`, false);
		if (wal.kind !== "open") return undefined;
		const closeLive = close;
		close = () => {
			closeGuarded(wal.fd);
			closeLive();
		};
		const size = pageSizeIn(header);
		const pages = await Pages.open(source, wal, size, pageCount, before, close, live);
		isKept = pages !== undefined;
		return pages;
	} catch {
		// The copy meets the same error and classifies it.
		return undefined;
	} finally {
		if (!isKept) close();
	}
}

/**
 * No process has it open, and all content is in the file. Opening it would leave a log and its
 * index behind (see `snapshotSqlite`).
 */
function isClosed({ root, path }: Source): boolean {
	const wal = lstatPath(root, `${path}-wal`);
	return (wal === undefined || wal.size === 0) && lstatPath(root, `${path}-shm`) === undefined;
}

/** From the header if that belongs to the newest change; otherwise by the size. */
function pageCountIn(header: Buffer, sizeBytes: number): number {
	const inFile = Math.floor(sizeBytes / pageSizeIn(header));
	const said = header.readUInt32BE(28);
	return header.readUInt32BE(24) === header.readUInt32BE(92) && said > 0
		? Math.min(said, inFile)
		: inFile;
}

function pageSizeIn(header: Buffer): number {
	const size = header.readUInt16BE(16);
	return size === 1 ? 65_536 : size;
}

/** What changed since an earlier read. */
interface Since {
	readonly pages: ReadonlySet<number>;
	/** Of the earlier read; later pages are new. */
	readonly pageCount: number;
	readonly isAfterCheckpoint?: boolean;
}

function pagesFrom({ pages }: WalPosition, firstFrame: number): Set<number> {
	const later = new Set<number>();
	for (const [page, frame] of pages) if (frame >= firstFrame) later.add(page);
	return later;
}

/** The log, and its index if that belongs to the same commit. */
async function readLog(
	{ root, path }: Source,
	fd: number,
	pageSize: number,
	from: WalPosition | undefined,
): Promise<{ readonly position: WalPosition; readonly index: WalIndex | undefined } | undefined> {
	const indexFd = descriptorAt(root, `${path}-shm`);
	let position = await readWal(fd, pageSize, from);
	for (let tries = 1; position !== undefined; tries++) {
		const index = indexFd === undefined ? undefined : readWalIndex(indexFd, position);
		if (index !== undefined || indexFd === undefined || tries === INDEX_TRIES)
			return { position, index };
		position = await readWal(fd, pageSize, position);
	}
	return undefined;
}

/**
 * The pages of all commits since `before`, if it is certain that only checkpoints of known commits
 * wrote to the file. A log that was rebuilt, or rounds and frames that are gone, leave the index with
 * another count.
 */
async function sinceCheckpoint(
	before: SeenPages,
	file: Stat,
	wal: { readonly fd: number; readonly stat: Stat } | undefined,
	pageSize: number,
	position: WalPosition,
	index: WalIndex | undefined,
): Promise<Since | undefined> {
	if (wal === undefined || index === undefined || before.index === undefined) return undefined;
	const isSameFile =
		before.file.ino === file.ino && before.file.dev === file.dev && before.walIno === wal.stat.ino;
	// A count that begins at 0 could be that of an index that was rebuilt.
	if (!isSameFile || before.index.change === 0) return undefined;
	let pages: Set<number>;
	let commits: number;
	let isCheckpointed: boolean;
	if (index.salts.equals(before.index.salts)) {
		if (!isSame(wal.fd, before.wal, pageSize)) return undefined;
		pages = pagesFrom(position, before.wal.frames);
		commits = position.commits - before.wal.commits;
		isCheckpointed = index.backfilled > before.index.backfilled;
	} else if (isNextRound(before.index.salts, index.salts)) {
		const rest = await readOn(wal.fd, pageSize, before.wal);
		pages = pagesFrom(rest, before.wal.frames);
		for (const page of position.pages.keys()) pages.add(page);
		commits = rest.commits - before.wal.commits + position.commits;
		isCheckpointed = before.index.backfilled < rest.frames || index.backfilled > 0;
	} else return undefined;
	const isWritten = !sameStat(before.file, file);
	// Without a checkpoint, something else wrote to the file.
	if (isWritten && !isCheckpointed) return undefined;
	if (before.index.change + commits !== index.change) return undefined;
	return { pages, pageCount: before.pageCount, isAfterCheckpoint: isWritten };
}

class Pages implements PagesInPlace {
	readonly sizeBytes: number;
	readonly seen: SeenPages | undefined;
	readonly close: () => void;
	/** In the read transaction; undefined if no process has the database open. */
	readonly #live: DatabaseSync | undefined;
	readonly #source: Source;
	/**
	 * Undefined if no process has the database open. No transaction then protects the file, so it
	 * must be unchanged during the read.
	 */
	readonly #walFd: number | undefined;
	readonly #file: Stat;
	readonly #wal: WalPosition;
	readonly #pageSize: number;
	#since: Since | undefined;

	private constructor(options: {
		source: Source;
		walFd: number | undefined;
		file: Stat;
		wal: WalPosition;
		pageSize: number;
		pageCount: number;
		since: Since | undefined;
		seen: SeenPages | undefined;
		close: () => void;
		live: DatabaseSync | undefined;
	}) {
		this.#source = options.source;
		this.#walFd = options.walFd;
		this.#file = options.file;
		this.#wal = options.wal;
		this.#pageSize = options.pageSize;
		this.#since = options.since;
		this.sizeBytes = options.pageCount * options.pageSize;
		this.seen = options.seen;
		this.close = options.close;
		this.#live = options.live;
	}

	static async open(
		source: Source,
		wal: { readonly fd: number; readonly stat: Stat } | undefined,
		pageSize: number,
		pageCountInFile: number,
		before: SeenPages | undefined,
		close: () => void,
		live: DatabaseSync | undefined,
	): Promise<Pages | undefined> {
		const file = toStat(fstatSync(source.guard.fd, { bigint: true }));
		if (wal === undefined && !isStable(file)) return undefined;
		const isSameLog = () =>
			before !== undefined &&
			before.walIno === wal?.stat.ino &&
			isSame(wal.fd, before.wal, pageSize);
		// If the log was empty then, the file alone was the state.
		const isGoingOn =
			before !== undefined &&
			sameStat(before.file, file) &&
			(before.wal.frames === 0 || isSameLog());
		const read =
			wal === undefined
				? { position: NO_WAL, index: undefined }
				: await readLog(source, wal.fd, pageSize, isSameLog() ? before?.wal : undefined);
		if (read === undefined) return undefined;
		const { position, index } = read;
		const since =
			before === undefined
				? undefined
				: isGoingOn
					? { pages: pagesFrom(position, before.wal.frames), pageCount: before.pageCount }
					: await sinceCheckpoint(before, file, wal, pageSize, position, index);
		const pageCount = position.frames === 0 ? pageCountInFile : position.pageCount;
		const isRememberable = isStable(file) && position.pages.size <= MAX_REMEMBERED;
		return new Pages({
			source,
			walFd: wal?.fd,
			file,
			wal: position,
			pageSize,
			pageCount,
			since,
			seen: isRememberable
				? {
						file,
						walIno: wal?.stat.ino ?? 0n,
						wal: position,
						index,
						pageCount,
						comparedTo: before?.comparedTo ?? 0,
					}
				: undefined,
			close,
			live,
		});
	}

	get isAfterCheckpoint(): boolean {
		return this.#since?.isAfterCheckpoint === true;
	}

	distrust(): void {
		this.#since = undefined;
	}

	mayDiffer(offset: number, length: number): boolean {
		const since = this.#since;
		if (since === undefined || offset + length > since.pageCount * this.#pageSize) return true;
		const last = Math.ceil((offset + length) / this.#pageSize);
		for (let page = Math.floor(offset / this.#pageSize) + 1; page <= last; page++)
			if (since.pages.has(page)) return true;
		return false;
	}

	read(into: Buffer, offset: number): boolean {
		const inFile = readFully(this.#source.guard.fd, into, offset);
		for (const page of this.#pagesIn(offset, into.length)) {
			const start = (page - 1) * this.#pageSize;
			const from = Math.max(start, offset);
			const to = Math.min(start + this.#pageSize, offset + into.length);
			const place = into.subarray(from - offset, to - offset);
			const frame = this.#wal.pages.get(page);
			if (start <= LOCK_BYTE && LOCK_BYTE < start + this.#pageSize) place.fill(0);
			else if (frame !== undefined && this.#walFd !== undefined) {
				if (
					readFully(this.#walFd, place, pageOffset(frame, this.#pageSize) + from - start) <
					place.length
				)
					return false;
			} else if (to - offset > inFile) return false;
		}
		// As the online backup leaves them, so that both ways give the same bytes.
		if (offset === 0) for (const counter of COUNTERS) into.writeUInt32BE(1, counter);
		return true;
	}

	ask<T>(query: (database: DatabaseSync) => T): T | undefined {
		return this.#live === undefined ? undefined : query(this.#live);
	}

	isOneMoment(): boolean {
		const { root, path, guard } = this.#source;
		if (!isInPlace(root, path, guard)) return false;
		if (this.#walFd !== undefined) return isSame(this.#walFd, this.#wal, this.#pageSize);
		return (
			isClosed(this.#source) && sameStat(this.#file, toStat(fstatSync(guard.fd, { bigint: true })))
		);
	}

	*#pagesIn(offset: number, length: number): Generator<number> {
		const last = Math.ceil((offset + length) / this.#pageSize);
		for (let page = Math.floor(offset / this.#pageSize) + 1; page <= last; page++) yield page;
	}
}
