import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from "node:fs";
import { tryTo } from "./disk-failure.ts";
import type { FileTimes } from "./file-times.ts";
import { type Stat, toStat } from "./stat.ts";

export const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

/** Opens, fills and closes a file. @throws NodeJS.ErrnoException */
export function writeFile(
	file: string | Buffer,
	flags: number,
	bytes: Buffer,
	mode: number,
	mtimeNs: bigint,
	times: FileTimes,
): Stat {
	const fd = openSync(file, flags, mode);
	try {
		writeAll(fd, bytes, 0);
		return sealFile(fd, mode, mtimeNs, times);
	} finally {
		closeSync(fd);
	}
}

export function writeAll(fd: number, bytes: Buffer, position: number): void {
	for (let written = 0; written < bytes.length; )
		written += writeSync(fd, bytes, written, bytes.length - written, position + written);
}

/** The umask may have removed bits from the mode it was made with. @returns the resulting stat */
export function sealFile(fd: number, mode: number, mtimeNs: bigint, times: FileTimes): Stat {
	tryTo(() => times.setOpenMtime(fd, mtimeNs));
	const stat = toStat(fstatSync(fd, { bigint: true }));
	if (stat.mode === mode || !tryTo(() => fchmodSync(fd, mode))) return stat;
	return toStat(fstatSync(fd, { bigint: true }));
}
