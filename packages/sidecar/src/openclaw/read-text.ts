import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** The text of a small file of the agent's; undefined if there is no such file. */
export function readText(path: string, maxBytes: number): string | undefined {
	let fd: number | undefined;
	try {
		// The agent can put anything there: follow no link, and wait for no FIFO.
		fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
		const stat = fstatSync(fd);
		return stat.isFile() && stat.size <= maxBytes ? readFileSync(fd, "utf8") : undefined;
	} catch {
		return undefined;
	} finally {
		if (fd !== undefined) closeSync(fd);
	}
}
