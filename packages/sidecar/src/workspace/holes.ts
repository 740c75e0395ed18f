/**
 * Finds holes in sparse files: lseek with SEEK_DATA, which node:fs does not have, called in the C
 * library through koffi, an optional dependency. Without it a hole is read as zeros.
 */
import { statfsSync } from "node:fs";
import { loadCLibrary } from "../c-library.ts";

/** The first offset at or after `from` that may hold data; infinite if there is none. */
export type NextData = (fd: number, from: number) => number;

/** The content of a hole. Compared by identity first, so that a hole costs nothing. */
export const ZEROS = Buffer.alloc(1 << 20);

const SEEK_DATA = 3;
const ENXIO = 6;
/** OpenZFS before 2.2.2 reports holes in recently written data. */
const ZFS_MAGIC = 0x2fc12fc1;

/** Per process, as the C library is. */
let loaded: Promise<NextData | undefined> | undefined;

/** Loads the C library on the first call; never fails. */
export function loadNextData(): Promise<NextData | undefined> {
	loaded ??= load().catch(() => undefined);
	return loaded;
}

async function load(): Promise<NextData> {
	const { koffi, library } = await loadCLibrary();
	const lseek = library.func("int64_t lseek(int fd, int64_t offset, int whence)");
	return (fd, from) => {
		const at = Number(lseek(fd, from, SEEK_DATA));
		if (at >= 0) return at;
		// Any other error: the file system cannot tell.
		return koffi.errno() === ENXIO ? Number.POSITIVE_INFINITY : from;
	};
}

/** Does the file system of this open file report holes correctly? */
export function tellsHoles(fd: number): boolean {
	try {
		return statfsSync(`/proc/self/fd/${fd}`).type !== ZFS_MAGIC;
	} catch {
		return false;
	}
}

/** @param bytes 1 MiB at most */
export function isZeros(bytes: Buffer): boolean {
	if (bytes.buffer === ZEROS.buffer) return true;
	return bytes[0] === 0 && bytes.at(-1) === 0 && bytes.equals(ZEROS.subarray(0, bytes.length));
}

/** A hash that is computed once for each run of zero blocks of equal length. */
export function hashingZerosOnce<Hash>(hash: (bytes: Buffer) => Hash): (bytes: Buffer) => Hash {
	let known: { readonly length: number; readonly value: Hash } | undefined;
	return (bytes) => {
		if (!isZeros(bytes)) return hash(bytes);
		if (known?.length !== bytes.length) known = { length: bytes.length, value: hash(bytes) };
		return known.value;
	};
}
