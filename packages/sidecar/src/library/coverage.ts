/**
 * Paths that an agent uses but no commit contains: places named by its settings or by a link,
 * outside the workspace or in excluded paths. They are reported, never stored automatically: the
 * agent writes its settings and could direct a restore anywhere.
 *
 * Does NOT change an exit status: a path may be outside on purpose (decision 48).
 */
import { basename, dirname, relative, resolve } from "node:path";
import { type Roots, rootPath } from "../path.ts";
import type { Filter } from "../workspace/filter.ts";
import { IGNORE_FILE } from "../workspace/ignore-file.ts";
import type { Profile } from "../workspace/profile.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { type LeftOut, type Survey, survey } from "./left-out.ts";
import { statAt } from "./look-at.ts";
import { AGENT_CONFIG, type NamedPlaces, namedPlaces } from "./named-places.ts";
import { isInside } from "./open-roots.ts";
import { byWeight, isInstalled, leadsTo, type OutwardLink } from "./outward-links.ts";
import { realPath } from "./place.ts";

export interface Gap {
	/** Absolute: a link's target, or the path named by a setting. */
	readonly path: string;
	/** Its source: `agents.defaults.workspace in openclaw.json`, `the link workspace`. */
	readonly by: string;
	/** `left-out`: in the workspace, but the profile or the ignore file leaves it out. */
	readonly kind: "outside" | "left-out";
	/** Lines of the ignore file that include it again. */
	readonly takeIn?: readonly string[];
}

export interface Remedies {
	/** Places that are not stored, each once, the most important first. */
	readonly gaps: readonly Gap[];
	/**
	 * Flags that store them: `--root NAME=DIR`. A directory that contains the workspace cannot be a
	 * root, and gets no flag.
	 */
	readonly flags: readonly string[];
	/** Lines for the ignore file that include excluded paths again. */
	readonly ignoreLines: readonly string[];
}

export interface Gaps extends Remedies {
	/** Links to programs and within installed packages. */
	readonly installedLinks: number;
	/** Files of the configuration that could not be read. */
	readonly unread: readonly string[];
	/** Settings whose place is not known, because a variable in them has no value here. */
	readonly unresolved: readonly string[];
}

export interface Coverage extends Gaps {
	readonly leftOut: LeftOut;
}

const LINK = "the link ";

export type Links = Survey["links"];

/** Of the current disk. @throws NodeJS.ErrnoException if the ignore file cannot be read */
export function coverageOf(
	roots: Roots,
	profile: Profile,
	env: NodeJS.ProcessEnv = process.env,
	countingMs?: number,
): Coverage {
	const { filter, rules } = WorkspaceFilter.open(roots, profile);
	const { leftOut, links } = survey(roots, rules, countingMs);
	return { ...gapsOf({ roots, profile, filter, env, links }), leftOut };
}

interface Where {
	readonly roots: Roots;
	readonly profile: Pick<Profile, "name" | "critical">;
	readonly filter: Filter;
	/** The agent's. */
	readonly env: NodeJS.ProcessEnv;
	readonly links: Links;
}

export function gapsOf({ roots, profile, filter, env, links }: Where): Gaps {
	const {
		places,
		unread = [],
		unresolved = [],
	}: Partial<NamedPlaces> = profile.name === "openclaw" ? namedPlaces(roots.main, env) : {};
	/** By real path: a setting may name a link. */
	const found = new Map<string, Gap>();
	const take = (gap: Gap) => {
		const place = realPath(gap.path);
		if (!found.has(place)) found.set(place, gap);
	};
	for (const { path, by, isKnown } of places ?? []) {
		const where = gapAt(path, roots, filter);
		if (where !== undefined && (where.kind === "outside" || isKnown)) take({ path, by, ...where });
	}
	const outward: OutwardLink[] = [];
	for (const [path, target] of links) {
		const place = leadsTo(roots, path, target);
		if (place !== undefined && gapAt(place, roots, filter) !== undefined)
			outward.push({ path, place });
	}
	const installed = outward.filter(isInstalled);
	for (const { path, place } of outward
		.filter((each) => !installed.includes(each))
		.sort(byWeight(profile.critical))) {
		const where = gapAt(place, roots, filter);
		if (where !== undefined) take({ path: place, by: `${LINK}${path}`, ...where });
	}
	const remedies = remediesOf([...found.values()], roots);
	return { ...remedies, installedLinks: installed.length, unread, unresolved };
}

export const isLink = (by: string) => by.startsWith(LINK);

