import { setImmediate as nextTurn } from "node:timers/promises";
import { isInvented } from "../commit/quarantined.ts";
import { readChunks } from "../commit/read-content.ts";
import type { LogRead } from "../commit/read-log.ts";
import { isBelowAny } from "../disk/check-mounts.ts";
import { type Displaced, DisplacedJournal, trashOf } from "../disk/displaced.ts";
import { LocalTree } from "../disk/local-tree.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { BlockRef, ChunkRef, FileEntry, Path, Tree } from "../log/types.ts";
import { isRootItself, parentOf, ROOTS_DIRECTORY } from "../path.ts";
import { isZeros } from "../workspace/holes.ts";
import type { Materializer, StagedFile } from "../workspace/materialize.ts";
import { Slice } from "../workspace/slice.ts";
import { isSqlite } from "../workspace/sqlite-file.ts";
import { lstatPath, type Stat, sameStat } from "../workspace/stat.ts";
import type { DiskPlan } from "./plan-disk.ts";
import type { Action } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { isWorthThread, MOST_FILES, WriteThread } from "./write-thread.ts";
import type { NewFile } from "./write-worker.ts";

/** Something that was moved away, and its current place: an absolute path outside the workspace. */
export interface Moved {
	readonly path: Path;
	readonly to: string;
	/** False: not durable before the next commit, which keeps it below `.recovered/`. */
	readonly isInLog: boolean;
}

export function isWritten(action: Action): boolean {
	return action === "write" || action === "quarantine-and-write";
}

/** A file that waits for its chunks. */
interface Awaited {
	readonly path: Path;
	readonly entry: FileEntry;
	/**
	 * Undefined for a file of one chunk, where it would save nothing: any change of the file changes
	 * that chunk.
	 */
	readonly quick: BigUint64Array | undefined;
	left: number;
	staged: StagedFile | undefined;
	/** The profile wants it last: its bytes, or its staged file, wait for all others. */
	readonly isLast: boolean;
	whole: Buffer | undefined;
}

/** The places of each chunk. */
type Uses = Map<ChunkRef, { readonly file: Awaited; readonly index: number }[]>;

/** Executes a plan. */
export class RestoreWork {
	readonly #options: RestoreOptions;
	readonly #writer: Materializer;
	readonly #plan: ReadonlyMap<Path, Action>;
	readonly #target: Tree;
	readonly #retimed: DiskPlan["retimed"];
	/** The disk that the plan was made from. */
	readonly #disk: ReadonlyMap<Path, Stat>;
	/** Mount points whose volumes are missing: nothing below them is restored. */
	readonly #away: DiskPlan["away"];
	readonly #read: LogRead;
	readonly #trash: string;
	/** Paths whose content on this disk is in the log. */
	readonly #inLog: ReadonlySet<Path>;
	readonly #journal: DisplacedJournal;
	/** Paths in the journal that have not moved yet, with their names in the trash. */
	readonly #noted = new Map<Path, Path>();
	readonly #before: UnsetMetadata;
	/** Paths kept with a mode other than the log's. */
	readonly #keepMode: ReadonlySet<Path>;
	/** Started beforehand. */
	readonly #thread: WriteThread | undefined;
	readonly #written = new Map<
		Path,
		{ readonly stat: Stat | undefined; readonly quick: BigUint64Array | undefined }
	>();
	/** Kept files and links after their time was set. */
	readonly #timed = new Map<Path, Stat>();
	/** For each directory, whether nothing exists there. */
	readonly #bare = new Map<Path, boolean>();
	readonly #last: Awaited[] = [];
	/** Modes and times that this disk refused. */
	readonly unset = new UnsetMetadata();
	/**
	 * Paths whose mode, or time except for directories, still differs from the log's although it
	 * should have been set.
	 */
	readonly notSet: Path[] = [];
	readonly moved: Moved[] = [];
	/** The name in the trash of each moved path. */
	readonly #names: Path[] = [];
	files = 0;
	bytes = 0;
	written = 0;
	/** Work done since the last progress report. */
	#done = { files: 0, bytes: 0 };
	readonly #slice = new Slice();

