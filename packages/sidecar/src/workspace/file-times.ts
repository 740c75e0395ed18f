/**
 * Sets modification times to the nanosecond, and flushes a whole file system. node:fs has neither
 * call.
 *
 * fs.utimes passes seconds as a double, which in 2026 has steps of 238 ns. A restored file would
 * then never get back the time in the log. So `utimensat` and `syncfs` are called in the C library
 * through koffi, an optional dependency: 2.7 us per call. Without it times are as close as a double
 * allows, and `exact` is false.
 */
import { closeSync, constants, futimesSync, lutimesSync, openSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { type Koffi, loadCLibrary } from "../c-library.ts";

export interface FileTimes {
	/** Are times set to the nanosecond? */
	readonly exact: boolean;
	/**
	 * Sets the modification time of a path; for a link, that of the link itself. The access time is
	 * unchanged, or, if `exact` is false, set to now.
	 * @param mtimeNs nanoseconds since the epoch; may be negative
	 * @throws NodeJS.ErrnoException
	 */
	setMtime(path: string | Buffer, mtimeNs: bigint): void;
	/** The same for an open file, without resolving its path. */
	setOpenMtime(fd: number, mtimeNs: bigint): void;
	/**
	 * Resolves when everything written to the file system of `dir` is on its disk. False if the
	 * system cannot do that, or if it failed.
	 */
	syncfs(dir: string): Promise<boolean>;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = 0x3ffffffen;
const SECOND_NS = 1_000_000_000n;

/** Per process, as the C library is. */
let loaded: Promise<FileTimes> | undefined;

/** Loads the C library on the first call; never fails. */
export function loadFileTimes(): Promise<FileTimes> {
	loaded ??= loadExact().catch(() => approximate);
	return loaded;
}

/** @throws as `loadCLibrary` */
export async function loadExact(importKoffi?: () => Promise<Koffi>): Promise<FileTimes> {
	const { koffi, library } = await loadCLibrary(importKoffi);
	const utimensat = library.func(
		"int utimensat(int dirfd, const void *path, const void *times, int flags)",
	);
	const futimens = library.func("int futimens(int fd, const void *times)");
	const syncfs = library.func("int syncfs(int fd)");

	const times = Buffer.alloc(32);
	times.writeBigInt64LE(UTIME_OMIT, 8);
	const fill = (mtimeNs: bigint) => {
		const nanoseconds = ((mtimeNs % SECOND_NS) + SECOND_NS) % SECOND_NS;
		times.writeBigInt64LE((mtimeNs - nanoseconds) / SECOND_NS, 16);
		times.writeBigInt64LE(nanoseconds, 24);
	};
	const failed = (syscall: string, path: string) => {
		const errno = koffi.errno();
		const code = getSystemErrorName(-errno);
		return Object.assign(new Error(`${code}: ${syscall} '${path}'`), {
			code,
			errno: -errno,
			syscall,
			path,
		});
	};
	return {
		exact: true,
		setMtime(path, mtimeNs) {
			fill(mtimeNs);
			if (utimensat(AT_FDCWD, nulTerminated(path), times, AT_SYMLINK_NOFOLLOW) !== 0)
				throw failed("utimensat", String(path));
		},
		setOpenMtime(fd, mtimeNs) {
			fill(mtimeNs);
			if (futimens(fd, times) !== 0) throw failed("futimens", `descriptor ${fd}`);
		},
		// Takes 0.1-0.25 s after a restore, so it runs on another thread.
		syncfs: (dir) =>
			withDirectory(
				dir,
				(fd) =>
					new Promise((resolve) =>
						syncfs.async(fd, (error: unknown, status: unknown) =>
							resolve(error === null && status === 0),
						),
					),
			),
	};
}

/** What node:fs can do without the C library. */
export const approximate: FileTimes = {
	exact: false,
	setMtime: (path, mtimeNs) => lutimesSync(path, Date.now() / 1000, Number(mtimeNs) / 1e9),
	setOpenMtime: (fd, mtimeNs) => futimesSync(fd, Date.now() / 1000, Number(mtimeNs) / 1e9),
	syncfs: () => Promise.resolve(false),
};

function nulTerminated(path: string | Buffer): Buffer {
	return typeof path === "string"
		? Buffer.from(`${path}\0`, "utf8")
		: Buffer.concat([path, Buffer.of(0)]);
}

async function withDirectory(dir: string, use: (fd: number) => Promise<boolean>): Promise<boolean> {
	try {
		const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
		try {
			return await use(fd);
		} finally {
			closeSync(fd);
		}
	} catch {
		return false;
	}
}