/** How to store these places. */
export function remediesOf(gaps: readonly Gap[], roots: Roots): Remedies {
	const outside = gaps.filter(({ kind }) => kind === "outside").map(({ path }) => path);
	const ignoreLines = [...new Set(gaps.flatMap(({ takeIn = [] }) => takeIn))];
	return { gaps, flags: flagsFor(outside, roots), ignoreLines };
}

/**
 * A link is stored as a link, so its real target counts. A link out of the workspace may lead into
 * a root.
 */
function gapAt(
	path: string,
	roots: Roots,
	filter: Filter,
): Pick<Gap, "kind" | "takeIn"> | undefined {
	const inTree = treePath(path, roots);
	if (inTree === undefined) return { kind: "outside" };
	const isKept = filter(inTree, "dir") === "keep" || filter(inTree, "file") === "keep";
	return isKept
		? undefined
		: { kind: "left-out", takeIn: linesThatTakeIn(inTree, isFile(path), filter) };
}

/**
 * As in git, nothing below an excluded directory can come back. So each directory on the way is
 * included, and everything else in it stays excluded.
 */
export function linesThatTakeIn(path: string, isFile: boolean, filter: Filter): string[] {
	const parts = path.split("/");
	const lines: string[] = [];
	for (let depth = 1; depth <= parts.length; depth++) {
		const at = parts.slice(0, depth).join("/");
		const isLast = depth === parts.length;
		if (filter(at, isLast && isFile ? "file" : "dir") === "keep") continue;
		lines.push(`!/${at}${isLast && isFile ? "" : "/"}`, ...(isLast ? [] : [`/${at}/*`]));
	}
	return lines;
}

/** Undefined outside every root. */
function treePath(path: string, { main, others }: Roots): string | undefined {
	const place = realPath(path);
	if (isInside(place, realPath(main))) return relative(realPath(main), place);
	for (const [name, directory] of others) {
		if (isInside(place, realPath(directory)))
			return [rootPath(name), relative(realPath(directory), place)].filter(Boolean).join("/");
	}
	return undefined;
}

/** One clause. */
export function remedyFor({ flags, ignoreLines, gaps }: Remedies): string {
	const hasOutside = gaps.some(({ kind }) => kind === "outside");
	const ways = [
		...(flags.length > 0 ? [`add ${flags.join(" ")}`] : []),
		...(hasOutside ? [`move them into the workspace and correct ${AGENT_CONFIG} or the link`] : []),
	].join(", or ");
	const takeIn =
		ignoreLines.length > 0 ? `add the lines ${ignoreLines.join(" ")} to ${IGNORE_FILE}` : "";
	return [ways, takeIn].filter(Boolean).join("; ");
}

/**
 * `--root NAME=DIR` for each directory, or for the directory of a file, except those inside another
 * one.
 */
function flagsFor(places: readonly string[], roots: Roots): string[] {
	const directories = [
		...new Set(
			places.map((place) => directoryOf(isInside(place, roots.main) ? realPath(place) : place)),
		),
	];
	const flags: string[] = [];
	const taken = new Set(roots.others.keys());
	for (const directory of directories) {
		const isWithin = directories.some(
			(other) => other !== directory && isInside(directory, other) && !holdsOurs(other, roots),
		);
		if (isWithin || holdsOurs(directory, roots)) continue;
		const name = nameFor(directory, taken);
		taken.add(name);
		flags.push(`--root ${quoted(`${name}=${directory}`)}`);
	}
	return flags;
}

function holdsOurs(directory: string, roots: Roots): boolean {
	return roots.directories.some((ours) => isInside(realPath(ours), realPath(directory)));
}

function directoryOf(path: string): string {
	return resolve(isFile(path) ? dirname(path) : path);
}

/** A path that does not exist yet counts as a file if its name has an extension. */
function isFile(path: string): boolean {
	const stat = statAt(path);
	return stat === undefined
		? /[^.]\.(?:db|env|json5?|jsonl|sqlite3?|toml|ya?ml)$/.test(path)
		: !stat.isDirectory();
}

/** For a shell. */
function quoted(text: string): string {
	return /^[\w./:=@%+,~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A name that `--root` accepts and that is free. */
function nameFor(path: string, taken: ReadonlySet<string>): string {
	const like = basename(path)
		.toLowerCase()
		.replaceAll(/[^a-z0-9._-]+/g, "-")
		.replace(/^[^a-z0-9]+/, "");
	const wanted = like.slice(0, 60) || "root";
	let name = wanted;
	for (let count = 2; taken.has(name); count++) name = `${wanted}-${count}`;
	return name;
}
