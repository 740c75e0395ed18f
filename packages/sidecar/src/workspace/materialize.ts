/**
 * Writes a tree to the disk, so that a file is seen whole or not at all.
 *
 * What is missing as a whole directory is put together out of sight and renamed into place in one
 * go, by `reveal`: a file in it costs no name and no rename of its own (5 calls instead of 9).
 * Every other file is written under a temporary name and renamed. A rename cannot leave a mount, so
 * each mount has a staging directory of its own, made when it is first needed. A single file that
 * is a mount point cannot be renamed over: it is written in place, and a kill in between leaves it
 * torn until the next restore.
 *
 * Modes and times that cannot be set are left as they are: what each call returns says what the
 * disk has.
 *
 * Guarantees: nothing is written outside the workspace (the caller hands in checked paths and makes
 * every parent through `makeDirectory`, which never passes through a link); what was in the way was
 * moved aside by the caller. What a killed restore left out of sight is removed by the next one.
 * Does NOT fsync: one `syncfs` after all of it costs 0.1-0.25 s, an fsync per file 4-8 times the
 * whole restore (physics, section 1). So that the last one finds little to do, others run beside
 * the writing.
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
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { SidecarError, systemRefusal } from "../errors.ts";
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
import type { FileTimes } from "./file-times.ts";
import { RESERVED_DIRECTORY } from "./filter.ts";
import { type InnerMounts, readInnerMounts } from "./inner-mounts.ts";
import { makeDirectories } from "./make-directories.ts";
import { copyAside, move, overwrite } from "./move.ts";
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
	/** Below a staging directory, as a path of the tree. */
	readonly staged: string;
}

/**
 * A name in a staging directory that nothing is renamed to: the kernel refuses it only when the
 * rest of a rename is allowed.
 */
export interface Probe {
	readonly file: string | Buffer;
	readonly directory: string | Buffer;
}

const ZEROS = Buffer.alloc(1024 * 1024);
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const OVERWRITE = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW;
/**
 * Written between two calls to the disk: it works while files are made, not after (500 ms less on a
 * busy disk).
 */
const WRITE_BACK_BYTES = 16 * 1024 * 1024;
/** PATH_MAX without its NUL. */
const MAX_PLACE_BYTES = 4095;

export class Materializer {
	readonly #root: Root;
	/** The workspace's own directory, and those of additional roots, as paths of the tree. */
	readonly #bases: readonly string[];
	#mounts: InnerMounts;
	/** Mounts that have a staging directory. */
	readonly #staging = new Set<string>();
	readonly #probes = new Map<string, Probe>();
	/** Directories that were made writable, by the mode to set back. */
	readonly #opened = new Map<string, number>();
	readonly #times: FileTimes;
	/** Every directory in a hidden one, and that itself, by path. */
	readonly #hidden = new Map<string, Hidden>();
	/** The staged file written to last: its next part finds it open. */
	#open: { readonly file: string | Buffer; readonly fd: number } | undefined;
	#count = 0;
	#unsyncedBytes = 0;
	#syncing: Promise<unknown> | undefined;

