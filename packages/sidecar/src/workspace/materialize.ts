/**
 * Writes a tree to the disk, so that a file is seen whole or not at all.
 *
 * What is missing as a whole directory is put together out of sight and renamed into place in one go, by `reveal`: a file in it costs
 * no name and no rename of its own (5 calls instead of 9). Every other file is written under a temporary name and renamed.
 *
 * Guarantees: nothing is written outside the workspace (the caller hands in checked paths and makes every parent through
 * `makeDirectory`, which never passes through a link); what was in the way was moved aside by the caller. What a killed restore left
 * out of sight is removed by the next one.
 * Does NOT fsync: one `syncfs` after all of it costs 0.1-0.25 s, an fsync per file 4-8 times the whole restore (physics, section 1). So
 * that the last one finds little to do, others run beside the writing.
 */
import {
	chmodSync,
	closeSync,
	constants,
	existsSync,
	fchmodSync,
	fstatSync,
	ftruncateSync,
	lstatSync,
	mkdirSync,
	openSync,
	renameSync,
	rmdirSync,
	rmSync,
	statfsSync,
	symlinkSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { SidecarError, systemRefusal } from "../errors.ts";
import { encodePath, fsPath, isEscaped, isRootItself, parentOf, ROOTS_DIRECTORY, type Root } from "../path.ts";
import type { FileTimes } from "./file-times.ts";
import { RESERVED_DIRECTORY } from "./filter.ts";
import { makeDirectories } from "./make-directories.ts";
import { move } from "./move.ts";
import { COMPANIONS, filesOf } from "./sqlite-file.ts";
import { lstatPath, type Stat, statOf, toStat } from "./stat.ts";

/** A file being put together; `finish` makes it visible. */
export interface StagedFile {
	writeAt(offset: number, bytes: Buffer): void;
	/** @returns what the kernel says of it then; undefined where somebody took it away at once */
	finish(mode: number, mtimeNs: bigint): Stat | undefined;
}

/** A directory that nobody sees yet, with all that is in it. */
interface Hidden {
	readonly path: string;
	/** Absolute. */
	readonly staged: string;
}

const ZEROS = Buffer.alloc(1024 * 1024);
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
/** Written between two calls to the disk: it works while files are made, not after (500 ms less on a busy disk). */
const WRITE_BACK_BYTES = 16 * 1024 * 1024;
/** PATH_MAX without its NUL. */
const MAX_PLACE_BYTES = 4095;

export class Materializer {
	readonly #root: Root;
	/** The workspace's own directory, and those of additional roots. */
	readonly #directories: readonly string[];
	readonly #times: FileTimes;
	/** Every directory in a hidden one, and that itself, by path. */
	readonly #hidden = new Map<string, Hidden>();
	/** The staged file written to last: its next part finds it open. */
	#open: { readonly file: string; readonly fd: number } | undefined;
	#count = 0;
	#unsyncedBytes = 0;
	#syncing: Promise<unknown> | undefined;

	/**
	 * Makes the workspace and its additional roots where they are not there, and a staging directory inside each (a rename must not leave
	 * the file system, and each may be a mount).
	 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_READ_ONLY, WORKSPACE_DISK_FULL
	 */
	constructor(root: Root, times: FileTimes) {
		this.#root = root;
		this.#times = times;
		this.#directories = typeof root === "string" ? [root] : root.directories;
		for (const directory of this.#directories) {
			explain(directory, () => {
				// The agent may be another user, and must get there.
				makeDirectories(directory, 0o755);
				// Left over from a restore that was killed.
				rmSync(join(directory, RESERVED_DIRECTORY), { recursive: true, force: true });
				mkdirSync(stagingOf(directory), { recursive: true, mode: 0o700 });
			});
		}
	}

	/** The file system that a path goes to, and the bytes an ordinary user may still write to it. */
	spaceFor(path: string): { readonly directory: string; readonly device: bigint; readonly freeBytes: number } {
		const directory = this.#directoryOf(path);
		const { bavail, bsize } = statfsSync(directory);
		return { directory, device: statOf(directory)?.dev ?? 0n, freeBytes: bavail * bsize };
	}

	/** Writable for us until `finishDirectory` gives it its mode; out of sight until `reveal` where it is new. */
	makeDirectory(path: string): void {
		if (this.#isNowhere(path)) return;
		explain(path, () => {
			const place = this.#placeOf(path);
			const above = this.#hidden.get(parentOf(path));
			if (above !== undefined) {
				mkdirSync(place, { mode: 0o700 });
				this.#hidden.set(path, above);
				return;
			}
			const there = lstatSync(place, { throwIfNoEntry: false });
			if (there === undefined) {
				const staged = this.#stagingName(path);
				mkdirSync(staged, { mode: 0o700 });
				this.#hidden.set(path, { path, staged });
			} else if (!there.isDirectory())
				throw new SidecarError("INTERNAL", { value: path, reason: "something else is in the way of a directory" });
			else if ((there.mode & 0o700) !== 0o700) chmodSync(place, 0o700);
		});
	}

	/** Is it in a directory that nobody sees yet? Then nothing else can be at its place. */
	isHidden(path: string): boolean {
		return this.#hidden.has(parentOf(path));
	}

	/**
	 * Puts every new directory in its place. An empty directory that came there meanwhile gives way.
	 * @param makeWay is called where something else came there meanwhile; it must be gone afterwards
	 */
	reveal(makeWay: (path: string) => void): void {
		for (const hidden of new Set(this.#hidden.values())) {
			try {
				this.#reveal(hidden);
			} catch (error) {
				const { code } = error as NodeJS.ErrnoException;
				if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOTDIR") throw failure(hidden.path, error);
				makeWay(hidden.path);
				explain(hidden.path, () => this.#reveal(hidden));
			}
		}
	}

	/** After `reveal`. @returns what the kernel says of it then; undefined where somebody took it away at once */
	finishDirectory(path: string, mode: number, mtimeNs: bigint): Stat | undefined {
		if (this.#isNowhere(path)) return lstatPath(this.#root, path);
		const target = fsPath(this.#root, path);
		return explain(path, () => {
			chmodSync(target, mode);
			this.#times.setMtime(target, mtimeNs);
			return statOf(target);
		});
	}

	/** A file whose bytes are all here. @returns as `finishDirectory` */
	placeFile(path: string, bytes: Buffer, mode: number, mtimeNs: bigint): Stat | undefined {
		return explain(path, () => {
			const place = this.#placeOf(path);
			const isHidden = this.isHidden(path);
			const file = isHidden ? place : this.#stagingName(path);
			const fd = openSync(file, CREATE, mode);
			let stat: Stat;
			try {
				this.#write(fd, bytes, 0);
				stat = this.#seal(fd, mode, mtimeNs);
			} finally {
				closeSync(fd);
			}
			return isHidden ? stat : renamed(file, place);
		});
	}

	/** A file of `size` bytes that comes in parts, in any order. Parts that hold only zeros stay holes. */
	stageFile(path: string, size: number): StagedFile {
		const staged = this.#stagingName(path);
		explain(path, () => ftruncateSync(this.#openPart(staged, CREATE), size));
		return {
			writeAt: (offset, bytes) => {
				if (bytes.length <= ZEROS.length && bytes.equals(ZEROS.subarray(0, bytes.length))) return;
				explain(path, () => this.#write(this.#openPart(staged), bytes, offset));
			},
			finish: (mode, mtimeNs) =>
				explain(path, () => {
					this.#seal(this.#openPart(staged), mode, mtimeNs);
					this.#closePart();
					return renamed(staged, this.#placeOf(path));
				}),
		};
	}

	/** @returns as `finishDirectory` */
	placeLink(path: string, target: string, mtimeNs: bigint): Stat | undefined {
		return explain(path, () => {
			const place = this.#placeOf(path);
			const link = this.isHidden(path) ? place : this.#stagingName(path);
			symlinkSync(isEscaped(target) ? encodePath(target) : target, link);
			this.#times.setMtime(link, mtimeNs);
			return link === place ? statOf(place) : renamed(link, place);
		});
	}

	setTime(path: string, mtimeNs: bigint): void {
		explain(path, () => this.#times.setMtime(fsPath(this.#root, path), mtimeNs));
	}

	/** `-wal`, `-shm` and `-journal` of another life of this database would corrupt it (incidents 22-24). */
	removeDatabaseSidecars(path: string): void {
		for (const suffix of COMPANIONS)
			explain(path, () => {
				const companion = fsPath(this.#root, path + suffix);
				// A directory by such a name is the agent's own, and in the log.
				if (lstatSync(companion, { throwIfNoEntry: false })?.isDirectory() !== true) rmSync(companion, { force: true });
			});
	}

	/** A free name for `path` in `directory`, also for what may accompany a database: its own, or with a number behind it. */
	asideName(path: string, directory: string): string {
		let name = path;
		for (let count = 1; filesOf(name).some((each) => existsSync(fsPath(directory, each))); count++) name = `${path}.${count}`;
		return name;
	}

	/** Moves what is at `path` to `directory/name`. @returns its absolute path there; undefined where nothing is at `path` */
	moveAside(path: string, directory: string, name: string): string | undefined {
		const from = fsPath(this.#root, path);
		return explain(path, () => {
			if (lstatSync(from, { throwIfNoEntry: false }) === undefined) return undefined;
			const to = fsPath(directory, name);
			mkdirSync(fsPath(directory, parentOf(name)), { recursive: true, mode: 0o700 });
			move(from, to);
			return to.toString();
		});
	}

	/** Undoes `moveAside`. @returns false where something is in its place, or it cannot be moved */
	putBack(path: string, directory: string, name: string): boolean {
		const to = fsPath(this.#root, path);
		try {
			if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) return false;
			move(fsPath(directory, name), to);
			return true;
		} catch {
			return false;
		}
	}

	/** Only where nothing is left in it; never an additional root itself, which may be a mount. */
	removeEmptyDirectory(path: string): void {
		if (this.#isNowhere(path) || isRootItself(this.#root, path)) return;
		try {
			rmdirSync(fsPath(this.#root, path));
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code;
			if (code !== "ENOTEMPTY" && code !== "ENOENT" && code !== "EEXIST") throw failure(path, error);
		}
	}

	/** One call for everything written to a directory. False where the system cannot say. */
	async sync(): Promise<boolean> {
		const synced = await Promise.all(this.#directories.map((directory) => this.#times.syncfs(directory)));
		return synced.every((isSafe) => isSafe);
	}

	/** Settled when no call to the disk is under way, so that nothing keeps the file system busy. */
	async settle(): Promise<void> {
		await this.#syncing;
	}

	/** What is still out of sight goes. */
	close(): void {
		this.#closePart();
		for (const directory of this.#directories) rmSync(join(directory, RESERVED_DIRECTORY), { recursive: true, force: true });
	}

	/** Where a path is as long as its directory is out of sight. */
	#placeOf(path: string): string | Buffer {
		const hidden = this.#hidden.get(parentOf(path));
		if (hidden !== undefined) {
			const place = fsPath(hidden.staged, path.slice(hidden.path.length + 1));
			if (Buffer.byteLength(place) <= MAX_PLACE_BYTES) return place;
			// Its own place is nearer to the root.
			this.#reveal(hidden);
		}
		return fsPath(this.#root, path);
	}

	#reveal(hidden: Hidden): void {
		renameSync(hidden.staged, fsPath(this.#root, hidden.path));
		for (const [path, within] of this.#hidden) if (within === hidden) this.#hidden.delete(path);
	}

	#write(fd: number, bytes: Buffer, position: number): void {
		for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written, bytes.length - written, position + written);
		this.#unsyncedBytes += bytes.length;
		if (this.#unsyncedBytes < WRITE_BACK_BYTES || this.#syncing !== undefined) return;
		this.#unsyncedBytes = 0;
		this.#syncing = this.sync().finally(() => {
			this.#syncing = undefined;
		});
	}

	/** The umask may have taken bits from the mode it was made with. */
	#seal(fd: number, mode: number, mtimeNs: bigint): Stat {
		this.#times.setOpenMtime(fd, mtimeNs);
		const stat = toStat(fstatSync(fd, { bigint: true }));
		if (stat.mode === mode) return stat;
		fchmodSync(fd, mode);
		return toStat(fstatSync(fd, { bigint: true }));
	}

	/** One at a time: thousands of files may be in the making at once, and the parts of one mostly come together. */
	#openPart(file: string, flags: number = constants.O_WRONLY): number {
		if (this.#open?.file === file) return this.#open.fd;
		this.#closePart();
		this.#open = { file, fd: openSync(file, flags, 0o600) };
		return this.#open.fd;
	}

	#closePart(): void {
		const open = this.#open;
		this.#open = undefined;
		if (open !== undefined) closeSync(open.fd);
	}

	/** On the file system of the path itself. */
	#stagingName(path: string): string {
		this.#count++;
		return join(stagingOf(this.#directoryOf(path)), this.#count.toString(36));
	}

	/** @throws SidecarError INTERNAL where the path has no place on this disk: nothing may be written for it */
	#directoryOf(path: string): string {
		const directory = typeof this.#root === "string" ? this.#root : this.#root.locate(path)?.[0];
		if (directory === undefined) throw new SidecarError("INTERNAL", { value: path, reason: "a path with no place on this disk" });
		return directory;
	}

	/** The directory of additional roots, which is on no disk. */
	#isNowhere(path: string): boolean {
		return path === ROOTS_DIRECTORY && typeof this.#root !== "string";
	}
}

function stagingOf(directory: string): string {
	return join(directory, RESERVED_DIRECTORY, "staging");
}

/** The rename itself is a change of the file's status. */
function renamed(from: string | Buffer, to: string | Buffer): Stat | undefined {
	renameSync(from, to);
	return statOf(to);
}

/** Runs file system work and turns what it throws into an error with a remedy. */
function explain<Result>(path: string, work: () => Result): Result {
	try {
		return work();
	} catch (error) {
		throw failure(path, error);
	}
}

function failure(path: string, error: unknown): SidecarError {
	if (error instanceof SidecarError) return error;
	const { code } = error as NodeJS.ErrnoException;
	const detail = { value: path, reason: code ?? String(error), cause: error };
	if (code === "ENOSPC" || code === "EDQUOT") return new SidecarError("WORKSPACE_DISK_FULL", detail);
	if (code === "EACCES" || code === "EPERM" || code === "EROFS") return new SidecarError("WORKSPACE_READ_ONLY", detail);
	if (code === "ENOTDIR" || code === "EEXIST") return new SidecarError("WORKSPACE_NOT_DIRECTORY", detail);
	return systemRefusal(error, path) ?? new SidecarError("INTERNAL", detail);
}
