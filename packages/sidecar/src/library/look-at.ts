import { lstatSync, type Stats, statSync } from "node:fs";

/** Stat of a path's target; undefined if it is missing, too long, a loop, or not accessible. */
export function statAt(path: string): Stats | undefined {
	return attempt(() => statSync(path));
}

/** The same for a link itself. */
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
