/**
 * Writes a tree to the disk so that a file is visible completely or not at all.
 *
 * A directory that is missing as a whole is assembled in staging and renamed into place in one
 * step, by `reveal`. A file in it needs no temporary name and no rename (5 calls instead of 9), and
 * another thread may create it at its `hiddenPlace`.
 * Every other file is written under a temporary name and renamed. A rename cannot leave a mount, so
 * each mount has its own staging directory, made when it is first needed. A single file that is a
 * mount point cannot be replaced by a rename. It is written in place, and a kill in between leaves
 * it torn until the next restore.
 *
 * Modes and times that cannot be set are left unchanged. Each call returns what the disk has.
 *
 * In a directory that is no workspace, each staging directory has a new name, and nothing else is
 * removed: what has the reserved name there may be a store.
 *
 * Guarantees: nothing is written outside the workspace. The caller passes checked paths and makes
 * every parent through `makeDirectory`, which never passes through a link. The caller has already
 * moved obstacles aside. The next restore removes what a killed restore left in staging.
 * Does NOT fsync each file: one `syncfs` at the end costs 0.1-0.25 s, an fsync per file 4-8 times
 * the whole restore (physics, section 1). Other `syncfs` calls run during the writes, so that the
 * last one has little to do.
 */
import {
	chmodSync,
	closeSync,
	constants,
	existsSync,
	ftruncateSync,
	lstatSync,
	mkdirSync,
	openSync,
	renameSync,
	rmdirSync,
	rmSync,
	statfsSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import {
	encodePath,
	fsPath,
	isEscaped,
	isRootItself,
	joinPath,
	parentOf,
	ROOTS_DIRECTORY,
	type Root,
	rootNameOf,
	rootPath,
} from "../path.ts";
import { explain, failure, tryTo } from "./disk-failure.ts";
import type { FileTimes } from "./file-times.ts";
import { RESERVED_DIRECTORY } from "./filter.ts";
import { type InnerMounts, readInnerMounts } from "./inner-mounts.ts";
import { makeDirectories } from "./make-directories.ts";
import { copyAside, move, overwrite } from "./move.ts";
import { COMPANIONS, filesOf } from "./sqlite-file.ts";
import { lstatPath, type Stat, statOf } from "./stat.ts";
import { CREATE, sealFile, writeAll, writeFile } from "./write-file.ts";

/** A file that is being assembled; `finish` makes it visible. */
export interface StagedFile {
	writeAt(offset: number, bytes: Buffer): void;
	/** @returns the resulting stat; undefined if the file was removed immediately */
	finish(mode: number, mtimeNs: bigint): Stat | undefined;
}

/** A directory that is not yet visible, with its content. */
interface Hidden {
	readonly path: string;
	/** Below a staging directory, as a path of the tree. */
	readonly staged: string;
}

/**
 * A name in a staging directory that is never a rename's target. The kernel refuses it only if the
 * rest of the rename is allowed.
 */
export interface Probe {
	readonly file: string | Buffer;
	readonly directory: string | Buffer;
}

const ZEROS = Buffer.alloc(1024 * 1024);
const OVERWRITE = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW;
/**
 * Bytes between two calls to write back to the disk. The disk then works while files are made, not
 * afterwards (500 ms less on a busy disk).
 */
const WRITE_BACK_BYTES = 16 * 1024 * 1024;
/** PATH_MAX without its NUL. */
const MAX_PLACE_BYTES = 4095;
/** More than the name of a hidden directory adds to a path. */
const STAGED_BYTES = 100;

export class Materializer {
	readonly #root: Root;
	/** The workspace's own directory and those of additional roots, as paths of the tree. */
	readonly #bases: readonly string[];
	#mounts: InnerMounts;
	/** Mounts that have a staging directory, and its name there. */
	readonly #staging = new Map<string, string>();
	readonly #isForeign: boolean;
	readonly #probes = new Map<string, Probe>();
	/** Directories that were made writable, with the mode to set back. */
	readonly #opened = new Map<string, number>();
	readonly #times: FileTimes;
	/** Every hidden directory and every directory inside it, by path. */
	readonly #hidden = new Map<string, Hidden>();
	/** The staged file that was written last; kept open for its next part. */
	#open: { readonly file: string | Buffer; readonly fd: number } | undefined;
	#count = 0;
	#unsyncedBytes = 0;
	#syncing: Promise<unknown> | undefined;

	private constructor(root: Root, times: FileTimes, mounts: InnerMounts, isForeign: boolean) {
		this.#root = root;
		this.#isForeign = isForeign;
		this.#times = times;
		this.#bases = typeof root === "string" ? [""] : ["", ...[...root.others.keys()].map(rootPath)];
		this.#mounts = mounts;
	}

	/**
	 * Makes the workspace and its additional roots if they are missing.
	 * @param isForeign it is a plain directory, in which nothing is the sidecar's
	 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_READ_ONLY, WORKSPACE_DISK_FULL
	 */
	static open(root: Root, times: FileTimes, isForeign = false): Materializer {
		// The agent may be another user and needs access.
		for (const directory of typeof root === "string" ? [root] : root.directories)
			explain(directory, () => {
				makeDirectories(directory, 0o755);
				if (!isForeign) copyUp(directory);
			});
		const opened = new Materializer(root, times, readInnerMounts(root), isForeign);
		if (isForeign) return opened;
		// Left by a restore that was killed.
		for (const mount of [...opened.#bases, ...opened.#mounts.directories])
			opened.#removeStaging(mount, RESERVED_DIRECTORY);
		return opened;
	}

	get mounts(): InnerMounts {
		return this.#mounts;
	}

	/** Sets the mounts that a scan found, for a kernel that does not list them. */
	assumeMounts(mounts: InnerMounts): void {
		this.#mounts = mounts;
	}

	/**
	 * The mount that contains the name `path`: a mount point inside the workspace, an additional
	 * root, or "".
	 */
	mountOf(path: string): string {
		const inner = this.#mounts.directories.find((mount) => path.startsWith(`${mount}/`));
		if (inner !== undefined) return inner;
		const name = typeof this.#root === "string" ? undefined : rootNameOf(path);
		return name === undefined ? "" : rootPath(name);
	}

	/** The file system that holds a path, and the bytes an ordinary user may still write to it. */
	spaceFor(path: string): {
		readonly directory: string;
		readonly device: bigint;
		readonly freeBytes: number;
	} {
		const directory = fsPath(this.#root, this.mountOf(path));
		const { bavail, blocks, bsize } = statfsSync(directory);
		// Some FUSE file systems report no blocks at all, so their answer is meaningless.
		const freeBytes = blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
		return { directory: String(directory), device: statOf(directory)?.dev ?? 0n, freeBytes };
	}

	/**
	 * For `renameSync`: renaming a directory to the file, or anything else to the directory, always
	 * fails. The kernel first checks that it may leave its place (ENOTDIR and EISDIR then).
	 * @throws NodeJS.ErrnoException if the mount's top directory cannot be written
	 */
	probeFor(path: string): Probe {
		const mount = this.mountOf(path);
		const known = this.#probes.get(mount);
		if (known !== undefined) return known;
		const [file, directory] = [this.#stagingName(path), this.#stagingName(path)].map((staged) =>
			fsPath(this.#root, staged),
		);
		const probe = { file: file as string | Buffer, directory: directory as string | Buffer };
		writeFileSync(probe.file, "", { mode: 0o600 });
		mkdirSync(probe.directory, { mode: 0o700 });
		this.#probes.set(mount, probe);
		return probe;
	}

	/** Makes one of the workspace's directories writable until `close`. */
	open(path: string, mode: number): void {
		if (this.#opened.has(path)) return;
		explain(path, () => chmodSync(fsPath(this.#root, path), (mode & 0o7777) | 0o700));
		this.#opened.set(path, mode & 0o7777);
	}

	/**
	 * Makes a directory. A new one is hidden until `reveal`, and writable until `finishDirectory`
	 * sets its mode.
	 */
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
				mkdirSync(fsPath(this.#root, staged), { mode: 0o700 });
				this.#hidden.set(path, { path, staged });
			} else if (!there.isDirectory())
				throw new SidecarError("INTERNAL", {
					value: path,
					reason: "something else is in the way of a directory",
				});
		});
	}

	/** Is it in a directory that is not yet visible? Then nothing else can be at its place. */
	isHidden(path: string): boolean {
		return this.#hidden.has(parentOf(path));
	}

	/**
	 * Where a new file may be created directly. Undefined if its directory is visible, or if the name
	 * is not UTF-8.
	 */
	hiddenPlace(path: string): string | undefined {
		const hidden = this.#hidden.get(parentOf(path));
		if (hidden === undefined) return undefined;
		const place = fsPath(this.#root, `${hidden.staged}${path.slice(hidden.path.length)}`);
		return typeof place === "string" ? place : undefined;
	}

	/**
	 * Whether the file fits in staging for certain. Otherwise its directory is revealed early, because
	 * its own place is nearer to the root.
	 */
	staysHidden(path: string): boolean {
		const { length } = String(fsPath(this.#root, this.mountOf(path)));
		return 3 * (length + path.length) + STAGED_BYTES <= MAX_PLACE_BYTES;
	}

	/**
	 * Moves every new directory to its place. Replaces an empty directory that appeared there
	 * meanwhile.
	 * @param makeWay is called if anything else appeared there meanwhile; it must remove it
	 */
	reveal(makeWay: (path: string) => void): void {
		for (const hidden of new Set(this.#hidden.values())) {
			try {
				this.#reveal(hidden);
			} catch (error) {
				const { code } = error as NodeJS.ErrnoException;
				if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOTDIR")
					throw failure(hidden.path, error);
				makeWay(hidden.path);
				explain(hidden.path, () => this.#reveal(hidden));
			}
		}
	}

	/**
	 * Call after `reveal`. @returns the resulting stat; undefined if the directory was removed
	 * immediately
	 */
	finishDirectory(path: string, mode: number, mtimeNs: bigint): Stat | undefined {
		if (this.#isNowhere(path)) return lstatPath(this.#root, path);
		const target = fsPath(this.#root, path);
		return explain(path, () => {
			const there = statOf(target);
			if (there === undefined) return undefined;
			this.#opened.delete(path);
			const isChanged = there.mode !== mode && tryTo(() => chmodSync(target, mode));
			const isMoved =
				there.mtimeNs !== mtimeNs && tryTo(() => this.#times.setMtime(target, mtimeNs));
			return isChanged || isMoved ? statOf(target) : there;
		});
	}

	/** Writes a file whose bytes are complete. @returns like `finishDirectory` */
	placeFile(path: string, bytes: Buffer, mode: number, mtimeNs: bigint): Stat | undefined {
		return explain(path, () => {
			const place = this.#placeOf(path);
			const isHidden = this.isHidden(path);
			const isInPlace = this.#mounts.files.has(path);
			const file = isHidden || isInPlace ? place : fsPath(this.#root, this.#stagingName(path));
			const flags = isInPlace ? OVERWRITE : CREATE;
			const stat = writeFile(file, flags, bytes, mode, mtimeNs, this.#times);
			this.noteWritten(bytes.length);
			return file === place ? stat : renamed(file, place);
		});
	}

	/**
	 * A file of `size` bytes that arrives in parts, in any order. Parts that hold only zeros stay
	 * holes.
	 */
	stageFile(path: string, size: number): StagedFile {
		const staged = explain(path, () => fsPath(this.#root, this.#stagingName(path)));
		explain(path, () => ftruncateSync(this.#openPart(staged, CREATE), size));
		return {
			writeAt: (offset, bytes) => {
				if (bytes.length <= ZEROS.length && bytes.equals(ZEROS.subarray(0, bytes.length))) return;
				explain(path, () => writeAll(this.#openPart(staged), bytes, offset));
				this.noteWritten(bytes.length);
			},
			finish: (mode, mtimeNs) =>
				explain(path, () => {
					if (this.#mounts.files.has(path)) return this.#copyInPlace(path, staged, mode, mtimeNs);
					sealFile(this.#openPart(staged), mode, mtimeNs, this.#times);
					this.#closePart();
					return renamed(staged, this.#placeOf(path));
				}),
		};
	}

	/** @returns like `finishDirectory` */
	placeLink(path: string, target: string, mtimeNs: bigint): Stat | undefined {
		return explain(path, () => {
			const place = this.#placeOf(path);
			const link = this.isHidden(path) ? place : fsPath(this.#root, this.#stagingName(path));
			symlinkSync(isEscaped(target) ? encodePath(target) : target, link);
			tryTo(() => this.#times.setMtime(link, mtimeNs));
			return link === place ? statOf(place) : renamed(link, place);
		});
	}

	/** @returns false if it cannot be set */
	setTime(path: string, mtimeNs: bigint): boolean {
		return explain(path, () =>
			tryTo(() => this.#times.setMtime(fsPath(this.#root, path), mtimeNs)),
		);
	}

	/**
	 * Leftover `-wal`, `-shm` and `-journal` files of an earlier database would corrupt this one
	 * (incidents 22-24). The caller has moved away what may have rows.
	 */
	removeDatabaseSidecars(path: string): void {
		for (const suffix of COMPANIONS)
			explain(path, () => {
				const companion = fsPath(this.#root, path + suffix);
				// A directory with this name belongs to the agent and is in the log.
				if (lstatSync(companion, { throwIfNoEntry: false })?.isDirectory() !== true)
					rmSync(companion, { force: true });
			});
	}

	/**
	 * A free name for `path` in `directory`, and for the files that may accompany a database: its own
	 * name, or that name with a number appended.
	 */
	asideName(path: string, directory: string): string {
		let name = path;
		for (let count = 1; filesOf(name).some((each) => existsSync(fsPath(directory, each))); count++)
			name = `${path}.${count}`;
		return name;
	}

	/**
	 * Moves the entry at `path` to `directory/name`. Copies a file that is a mount point, because it
	 * cannot be moved.
	 * @returns its new absolute path; undefined if there is nothing at `path`
	 */
	moveAside(path: string, directory: string, name: string): string | undefined {
		const from = fsPath(this.#root, path);
		return explain(path, () => {
			if (lstatSync(from, { throwIfNoEntry: false }) === undefined) return undefined;
			const to = fsPath(directory, name);
			mkdirSync(fsPath(directory, parentOf(name)), { recursive: true, mode: 0o700 });
			if (this.#mounts.files.has(path)) copyAside(from, to);
			else move(from, to);
			const mode = this.#opened.get(path);
			if (mode !== undefined) tryTo(() => chmodSync(to, mode));
			this.#opened.delete(path);
			return to.toString();
		});
	}

	/** Undoes `moveAside`. @returns false if its place is taken or it cannot be moved */
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

	/** Only if it is empty. Never removes an additional root, which may be a mount. */
	removeEmptyDirectory(path: string): void {
		if (this.#isNowhere(path) || isRootItself(this.#root, path)) return;
		try {
			rmdirSync(fsPath(this.#root, path));
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code;
			// EBUSY: it became a mount point.
			if (code !== "ENOTEMPTY" && code !== "ENOENT" && code !== "EEXIST" && code !== "EBUSY")
				throw failure(path, error);
		}
	}

	/** Flushes everything written to a directory. False if the system cannot tell. */
	async sync(): Promise<boolean> {
		const mounts = new Set([...this.#bases, ...this.#staging.keys()]);
		const synced = await Promise.all(
			[...mounts].map((mount) => this.#times.syncfs(String(fsPath(this.#root, mount)))),
		);
		return synced.every((isSafe) => isSafe);
	}

	/** Resolves when no call to the disk is running, so that nothing keeps the file system busy. */
	async idle(): Promise<void> {
		await this.#syncing;
	}

	/**
	 * Removes what is still hidden, and restores the modes of directories that were made writable.
	 */
	close(): void {
		this.#closePart();
		for (const [mount, name] of this.#staging) this.#removeStaging(mount, name);
		this.#staging.clear();
		this.#probes.clear();
		// The innermost first: an outer one may not be searchable afterwards.
		for (const [path, mode] of [...this.#opened].sort(([a], [b]) => b.length - a.length)) {
			const place = fsPath(this.#root, path);
			if (statOf(place)?.type === "dir") tryTo(() => chmodSync(place, mode));
		}
		this.#opened.clear();
	}

	/** Best effort: the filter hides what remains, and the next restore tries again. */
	#removeStaging(mount: string, name: string): void {
		const staging = fsPath(this.#root, joinPath(mount, name));
		explain(mount, () => tryTo(() => rmSync(staging, { recursive: true, force: true })));
	}

	/** For paths that become too long below the staging directory. */
	#placeOf(path: string): string | Buffer {
		const hidden = this.#hidden.get(parentOf(path));
		if (hidden !== undefined) {
			const place = fsPath(this.#root, `${hidden.staged}${path.slice(hidden.path.length)}`);
			if (Buffer.byteLength(place) <= MAX_PLACE_BYTES) return place;
			// Its own place is nearer to the root.
			this.#reveal(hidden);
		}
		return fsPath(this.#root, path);
	}

	#reveal(hidden: Hidden): void {
		renameSync(fsPath(this.#root, hidden.staged), fsPath(this.#root, hidden.path));
		for (const [path, within] of this.#hidden) if (within === hidden) this.#hidden.delete(path);
	}

	/** Starts writing back to the disk, if enough bytes have gathered. */
	noteWritten(bytes: number): void {
		this.#unsyncedBytes += bytes;
		if (this.#unsyncedBytes < WRITE_BACK_BYTES || this.#syncing !== undefined) return;
		this.#unsyncedBytes = 0;
		this.#syncing = this.sync().finally(() => {
			this.#syncing = undefined;
		});
	}

	#copyInPlace(path: string, staged: string | Buffer, mode: number, mtimeNs: bigint): Stat {
		this.#closePart();
		const fd = openSync(fsPath(this.#root, path), OVERWRITE);
		try {
			overwrite(fd, staged);
			return sealFile(fd, mode, mtimeNs, this.#times);
		} finally {
			closeSync(fd);
			rmSync(staged, { force: true });
		}
	}

	/**
	 * Keeps only one open: thousands of files may be in progress at once, and the parts of one mostly
	 * arrive together.
	 */
	#openPart(file: string | Buffer, flags: number = constants.O_WRONLY): number {
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

	/** In the mount of the path itself, as a path of the tree. */
	#stagingName(path: string): string {
		const mount = this.mountOf(path);
		let name = this.#staging.get(mount);
		if (name === undefined) {
			name = this.#isForeign ? this.#newName(mount) : RESERVED_DIRECTORY;
			this.#staging.set(mount, name);
			mkdirSync(fsPath(this.#root, joinPath(mount, `${name}/staging`)), {
				recursive: true,
				mode: 0o700,
			});
		}
		this.#count++;
		return joinPath(mount, `${name}/staging/${this.#count.toString(36)}`);
	}

	/** Makes a directory that was not there. @returns its name */
	#newName(mount: string): string {
		for (let count = 0; ; count++) {
			const name = `${RESERVED_DIRECTORY}-${process.pid}-${count}`;
			try {
				mkdirSync(fsPath(this.#root, joinPath(mount, name)), { mode: 0o700 });
				return name;
			} catch (error) {
				if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
			}
		}
	}

	/** The directory of additional roots, which exists on no disk. */
	#isNowhere(path: string): boolean {
		return path === ROOTS_DIRECTORY && typeof this.#root !== "string";
	}
}

/** The rename itself changes the file's ctime. */
function renamed(from: string | Buffer, to: string | Buffer): Stat | undefined {
	renameSync(from, to);
	return statOf(to);
}

/**
 * On overlayfs the first change replaces a directory of the image with another, which has another
 * inode. That must happen before the directory's identity is read.
 */
function copyUp(directory: string): void {
	const mode = statOf(directory)?.mode ?? 0o755;
	if (tryTo(() => chmodSync(directory, mode & 0o7777))) return;
	const probe = join(directory, RESERVED_DIRECTORY);
	tryTo(() => mkdirSync(probe, { mode: 0o700 }));
}
