/**
 * The directories that OpenClaw's own settings give its agents, and whether they are kept. They are told of, never taken up: the agent
 * writes that configuration, and a restore that wrote wherever it says could be led anywhere.
 *
 * Looks at openclaw.json, at the files it includes and at OPENCLAW_WORKSPACE_DIR. Does NOT see what an agent makes elsewhere by itself.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { Roots } from "../path.ts";
import type { Log } from "../telemetry/types.ts";
import type { Profile } from "../workspace/profile.ts";
import { type Stat, sameStat, statOf } from "../workspace/stat.ts";
import { isInside } from "./open-roots.ts";
import { realPath } from "./place.ts";

export const AGENT_CONFIG = "openclaw.json";
/** As deep as OpenClaw follows includes. */
const INCLUDES_DEEP = 10;

export interface Uncovered {
	/** Absolute; neither in the workspace nor in an additional root. */
	readonly paths: readonly string[];
	/** What keeps them, for a command line. One that holds the workspace can be no root, and has none. */
	readonly flags: readonly string[];
	/** Files of the configuration that could not be read. */
	readonly unread: readonly string[];
}

/** @param env the agent's */
export function uncoveredDirectories(roots: Roots, env: NodeJS.ProcessEnv = process.env): Uncovered {
	const unread: string[] = [];
	const named = [env.OPENCLAW_WORKSPACE_DIR?.trim() ?? "", ...directoriesIn(join(roots.main, AGENT_CONFIG), unread)];
	const paths = [...new Set(named.map((name) => placeOf(name, env)))].filter((path) => isAbsolute(path) && !isCovered(path, roots));
	return { paths, flags: flagsFor(paths, roots), unread };
}

function placeOf(name: string, env: NodeJS.ProcessEnv): string {
	const path = name.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string) => env[variable] ?? "");
	if (path === "~" || path.startsWith("~/")) return join(env.OPENCLAW_HOME ?? homedir(), path.slice(1));
	return path === "" || isAbsolute(path) ? path : resolve(path);
}

/** `--root NAME=DIR` for each, but for what lies in another of them. One in the workspace's own directory is a link that leads out. */
function flagsFor(paths: readonly string[], roots: Roots): string[] {
	const directories = [...new Set(paths.map((path) => (isInside(path, roots.main) ? realPath(path) : path)))];
	const flags: string[] = [];
	const taken = new Set(roots.others.keys());
	for (const directory of directories) {
		const isWithin = directories.some((other) => other !== directory && isInside(directory, other));
		if (isWithin || roots.directories.some((ours) => isInside(realPath(ours), realPath(directory)))) continue;
		const name = nameFor(directory, taken);
		taken.add(name);
		flags.push(`--root ${name}=${directory}`);
	}
	return flags;
}

/** As `--root` takes it, and not taken. */
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

/**
 * One event, loud, for all of them: what an agent writes there is lost with this machine.
 * @returns to be called when the configuration may have changed. Says it once, and again when it names others
 */
export function uncoveredTeller(roots: Roots, profile: Pick<Profile, "name">, env: NodeJS.ProcessEnv, log: Log): () => void {
	let looked: Stat | undefined;
	let told = "[]";
	return () => {
		const stat = profile.name === "openclaw" ? statOf(join(roots.main, AGENT_CONFIG)) : undefined;
		if (profile.name !== "openclaw" || (looked !== undefined && stat !== undefined && sameStat(looked, stat))) return;
		looked = stat;
		const { paths, flags } = uncoveredDirectories(roots, env);
		const news = JSON.stringify(paths);
		if (paths.length > 0 && news !== told) log.warn("workspace.not-covered", { paths, remedy: remedyFor(flags) });
		told = news;
	};
}

/** One clause. */
export function remedyFor(flags: readonly string[]): string {
	const move = `move them into the workspace and correct ${AGENT_CONFIG}`;
	return flags.length === 0 ? move : `add ${flags.join(" ")}, or ${move}`;
}

/** Of a configuration file and what it includes. */
function directoriesIn(file: string, unread: string[], deep = 0): string[] {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch {
		unread.push(file);
		return [];
	}
	const included = deep < INCLUDES_DEEP ? includesOf(text).map((name) => resolve(dirname(file), name)) : [];
	return [...directoriesNamed(text, deep > 0), ...included.flatMap((name) => directoriesIn(name, unread, deep + 1))];
}

/** The files that `$include` names, in JSON or JSON5. */
function includesOf(text: string): string[] {
	const found = text.matchAll(/\$include["']?\s{0,9}:\s{0,9}(\[[^\]]{0,65536}\]|"[^"\n]{1,4096}"|'[^'\n]{1,4096}')/g);
	return [...found].flatMap(([, value = ""]) => [...value.matchAll(/"([^"\n]+)"|'([^'\n]+)'/g)].map(([, a, b]) => a ?? b ?? ""));
}

/**
 * Every `workspace` and `agentDir` of `agents`. OpenClaw also takes JSON5, for which there is no parser here: then every such name that
 * leads to a place of its own counts, wherever it stands, since a warning too many costs less than a directory lost.
 * @param isPart the text is some part of a configuration, maybe of `agents`
 */
export function directoriesNamed(text: string, isPart = false): string[] {
	const isPlace = (path: string) => /^[/~$]/.test(path);
	try {
		const found: string[] = [];
		const config = JSON.parse(text) as { readonly agents?: unknown } | null;
		collect(isPart ? config : config?.agents, found);
		return isPart ? found.filter(isPlace) : found;
	} catch {
		const pairs = text.matchAll(/(?:^|[\s{,"'])(?:workspace|agentDir)["']?\s{0,9}:\s{0,9}(?:"([^"\n]{1,4096})"|'([^'\n]{1,4096})')/g);
		return [...pairs].map(([, double, single]) => double ?? single ?? "").filter(isPlace);
	}
}

function collect(value: unknown, found: string[]): void {
	if (typeof value !== "object" || value === null) return;
	for (const [name, inner] of Object.entries(value)) {
		if ((name === "workspace" || name === "agentDir") && typeof inner === "string") found.push(inner);
		else collect(inner, found);
	}
}

/** A link is stored as a link: what counts is where the path really leads. A link out of the workspace may lead into a root. */
function isCovered(path: string, { main, others }: Roots): boolean {
	const place = realPath(path);
	return (isInside(resolve(path), main) && isInside(place, realPath(main))) || [...others.values()].some((root) => isInside(place, root));
}
