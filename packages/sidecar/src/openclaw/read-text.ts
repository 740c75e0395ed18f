import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** The text of a small file of the agent's; undefined if there is no such file. */
export function readText(path: string, maxBytes: number): string | undefined {
	const fd = openText(path, maxBytes);
	if (fd === undefined) return undefined;
	try {
		return readFileSync(fd, "utf8");
	} catch {
		return undefined;
	} finally {
		closeSync(fd);
	}
}

/** Its descriptor, which the caller closes. */
export function openText(path: string, maxBytes: number): number | undefined {
	let fd: number | undefined;
	try {
		// The agent can put anything there: follow no link, and wait for no FIFO.
		fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
		const stat = fstatSync(fd);
		if (stat.isFile() && stat.size <= maxBytes) return fd;
	} catch {
		// It is missing, or a link.
	}
	if (fd !== undefined) closeSync(fd);
	return undefined;
}
