import { lstatSync, type Stats, statSync } from "node:fs";

/** What a path leads to; undefined where nothing can be looked at: it is not there, too long, a loop, or not ours to see. */
export function statAt(path: string): Stats | undefined {
	return attempt(() => statSync(path));
}

/** The same of a link itself. */
export function lstatAt(path: string): Stats | undefined {
	return attempt(() => lstatSync(path));
}

function attempt<T>(look: () => T): T | undefined {
	try {
		return look();
	} catch {
		return undefined;
	}
}
