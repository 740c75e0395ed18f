import type { Root } from "../path.ts";
import type { Filter } from "./filter.ts";
import { isCompanion } from "./sqlite-file.ts";
import type { Stat } from "./stat.ts";

/**
 * `special`: a socket, a FIFO or a device. `excluded`: the filter skips it. `companion`: a `-wal`,
 * `-shm` or `-journal` that the copy of its database makes superfluous.
 */
export type NotStored = "special" | "excluded" | "companion";

/**
 * Why an existing path never belongs in the log; undefined if it does. Scans, captures and the
 * command `why` ask here. That a path belongs in the log does not mean that it can be stored now.
 */
export function whyNotStored(
	root: Root,
	path: string,
	stat: Stat,
	filter: Filter,
): NotStored | undefined {
	if (path !== "" && filter(path, stat.type === "other" ? "file" : stat.type) === "skip")
		return "excluded";
	if (stat.type === "other") return "special";
	return stat.type === "file" && isCompanion(root, path) ? "companion" : undefined;
}