	/**
	 * Makes the workspace and its additional roots where they are not there.
	 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_READ_ONLY, WORKSPACE_DISK_FULL
	 */
	constructor(root: Root, times: FileTimes) {
		this.#root = root;
		this.#times = times;
		this.#bases = typeof root === "string" ? [""] : ["", ...[...root.others.keys()].map(rootPath)];
		// The agent may be another user, and must get there.
		for (const directory of typeof root === "string" ? [root] : root.directories)
			explain(directory, () => {
				makeDirectories(directory, 0o755);
				copyUp(directory);
			});
		this.#mounts = readInnerMounts(root);
		// Left over from a restore that was killed.
		for (const mount of [...this.#bases, ...this.#mounts.directories]) this.#removeStaging(mount);
	}

	get mounts(): InnerMounts {
		return this.#mounts;
	}

	/** What a scan found, where the kernel does not say. */
	assumeMounts(mounts: InnerMounts): void {
		this.#mounts = mounts;
	}

	/**
	 * The mount that holds the name `path`: a mount point inside the workspace, an additional root,
	 * or "".
	 */
	mountOf(path: string): string {
		const inner = this.#mounts.directories.find((mount) => path.startsWith(`${mount}/`));
		if (inner !== undefined) return inner;
		const name = typeof this.#root === "string" ? undefined : rootNameOf(path);
		return name === undefined ? "" : rootPath(name);
	}

	/** The file system that a path goes to, and the bytes an ordinary user may still write to it. */
	spaceFor(path: string): {
		readonly directory: string;
		readonly device: bigint;
		readonly freeBytes: number;
	} {
		const directory = fsPath(this.#root, this.mountOf(path));
		const { bavail, blocks, bsize } = statfsSync(directory);
		// Some FUSE file systems say that they have no blocks at all: that is no answer.
		const freeBytes = blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
		return { directory: String(directory), device: statOf(directory)?.dev ?? 0n, freeBytes };
	}

	/**
	 * For `renameSync`: a directory renamed to the file, and anything else renamed to the directory,
	 * fails in the end, but not before the kernel found that it may leave its place (ENOTDIR and
	 * EISDIR then).
	 * @throws NodeJS.ErrnoException where the mount's top directory cannot be written
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

	/** Makes a directory of ours writable until `close`. */
	open(path: string, mode: number): void {
		if (this.#opened.has(path)) return;
		explain(path, () => chmodSync(fsPath(this.#root, path), (mode & 0o7777) | 0o700));
		this.#opened.set(path, mode & 0o7777);
	}

	/**
	 * A new one is out of sight until `reveal`, and writable for us until `finishDirectory` gives it
	 * its mode.
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
				if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "ENOTDIR")
					throw failure(hidden.path, error);
				makeWay(hidden.path);
				explain(hidden.path, () => this.#reveal(hidden));
			}
		}
	}

	/**
	 * After `reveal`. @returns what the kernel says of it then; undefined where somebody took it away
	 * at once
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

	/** A file whose bytes are all here. @returns as `finishDirectory` */
	placeFile(path: string, bytes: Buffer, mode: number, mtimeNs: bigint): Stat | undefined {
		return explain(path, () => {
			const place = this.#placeOf(path);
			const isHidden = this.isHidden(path);
			const isInPlace = this.#mounts.files.has(path);
			const file = isHidden || isInPlace ? place : fsPath(this.#root, this.#stagingName(path));
			const fd = openSync(file, isInPlace ? OVERWRITE : CREATE, mode);
			let stat: Stat;
			try {
				this.#write(fd, bytes, 0);
				stat = this.#seal(fd, mode, mtimeNs);
			} finally {
				closeSync(fd);
			}
			return file === place ? stat : renamed(file, place);
		});
	}

	/**
	 * A file of `size` bytes that comes in parts, in any order. Parts that hold only zeros stay
	 * holes.
	 */
	stageFile(path: string, size: number): StagedFile {
		const staged = explain(path, () => fsPath(this.#root, this.#stagingName(path)));
		explain(path, () => ftruncateSync(this.#openPart(staged, CREATE), size));
		return {
			writeAt: (offset, bytes) => {
				if (bytes.length <= ZEROS.length && bytes.equals(ZEROS.subarray(0, bytes.length))) return;
				explain(path, () => this.#write(this.#openPart(staged), bytes, offset));
			},
			finish: (mode, mtimeNs) =>
				explain(path, () => {
					if (this.#mounts.files.has(path)) return this.#copyInPlace(path, staged, mode, mtimeNs);
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
			const link = this.isHidden(path) ? place : fsPath(this.#root, this.#stagingName(path));
			symlinkSync(isEscaped(target) ? encodePath(target) : target, link);
			tryTo(() => this.#times.setMtime(link, mtimeNs));
			return link === place ? statOf(place) : renamed(link, place);
		});
	}

	/** @returns false where it cannot be set */
	setTime(path: string, mtimeNs: bigint): boolean {
		return explain(path, () =>
			tryTo(() => this.#times.setMtime(fsPath(this.#root, path), mtimeNs)),
		);
	}

	/**
	 * `-wal`, `-shm` and `-journal` of another life of this database would corrupt it (incidents
	 * 22-24).
	 */
	removeDatabaseSidecars(path: string): void {
		for (const suffix of COMPANIONS)
			explain(path, () => {
				const companion = fsPath(this.#root, path + suffix);
				// A directory by such a name is the agent's own, and in the log.
				if (lstatSync(companion, { throwIfNoEntry: false })?.isDirectory() !== true)
					rmSync(companion, { force: true });
			});
	}

	/**
	 * A free name for `path` in `directory`, also for what may accompany a database: its own, or with
	 * a number behind it.
	 */
	asideName(path: string, directory: string): string {
		let name = path;
		for (let count = 1; filesOf(name).some((each) => existsSync(fsPath(directory, each))); count++)
			name = `${path}.${count}`;
		return name;
	}

	/**
	 * Moves what is at `path` to `directory/name`. A file that is a mount point cannot leave: it is
	 * copied.
	 * @returns its absolute path there; undefined where nothing is at `path`
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
			// EBUSY: it became a mount point.
			if (code !== "ENOTEMPTY" && code !== "ENOENT" && code !== "EEXIST" && code !== "EBUSY")
				throw failure(path, error);
		}
	}

	/** One call for everything written to a directory. False where the system cannot say. */
	async sync(): Promise<boolean> {
		const mounts = new Set([...this.#bases, ...this.#staging]);
		const synced = await Promise.all(
			[...mounts].map((mount) => this.#times.syncfs(String(fsPath(this.#root, mount)))),
		);
		return synced.every((isSafe) => isSafe);
	}

	/** Settled when no call to the disk is under way, so that nothing keeps the file system busy. */
	async settle(): Promise<void> {
		await this.#syncing;
	}

	/**
	 * What is still out of sight goes, and directories that were made writable get their modes back.
	 */
	close(): void {
		this.#closePart();
		for (const mount of this.#staging) this.#removeStaging(mount);
		this.#staging.clear();
		this.#probes.clear();
		// The innermost first: an outer one may not be searchable then.
		for (const [path, mode] of [...this.#opened].sort(([a], [b]) => b.length - a.length)) {
			const place = fsPath(this.#root, path);
			if (statOf(place)?.type === "dir") tryTo(() => chmodSync(place, mode));
		}
		this.#opened.clear();
	}

	/** As far as possible: what stays is hidden by the filter, and the next restore tries again. */
	#removeStaging(mount: string): void {
		const staging = fsPath(this.#root, joinPath(mount, RESERVED_DIRECTORY));
		explain(mount, () => tryTo(() => rmSync(staging, { recursive: true, force: true })));
	}

	/** Where a path is as long as its directory is out of sight. */
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

	#write(fd: number, bytes: Buffer, position: number): void {
		for (let written = 0; written < bytes.length; )
			written += writeSync(fd, bytes, written, bytes.length - written, position + written);
		this.#unsyncedBytes += bytes.length;
		if (this.#unsyncedBytes < WRITE_BACK_BYTES || this.#syncing !== undefined) return;
		this.#unsyncedBytes = 0;
		this.#syncing = this.sync().finally(() => {
			this.#syncing = undefined;
		});
	}

	/** The umask may have taken bits from the mode it was made with. */
	#seal(fd: number, mode: number, mtimeNs: bigint): Stat {
		tryTo(() => this.#times.setOpenMtime(fd, mtimeNs));
		const stat = toStat(fstatSync(fd, { bigint: true }));
		if (stat.mode === mode || !tryTo(() => fchmodSync(fd, mode))) return stat;
		return toStat(fstatSync(fd, { bigint: true }));
	}

	#copyInPlace(path: string, staged: string | Buffer, mode: number, mtimeNs: bigint): Stat {
		this.#closePart();
		const fd = openSync(fsPath(this.#root, path), OVERWRITE);
		try {
			overwrite(fd, staged);
			return this.#seal(fd, mode, mtimeNs);
		} finally {
			closeSync(fd);
			rmSync(staged, { force: true });
		}
	}

	/**
	 * One at a time: thousands of files may be in the making at once, and the parts of one mostly
	 * come together.
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
		const staging = joinPath(mount, `${RESERVED_DIRECTORY}/staging`);
		if (!this.#staging.has(mount)) {
			this.#staging.add(mount);
			mkdirSync(fsPath(this.#root, staging), { recursive: true, mode: 0o700 });
		}
		this.#count++;
		return `${staging}/${this.#count.toString(36)}`;
	}

	/** The directory of additional roots, which is on no disk. */
	#isNowhere(path: string): boolean {
		return path === ROOTS_DIRECTORY && typeof this.#root !== "string";
	}
}

/** The rename itself is a change of the file's status. */
function renamed(from: string | Buffer, to: string | Buffer): Stat | undefined {
	renameSync(from, to);
	return statOf(to);
}

/** What a file system, or the owner of a file, may refuse without harm: modes and times. */
const REFUSALS: ReadonlySet<string | undefined> = new Set([
	"EPERM",
	"EACCES",
	"EROFS",
	"ENOTSUP",
	"EOPNOTSUPP",
	"ENOSYS",
	"EINVAL",
	"EBUSY",
]);

/**
 * On overlayfs a directory of the image becomes another one, with another inode, at its first
 * change. That must be over before anybody asks which directory it is.
 */
function copyUp(directory: string): void {
	const mode = statOf(directory)?.mode ?? 0o755;
	if (tryTo(() => chmodSync(directory, mode & 0o7777))) return;
	const probe = join(directory, RESERVED_DIRECTORY);
	tryTo(() => mkdirSync(probe, { mode: 0o700 }));
}

/** @returns whether it was done */
function tryTo(work: () => void): boolean {
	try {
		work();
		return true;
	} catch (error) {
		if (!REFUSALS.has((error as NodeJS.ErrnoException).code)) throw error;
		return false;
	}
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
	if (code === "ENOSPC" || code === "EDQUOT")
		return new SidecarError("WORKSPACE_DISK_FULL", detail);
	if (
		code === "EACCES" ||
		code === "EPERM" ||
		code === "EROFS" ||
		code === "EXDEV" ||
		code === "EBUSY" ||
		code === "ETXTBSY"
	)
		return new SidecarError("WORKSPACE_READ_ONLY", detail);
	if (code === "ENOTDIR" || code === "EEXIST")
		return new SidecarError("WORKSPACE_NOT_DIRECTORY", detail);
	return systemRefusal(error, path) ?? new SidecarError("INTERNAL", detail);
}
