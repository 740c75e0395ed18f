import { setImmediate as nextTurn } from "node:timers/promises";
import { isInvented } from "../commit/quarantined.ts";
import { readChunks } from "../commit/read-content.ts";
import type { LogRead } from "../commit/read-log.ts";
import { isBelowAny } from "../disk/check-mounts.ts";
import { type Displaced, DisplacedJournal, trashOf } from "../disk/displaced.ts";
import { LocalTree } from "../disk/local-tree.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { ChunkRef, FileEntry, Path, Tree } from "../log/types.ts";
import { isRootItself, parentOf, ROOTS_DIRECTORY } from "../path.ts";
import { isZeros } from "../workspace/holes.ts";
import type { Materializer, StagedFile } from "../workspace/materialize.ts";
import { Slice } from "../workspace/slice.ts";
import { isSqlite } from "../workspace/sqlite-file.ts";
import { lstatPath, type Stat, sameStat } from "../workspace/stat.ts";
import type { DiskPlan } from "./plan-disk.ts";
import type { Action } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";

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

/** Executes a plan. */
export class RestoreWork {
	readonly #options: RestoreOptions;
	readonly #writer: Materializer;
	readonly #plan: ReadonlyMap<Path, Action>;
	readonly #target: Tree;
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
	readonly #written = new Map<
		Path,
		{ readonly stat: Stat | undefined; readonly quick: BigUint64Array | undefined }
	>();
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
	) {
		this.#before = planned.unset;
		this.#keepMode = keepMode;
		this.#options = options;
		this.#writer = writer;
		this.#plan = planned.plan;
		this.#target = planned.target;
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
		if (this.#options.at !== undefined) this.#setKeptTimes();
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
			const stat = written === undefined ? this.#disk.get(path) : written.stat;
			if (stat === undefined) continue;
			if (written === undefined && !this.#keepMode.has(path))
				this.unset.keep(this.#before, path, entry, stat);
			else if (
				path !== ROOTS_DIRECTORY &&
				this.unset.compare(
					path,
					entry,
					entry.type === "link" ? 0 : this.#modeOf(path, entry.mode),
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
	 * Whether this disk may have the only copy of the path. A directory that stays a directory loses
	 * nothing.
	 */
	#isOnlyCopy(path: Path): boolean {
		const there = lstatPath(this.#options.root, path);
		if (there === undefined || (there.type === "dir" && this.#target.get(path)?.type === "dir"))
			return false;
		if (there.type === "dir") return this.#plan.get(path) !== "trash";
		return !(this.#inLog.has(path) && this.#wasSeen(path, there));
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
		if (this.#options.at !== undefined)
			for (const [path, entry] of this.#target) if (entry.type === "dir") wanted.add(path);
		return [...wanted].sort((a, b) => a.length - b.length);
	}

	/** @param ready nothing is written before it resolves */
	async #writeFiles(toWrite: readonly [Path, FileEntry][], ready: Promise<unknown>): Promise<void> {
		const { store, profile, progress, signal } = this.#options;
		const last = new Set(profile.restoredLast);
		const empty: Awaited[] = [];
		const uses = new Map<ChunkRef, { readonly file: Awaited; readonly index: number }[]>();
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
		const reading = readChunks(
			store,
			uses.keys(),
			this.#read.starts,
			async (found) => {
				await ready;
				for (const { chunk, bytes } of found) this.#takeChunk(bytes, uses.get(chunk) ?? []);
				progress.advance(this.#done);
				this.#done = { files: 0, bytes: 0 };
				if (this.#slice.isOver) await this.#slice.next();
			},
			signal,
		);
		await Promise.all([reading, ready]);
		for (const file of empty) this.#complete(file);
		progress.advance({ files: empty.length, bytes: 0 });
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
			const there = lstatPath(this.#options.root, path);
			// It changed during the fetch: do not overwrite it even now.
			if (there !== undefined && !this.#wasSeen(path, there)) this.#moveAside(path);
			if (entry.chunkBits === SQLITE_CHUNK_BITS) this.#writer.removeDatabaseSidecars(path);
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
			this.#written.set(path, {
				stat: this.#writer.placeLink(path, entry.target, entry.mtimeNs),
				quick: undefined,
			});
		}
	}

	/** `--at` promises that exact commit, so kept paths get its times too. */
	#setKeptTimes(): void {
		for (const [path, entry] of this.#target)
			if (this.#plan.get(path) === "keep" && entry.type !== "dir")
				this.#writer.setTime(path, entry.mtimeNs);
	}
}