	constructor(
		options: RestoreOptions,
		writer: Materializer,
		planned: DiskPlan,
		read: LogRead,
		keepMode: ReadonlySet<Path> = new Set(),
		thread?: WriteThread,
	) {
		this.#thread = thread;
		this.#before = planned.unset;
		this.#keepMode = keepMode;
		this.#options = options;
		this.#writer = writer;
		this.#plan = planned.plan;
		this.#target = planned.target;
		this.#retimed = planned.retimed;
		this.#disk = planned.disk;
		this.#away = planned.away;
		this.#read = read;
		this.#inLog = planned.inLog;
		this.#trash = trashOf(options.privateDir, options.label);
		this.#journal = new DisplacedJournal(options.privateDir);
	}

	async run(): Promise<void> {
		const { progress } = this.#options;
		const toWrite: [Path, FileEntry][] = [];
		for (const [path, entry] of this.#target) {
			if (entry.type !== "file" || isBelowAny(path, this.#away)) continue;
			this.files++;
			this.bytes += entry.size;
			if (isWritten(this.#plan.get(path) as Action)) toWrite.push([path, entry]);
		}
		this.written = toWrite.length;
		progress.start("restore", {
			files: toWrite.length,
			bytes: toWrite.reduce((sum, [, entry]) => sum + entry.size, 0),
		});
		// Meanwhile the first bytes arrive.
		const directories = this.#prepare(toWrite);
		await this.#writeFiles(toWrite, directories);
		this.#writeLinks();
		this.#writer.reveal((path) => this.#quarantined(path));
		for (const awaited of this.#last) this.#finish(awaited);
		this.#setKeptTimes();
		// The staging directory is in the root, so remove it before the directories get their times.
		this.#writer.close();
		for (const path of (await directories).reverse()) {
			// Its mode was changed here: keep that like every other change.
			if (this.#plan.get(path) === "keep-local") continue;
			const entry = this.#target.get(path);
			const isReal = entry?.type === "dir" && !(path === "" && isInvented(entry));
			const stat = isReal
				? this.#writer.finishDirectory(path, this.#modeOf(path, entry.mode), entry.mtimeNs)
				: lstatPath(this.#options.root, path);
			this.#written.set(path, { stat, quick: undefined });
		}
		this.#compareMetadata();
		progress.end();
	}

	/** Notes each written path whose mode or time is not the log's. */
	#compareMetadata(): void {
		for (const [path, entry] of this.#target) {
			const written = this.#written.get(path);
			const timed = this.#timed.get(path);
			const stat = written === undefined ? (timed ?? this.#disk.get(path)) : written.stat;
			if (stat === undefined) continue;
			if (written === undefined && timed === undefined && !this.#keepMode.has(path))
				this.unset.keep(this.#before, path, entry, stat);
			else if (
				path !== ROOTS_DIRECTORY &&
				this.unset.compare(
					path,
					entry,
					entry.type === "link"
						? 0
						: // A kept secret may have all of the log's mode.
							timed !== undefined && (stat.mode & 0o1777) === entry.mode
							? entry.mode
							: this.#modeOf(path, entry.mode),
					stat,
				)
			)
				this.notSet.push(path);
		}
	}

	/** The local state: what is on the disk now, as far as it is known to equal the log. */
	local(): LocalTree {
		const local = new LocalTree();
		for (const [path, entry] of this.#target) {
			const written = this.#written.get(path);
			if (written !== undefined) {
				local.set(path, { entry, stat: written.stat, quick: written.quick, database: undefined });
				continue;
			}
			// Kept: content and mode are the log's. If the time is too, a sweep need not read it again. A
			// directory that is not clean would have all of its files read again.
			const stat = this.#disk.get(path);
			const mtimeNs = stat === undefined ? undefined : this.unset.asInLog(path, stat).mtimeNs;
			const isClean = this.#plan.get(path) === "keep" && mtimeNs === entry.mtimeNs;
			local.set(path, {
				entry,
				stat: isClean ? stat : undefined,
				quick: undefined,
				database: undefined,
			});
		}
		return local;
	}

	/** @returns directories, parents first */
	async #prepare(toWrite: readonly [Path, FileEntry][]): Promise<Path[]> {
		// Let the first requests go out before this work.
		await nextTurn();
		this.#clearTheWay();
		const directories = this.#directories(toWrite);
		for (const path of directories) {
			this.#writer.makeDirectory(path);
			if (this.#slice.isOver) await this.#slice.next();
		}
		return directories;
	}

	#clearTheWay(): void {
		const goneDirectories: Path[] = [];
		const isDisplaced = (action: Action) =>
			action === "trash" || action === "quarantine" || action === "quarantine-and-write";
		// One write for all: each write is synced to the disk.
		this.#note(
			[...this.#plan]
				.filter(([path, action]) => isDisplaced(action) && this.#isOnlyCopy(path))
				.map(([path]) => path),
		);
		for (const [path, action] of this.#plan) {
			if (action === "trash" && lstatPath(this.#options.root, path)?.type === "dir")
				goneDirectories.push(path);
			else if (isDisplaced(action)) this.#moveAside(path);
			else if (action === "write" && !this.#isBare(parentOf(path))) this.#makeRoom(path);
		}
		// Deepest first. A directory that still holds something kept stays.
		for (const path of goneDirectories.sort((a, b) => b.length - a.length))
			this.#writer.removeEmptyDirectory(path);
	}

	/**
	 * Whether nothing exists at the directory's path. Its files then need no lookup, even if there
	 * are thousands.
	 */
	#isBare(directory: Path): boolean {
		if (directory === "") return false;
		const known = this.#bare.get(directory);
		if (known !== undefined) return known;
		const isBare =
			this.#isBare(parentOf(directory)) || lstatPath(this.#options.root, directory) === undefined;
		this.#bare.set(directory, isBare);
		return isBare;
	}

	/**
	 * Moves away what has another type than the target. A rename itself replaces a file with a file.
	 */
	#makeRoom(path: Path): void {
		const there = lstatPath(this.#options.root, path);
		const wanted = this.#target.get(path);
		if (
			there === undefined ||
			wanted === undefined ||
			(there.type === wanted.type && this.#wasSeen(path, there))
		)
			return;
		this.#moveAside(path);
	}

	/**
	 * Whether this is what the plan was made from. What the filter hides, or what changed since, may
	 * be the only copy.
	 */
	#wasSeen(path: Path, there: Stat): boolean {
		if (there.type === "dir") return true;
		const seen = this.#disk.get(path);
		return seen !== undefined && sameStat(seen, there);
	}

	#moveAside(path: Path): void {
		// Two directories that differ only in their mode: nothing to quarantine.
		const isDirectory =
			this.#target.get(path)?.type === "dir" && lstatPath(this.#options.root, path)?.type === "dir";
		// Something that replaced an additional root must not be moved.
		if (path !== "" && !isDirectory && !isRootItself(this.#options.root, path))
			this.#quarantined(path);
	}

	#quarantined(path: Path): void {
		if (!this.#noted.has(path) && this.#isOnlyCopy(path)) this.#note([path]);
		const noted = this.#noted.get(path);
		this.#noted.delete(path);
		const name = noted ?? this.#writer.asideName(path, this.#trash);
		for (const suffix of this.#suffixesOf(path)) {
			const to = this.#writer.moveAside(path + suffix, this.#trash, name + suffix);
			if (to === undefined) continue;
			this.moved.push({ path: path + suffix, to, isInLog: noted === undefined });
			this.#names.push(name + suffix);
		}
	}

	/** A database moves together with its WAL or journal, which may hold its newest rows. */
	#suffixesOf(path: Path): string[] {
		const isDatabase =
			lstatPath(this.#options.root, path)?.type === "file" && isSqlite(this.#options.root, path);
		const companions = isDatabase ? ["-wal", "-journal"] : [];
		return [
			"",
			...companions.filter(
				(suffix) => lstatPath(this.#options.root, path + suffix)?.type === "file",
			),
		];
	}

	/**
	 * A WAL or journal of another database would corrupt this one, but its rows may be nowhere else.
	 * It moves with its database if that is there, and alone if not.
	 */
	#clearCompanions(path: Path): void {
		if (this.#hotCompanions(path).length > 0) this.#moveAside(path);
		const left = this.#hotCompanions(path);
		if (left.length > 0) {
			const name = this.#writer.asideName(path, this.#trash);
			const isInLog = this.#options.isForeign === true;
			const { label } = this.#options;
			if (!isInLog)
				this.#journal.add(
					left.map((suffix) => ({ path: path + suffix, restore: label, name: name + suffix })),
				);
			for (const suffix of left) {
				const to = this.#writer.moveAside(path + suffix, this.#trash, name + suffix);
				if (to === undefined) continue;
				this.moved.push({ path: path + suffix, to, isInLog });
				this.#names.push(name + suffix);
			}
		}
		this.#writer.removeDatabaseSidecars(path);
	}

	/** A WAL or journal that is not empty, or is no plain file. */
	#hotCompanions(path: Path): string[] {
		return ["-wal", "-journal"].filter((suffix) => {
			const there = lstatPath(this.#options.root, path + suffix);
			return (
				there !== undefined && there.type !== "dir" && (there.type !== "file" || there.size > 0)
			);
		});
	}

	/**
	 * Whether this disk may have the only copy of the path. A directory that stays a directory loses
	 * nothing.
	 */
	#isOnlyCopy(path: Path): boolean {
		if (this.#options.isForeign === true) return false;
		const there = lstatPath(this.#options.root, path);
		if (there === undefined || (there.type === "dir" && this.#target.get(path)?.type === "dir"))
			return false;
		if (there.type === "dir") return this.#plan.get(path) !== "trash";
		if (!(this.#inLog.has(path) && this.#wasSeen(path, there))) return true;
		// A WAL that was filled since the plan moves along.
		return this.#suffixesOf(path).length > 1 && this.#hotCompanions(path).length > 0;
	}

	/** Synced to the disk before anything moves. */
	#note(paths: readonly Path[]): void {
		const entries: Displaced[] = [];
		for (const path of paths) {
			const name = this.#writer.asideName(path, this.#trash);
			this.#noted.set(path, name);
			for (const suffix of this.#suffixesOf(path))
				entries.push({ path: path + suffix, restore: this.#options.label, name: name + suffix });
		}
		this.#journal.add(entries);
	}

	/**
	 * After a failure, puts files back unless something took their place. The rest stays in the trash
	 * and in the journal.
	 */
	putBack(): void {
		const back: Displaced[] = [];
		for (let index = this.moved.length - 1; index >= 0; index--) {
			const { path } = this.moved[index] as Moved;
			const name = this.#names[index] as Path;
			if (!this.#writer.putBack(path, this.#trash, name)) continue;
			back.push({ path, name, restore: this.#options.label });
			this.moved.splice(index, 1);
			this.#names.splice(index, 1);
		}
		this.#journal.remove(back);
	}

	/** Every directory of the target and every parent of a file to be written, parents first. */
	#directories(toWrite: readonly [Path, FileEntry][]): Path[] {
		const wanted = new Set<Path>();
		const want = (path: Path) => {
			for (let at = path; !wanted.has(at); at = parentOf(at)) {
				wanted.add(at);
				if (at === "") break;
			}
		};
		for (const [path, entry] of this.#target)
			if (entry.type === "dir" && isWritten(this.#plan.get(path) as Action)) want(path);
		for (const [path] of toWrite) want(parentOf(path));
		for (const [path, entry] of this.#target) {
			if (entry.type === "link" && isWritten(this.#plan.get(path) as Action)) want(parentOf(path));
		}
		wanted.add("");
		// An exact restore also makes the modes of kept directories those of the profile.
		const isExact = this.#options.at !== undefined && this.#options.only === undefined;
		for (const [path, { type }] of this.#target)
			if (type === "dir" && (isExact || this.#retimed.has(path))) wanted.add(path);
		// A directory's time changes when something leaves it.
		for (const [path, action] of this.#plan)
			if (
				(action === "trash" || action === "quarantine") &&
				this.#target.get(parentOf(path))?.type === "dir"
			)
				wanted.add(parentOf(path));
		return [...wanted].sort((a, b) => a.length - b.length);
	}

	/** @param ready nothing is written before it resolves */
	async #writeFiles(toWrite: readonly [Path, FileEntry][], ready: Promise<unknown>): Promise<void> {
		const { store, profile, progress, signal } = this.#options;
		const last = new Set(profile.restoredLast);
		const empty: Awaited[] = [];
		const uses: Uses = new Map();
		for (const [path, entry] of toWrite) {
			const file: Awaited = {
				path,
				entry,
				quick: entry.chunks.length > 1 ? new BigUint64Array(entry.chunks.length) : undefined,
				left: entry.chunks.length,
				staged: undefined,
				isLast: last.has(path),
				whole: undefined,
			};
			if (entry.chunks.length === 0) {
				file.whole = Buffer.alloc(0);
				empty.push(file);
			}
			for (const [index, chunk] of entry.chunks.entries()) {
				const places = uses.get(chunk);
				if (places === undefined) uses.set(chunk, [{ file, index }]);
				else places.push({ file, index });
			}
		}
		const thread = this.#threadFor(toWrite);
		const take = (block: BlockRef, stored: Buffer, chunks: ReadonlySet<ChunkRef>) => {
			const files = thread?.isFree ? this.#newFiles(chunks, uses) : undefined;
			return files && this.#writeElsewhere(thread as WriteThread, block, stored, files);
		};
		const reading = readChunks(
			store,
			uses.keys(),
			this.#read.starts,
			async (found) => {
				await ready;
				for (const { chunk, bytes } of found) this.#takeChunk(bytes, uses.get(chunk) ?? []);
				this.#advance();
				if (this.#slice.isOver) await this.#slice.next();
			},
			signal,
			[],
			thread && { ready, take },
		);
		try {
			await Promise.all([reading, ready]);
		} finally {
			await thread?.end();
			// After a failure, nothing must make directories while the rest is put back.
			await Promise.allSettled([ready]);
		}
		for (const file of empty) this.#complete(file);
		progress.advance({ files: empty.length, bytes: 0 });
	}

	async #writeElsewhere(
		thread: WriteThread,
		block: BlockRef,
		stored: Buffer,
		files: readonly NewFile[],
	): Promise<void> {
		const stats = await thread.write(block, stored, files);
		let bytes = 0;
		for (const [index, { path, length }] of files.entries()) {
			this.#written.set(path, { stat: stats[index], quick: undefined });
			bytes += length;
		}
		this.#writer.noteWritten(bytes);
		this.#done.bytes += bytes;
		this.#done.files += files.length;
		this.#advance();
	}

	#advance(): void {
		this.#options.progress.advance(this.#done);
		this.#done = { files: 0, bytes: 0 };
	}

	#threadFor(toWrite: readonly [Path, FileEntry][]): WriteThread | undefined {
		// Before the end no directory in which the other thread writes is revealed.
		if (!toWrite.every(([path]) => this.#writer.staysHidden(path))) return undefined;
		if (!isWorthThread(toWrite.map(([, entry]) => entry))) return undefined;
		return this.#thread ?? new WriteThread();
	}

	/** All uses of the chunks, if another thread may write them; else undefined. */
	#newFiles(chunks: Iterable<ChunkRef>, uses: Uses): NewFile[] | undefined {
		const files: NewFile[] = [];
		for (const chunk of chunks)
			for (const { file } of uses.get(chunk) ?? []) {
				const { path, entry, isLast } = file;
				const place = this.#writer.hiddenPlace(path);
				if (entry.chunks.length > 1 || isLast || place === undefined) return undefined;
				if (files.length === MOST_FILES) return undefined;
				const { sha256, offset, length } = chunk;
				const mode = this.#modeOf(path, entry.mode);
				files.push({ path, place, mode, mtimeNs: entry.mtimeNs, sha256, offset, length });
			}
		return files;
	}

	#takeChunk(
		bytes: Buffer,
		places: readonly { readonly file: Awaited; readonly index: number }[],
	): void {
		// The zeros of a hole have thousands of places, so check them once.
		const isHole = places.length > 1 && isZeros(bytes);
		let quick: bigint | undefined;
		for (const { file, index } of places) {
			if (file.quick !== undefined) file.quick[index] = quick ??= this.#options.quickHash(bytes);
			file.left--;
			if (file.entry.chunks.length === 1) file.whole = file.isLast ? Buffer.from(bytes) : bytes;
			else {
				file.staged ??= this.#writer.stageFile(file.path, file.entry.size);
				if (!isHole) file.staged.writeAt(index * 2 ** file.entry.chunkBits, bytes);
			}
			this.#done.bytes += bytes.length;
			if (file.left > 0) continue;
			this.#done.files++;
			this.#complete(file);
		}
	}

	#complete(file: Awaited): void {
		if (file.isLast) this.#last.push(file);
		else this.#finish(file);
	}

	#finish({ path, entry, staged, whole, quick }: Awaited): void {
		if (!this.#writer.isHidden(path)) {
			// It changed during the fetch: do not overwrite it even now.
			this.#makeRoom(path);
			if (entry.chunkBits === SQLITE_CHUNK_BITS) this.#clearCompanions(path);
		}
		const mode = this.#modeOf(path, entry.mode);
		const stat =
			whole === undefined
				? staged?.finish(mode, entry.mtimeNs)
				: this.#writer.placeFile(path, whole, mode, entry.mtimeNs);
		this.#written.set(path, { stat, quick });
	}

	/** A secret gets no rights for others, whatever mode was stored. */
	#modeOf(path: Path, mode: number): number {
		return this.#options.profile.secret(path) ? mode & 0o700 : mode;
	}

	#writeLinks(): void {
		for (const [path, entry] of this.#target) {
			if (entry.type !== "link" || !isWritten(this.#plan.get(path) as Action)) continue;
			// It appeared during the fetch.
			if (!this.#writer.isHidden(path)) this.#makeRoom(path);
			this.#written.set(path, {
				stat: this.#writer.placeLink(path, entry.target, entry.mtimeNs),
				quick: undefined,
			});
		}
	}

	/** Directories get theirs at the very end. */
	#setKeptTimes(): void {
		for (const path of this.#retimed) {
			const entry = this.#target.get(path);
			if (entry === undefined || entry.type === "dir") continue;
			const there = lstatPath(this.#options.root, path);
			// It changed since the plan: its time is an edit of this disk.
			if (there === undefined || !this.#wasSeen(path, there)) continue;
			this.#writer.setTime(path, entry.mtimeNs);
			const stat = lstatPath(this.#options.root, path);
			if (stat !== undefined) this.#timed.set(path, stat);
		}
	}

	/** Kept files and links whose time was set. */
	get timed(): number {
		return this.#timed.size;
	}
}
