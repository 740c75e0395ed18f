/**
 * Looks for the agent's program before anything else is done: a wrong command must not restore a
 * workspace, nor take it from another writer. Does NOT refuse what a restore may bring: a program
 * in the workspace, or reached through a link.
 */
import { lstatSync, realpathSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { SidecarError } from "../errors.ts";

/**
 * @param env of the agent
 * @param directories the workspace and its roots, absolute
 * @throws SidecarError AGENT_NOT_STARTED
 */
export function requireProgram(
	[file]: readonly string[],
	{ PATH }: NodeJS.ProcessEnv,
	directories: readonly string[],
): void {
	// Without PATH the system has its own.
	if (file === undefined || (PATH === undefined && !file.includes("/"))) return;
	const places = file.includes("/")
		? [resolve(file)]
		: (PATH ?? "").split(delimiter).map((directory) => resolve(join(directory, file)));
	if (!places.every((place) => isMissing(place, directories))) return;
	throw new SidecarError("AGENT_NOT_STARTED", { value: file, reason: "ENOENT" });
}

function isMissing(place: string, directories: readonly string[]): boolean {
	const mayCome = (path: string) =>
		directories.some((directory) => path === directory || path.startsWith(`${directory}/`));
	if (mayCome(place)) return false;
	try {
		let at = place;
		let there = lstatSync(at, { throwIfNoEntry: false });
		if (there !== undefined) return false;
		for (; there === undefined; at = dirname(at))
			there = lstatSync(dirname(at), { throwIfNoEntry: false });
		return !there.isSymbolicLink() && !mayCome(realpathSync(at));
	} catch {
		// Nothing is known: the start will tell.
		return false;
	}
}
