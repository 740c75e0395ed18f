import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { SidecarError } from "../errors.ts";
import { identityOf, statOf } from "../workspace/stat.ts";
import { isInside } from "./open-roots.ts";
import type { OpenWorkspace } from "./options.ts";
import { realPath } from "./place.ts";
import { leadsTo } from "./workspace-place.ts";

/**
 * Where a directory that a user names for output really is. Links in its path are followed here, and
 * never again. It may neither contain nor be in the workspace, an additional root, the state
 * directory or the store: a file written there would overwrite them.
 *
 * Sees a directory that is mounted under a second name. Does NOT see a part of a directory that is
 * mounted elsewhere alone.
 * @param directory absolute
 * @throws SidecarError USAGE
 */
export function outsideDirectory(
	{ root, settings, storeUrl }: Pick<OpenWorkspace, "root" | "settings" | "storeUrl">,
	directory: string,
): string {
	const refuse = (reason: string, cause?: unknown) =>
		new SidecarError("USAGE", {
			value: directory,
			reason,
			remedy:
				"name a directory with --to that is apart from the workspace, the store and the state directory",
			cause,
		});
	let real: string;
	try {
		real = leadsTo(directory);
	} catch (cause) {
		throw refuse((cause as NodeJS.ErrnoException).code ?? String(cause), cause);
	}
	const own: [what: string, at: string][] = [
		...root.directories.map((at): [string, string] => ["the workspace's directory", at]),
		["the state directory", settings.stateDir],
	];
	if (storeUrl.startsWith("file:")) own.push(["the store", fileURLToPath(storeUrl)]);
	for (const [what, at] of own) {
		const place = realPath(at);
		if (isWithin(real, place)) throw refuse(`it is in ${what} ${at}`);
		if (isWithin(place, real)) throw refuse(`it contains ${what} ${at}`);
	}
	return real;
}

/** By name, or because the same directory is above both under two names: a bind mount. */
function isWithin(inner: string, outer: string): boolean {
	if (isInside(inner, outer)) return true;
	const there = statOf(outer);
	if (there === undefined) return false;
	for (let at = inner; ; at = dirname(at)) {
		const stat = statOf(at);
		if (stat !== undefined && identityOf(stat) === identityOf(there)) return true;
		if (dirname(at) === at) return false;
	}
}
