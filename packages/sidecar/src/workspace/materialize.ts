/**
 * Writes a tree to the disk: every file whole under a temporary name, then renamed into place.
 *
 * Guarantees: nothing is written outside the workspace (the caller hands in checked paths and makes every parent through
 * `makeDirectory`, which never passes through a link); a file is seen whole or not at all; what was in the way was moved aside by the caller.
 * Does NOT fsync: one `syncfs` after all of it costs 0.1-0.25 s, an fsync per file 4-8 times the whole restore (physics, section 1).
 */
import {
	chmodSync,
	closeSync,
	cpSync,
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
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import { encodePath, fsPath, isEscaped, parentOf } from "../path.ts";
import type { FileTimes } from "./file-times.ts";
import { RESERVED_DIRECTORY } from "./filter.ts";
import { COMPANIONS } from "./sqlite-file.ts";

/** A file being put together; `finish` makes it visible. */
export interface StagedFile {
	writeAt(offset: number, bytes: Buffer): void;
	finish(mode: number, mtimeNs: bigint): void;
}

const ZEROS = Buffer.alloc(1024 * 1024);

export class Materializer {
	readonly #root: string;
	readonly #staging: string;
	readonly #times: FileTimes;
	#count = 0;

	/**
	 * Makes the workspace where it is not there, and a staging directory inside it (a rename must not leave the file system, and the
	 * workspace itself may be a mount).
	 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_READ_ONLY, WORKSPACE_DISK_FULL
	 */
	constructor(root: string, times: FileTimes) {
		this.#root = root;
		this.#times = times;
		this.#staging = join(root, RESERVED_DIRECTORY, "staging");
		explain(root, () => {
			mkdirSync(root, { recursive: true, mode: 0o700 });
			// Left over from a restore that was killed.
			rmSync(join(root, RESERVED_DIRECTORY), { recursive: true, force: true });
			mkdirSync(this.#staging, { recursive: true, mode: 0o700 });
		});
	}

	/** Bytes an ordinary user may still write to the workspace's file system. */
	freeBytes(): number {
		const { bavail, bsize } = statfsSync(this.#root);
		return bavail * bsize;
	}

	/** Writable for us until `finishDirectory` gives it its mode. */
	makeDirectory(path: string): void {
		const target = fsPath(this.#root, path);
		explain(path, () => {
			const there = lstatSync(target, { throwIfNoEntry: false });
			if (there === undefined) mkdirSync(target, { mode: 0o700 });
			else if (!there.isDirectory())
				throw new SidecarError("INTERNAL", { value: path, reason: "something else is in the way of a directory" });
			else if ((there.mode & 0o700) !== 0o700) chmodSync(target, 0o700);
		});
	}

	finishDirectory(path: string, mode: number, mtimeNs: bigint): void {
		const target = fsPath(this.#root, path);
		explain(path, () => {
			chmodSync(target, mode);
			this.#times.setMtime(target, mtimeNs);
		});
	}

	/** A file whose bytes are all here. */
	placeFile(path: string, bytes: Buffer, mode: number, mtimeNs: bigint): void {
		const staged = this.#stagingName();
		explain(path, () => {
			const fd = openSync(staged, "wx", 0o600);
			try {
				writeAll(fd, bytes, 0);
			} finally {
				closeSync(fd);
			}
			this.#publish(staged, path, mode, mtimeNs);
		});
	}

	/** A file of `size` bytes that comes in parts, in any order. Parts that hold only zeros stay holes. */
	stageFile(path: string, size: number): StagedFile {
		const staged = this.#stagingName();
		const open = (flags: "wx" | "r+", work: (fd: number) => void) =>
			explain(path, () => {
				const fd = openSync(staged, flags, 0o600);
				try {
					work(fd);
				} finally {
					closeSync(fd);
				}
			});
		open("wx", (fd) => ftruncateSync(fd, size));
		return {
			// Opened for each part: thousands of files may be in the making at once, and a part is up to 1 MiB.
			writeAt: (offset, bytes) => {
				if (bytes.length > ZEROS.length || !bytes.equals(ZEROS.subarray(0, bytes.length))) open("r+", (fd) => writeAll(fd, bytes, offset));
			},
			finish: (mode, mtimeNs) => explain(path, () => this.#publish(staged, path, mode, mtimeNs)),
		};
	}

	placeLink(path: string, target: string, mtimeNs: bigint): void {
		const staged = this.#stagingName();
		const place = fsPath(this.#root, path);
		explain(path, () => {
			symlinkSync(isEscaped(target) ? encodePath(target) : target, staged);
			this.#times.setMtime(staged, mtimeNs);
			renameSync(staged, place);
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

	/** Moves what is at `path` to `directory/path`, where an earlier thing of that name gets out of the way by a number. */
	moveAside(path: string, directory: string): string | undefined {
		const from = fsPath(this.#root, path);
		return explain(path, () => {
			if (lstatSync(from, { throwIfNoEntry: false }) === undefined) return undefined;
			let to = fsPath(directory, path);
			for (let count = 1; existsSync(to); count++) to = fsPath(directory, `${path}.${count}`);
			mkdirSync(fsPath(directory, parentOf(path)), { recursive: true, mode: 0o700 });
			move(from, to);
			return to.toString();
		});
	}

	/** Only where nothing is left in it. */
	removeEmptyDirectory(path: string): void {
		try {
			rmdirSync(fsPath(this.#root, path));
		} catch (error) {
			const code = (error as NodeJS.ErrnoException).code;
			if (code !== "ENOTEMPTY" && code !== "ENOENT" && code !== "EEXIST") throw failure(path, error);
		}
	}

	/** One call for everything written. False where the system cannot say. */
	sync(): Promise<boolean> {
		return this.#times.syncfs(this.#root);
	}

	close(): void {
		rmSync(join(this.#root, RESERVED_DIRECTORY), { recursive: true, force: true });
	}

	#publish(staged: string, path: string, mode: number, mtimeNs: bigint): void {
		chmodSync(staged, mode);
		this.#times.setMtime(staged, mtimeNs);
		renameSync(staged, fsPath(this.#root, path));
	}

	#stagingName(): string {
		this.#count++;
		return join(this.#staging, this.#count.toString(36));
	}
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
	for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written, bytes.length - written, position + written);
}

function move(from: string | Buffer, to: string | Buffer): void {
	try {
		renameSync(from, to);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
		cpSync(from.toString(), to.toString(), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
		rmSync(from, { recursive: true });
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
	if (code === "ENOSPC" || code === "EDQUOT") return new SidecarError("WORKSPACE_DISK_FULL", detail);
	if (code === "EACCES" || code === "EPERM" || code === "EROFS") return new SidecarError("WORKSPACE_READ_ONLY", detail);
	if (code === "ENOTDIR" || code === "EEXIST") return new SidecarError("WORKSPACE_NOT_DIRECTORY", detail);
	return new SidecarError("INTERNAL", detail);
}
