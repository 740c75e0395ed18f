/**
 * Finds links that lead out of the workspace. A link is stored as a link, so its target is in no
 * commit.
 *
 * Links to programs and within installed packages are counted and not named: an installation
 * restores their targets.
 */
import { readlinkSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Roots } from "../path.ts";
import { lstatAt, statAt } from "./look-at.ts";
import { realPath } from "./place.ts";
import { isSystemPlace } from "./system-places.ts";

export interface OutwardLink {
	/** In the tree. */
	readonly path: string;
	/** Absolute: its final target. */
	readonly place: string;
}

/** The kernel's own limit. */
const LINKS_DEEP = 40;

/** A link's target. A dangling link leads to the place where its target would be. */
export function leadsTo(roots: Roots, path: string, target: string): string | undefined {
	const located = roots.locate(path);
	if (located === undefined) return undefined;
	let place = realPath(resolve(realPath(dirname(located.join("/"))), target));
	for (let deep = 0; deep < LINKS_DEEP && lstatAt(place)?.isSymbolicLink() === true; deep++)
		place = realPath(resolve(dirname(place), readlinkSync(place)));
	return place;
}

/** Does the link lead to a place that an installation restores? */
export function isInstalled({ path, place }: OutwardLink): boolean {
	return (
		isSystemPlace(place) ||
		/(?:^|\/)node_modules\//.test(path) ||
		(/(?:^|\/)bin\/[^/]+$/.test(path) && isProgram(place))
	);
}

function isProgram(place: string): boolean {
	const stat = statAt(place);
	return stat === undefined || (stat.isFile() && (stat.mode & 0o111) !== 0);
}

/** Most important first, then by depth. */
export function byWeight(critical: readonly string[]): (a: OutwardLink, b: OutwardLink) => number {
	const weight = ({ path }: OutwardLink) => (critical.includes(path) ? 0 : path.split("/").length);
	return (a, b) => weight(a) - weight(b) || (a.path < b.path ? -1 : 1);
}
