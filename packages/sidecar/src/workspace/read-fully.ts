import { readSync } from "node:fs";

/**
 * Fills `into` from `position` of the file. @returns the bytes read: fewer only at the end of the
 * file. @throws NodeJS.ErrnoException
 */
export function readFully(fd: number, into: Buffer, position: number): number {
	let filled = 0;
	while (filled < into.length) {
		const count = readSync(fd, into, filled, into.length - filled, position + filled);
		if (count === 0) break;
		filled += count;
	}
	return filled;
}
