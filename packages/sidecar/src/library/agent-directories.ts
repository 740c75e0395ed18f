/** The directories that OpenClaw's own configuration gives its agents, and whether they are kept. They are told of, never written to. */
import { readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import type { Roots } from "../path.ts";
import type { Log } from "../telemetry/types.ts";
import type { Profile } from "../workspace/profile.ts";
import { isInside } from "./open-roots.ts";

export const AGENT_CONFIG = "openclaw.json";

export interface Uncovered {
	/** Absolute; neither in the workspace nor in an additional root. */
	readonly paths: readonly string[];
	/** It names other files, and they were not looked at. */
	readonly hasIncludes: boolean;
}

/** @returns undefined where the configuration cannot be read, or is not there */
export function uncoveredDirectories(roots: Roots): Uncovered | undefined {
	let text: string;
	try {
		text = readFileSync(join(roots.main, AGENT_CONFIG), "utf8");
	} catch {
		return undefined;
	}
	const named = directoriesNamed(text).map((path) => (path.startsWith("~/") ? join(homedir(), path.slice(2)) : path));
	const paths = [...new Set(named)].filter((path) => isAbsolute(path) && !isCovered(path, roots));
	return { paths, hasIncludes: text.includes("$include") };
}

/** One event, loud, for all of them: what an agent writes there is lost with this machine. */
export function warnOfUncovered(roots: Roots, profile: Pick<Profile, "name">, log: Log): void {
	const paths = profile.name === "openclaw" ? (uncoveredDirectories(roots)?.paths ?? []) : [];
	if (paths.length > 0)
		log.warn("workspace.not-covered", { paths, remedy: "name each with --root NAME=DIR, or move it into the workspace" });
}

/**
 * Every `workspace` and `agentDir` of `agents`. OpenClaw also takes JSON5, for which there is no parser here: then every such name counts,
 * wherever it stands, since a warning too many costs less than a directory lost.
 */
export function directoriesNamed(text: string): string[] {
	try {
		const found: string[] = [];
		collect((JSON.parse(text) as { readonly agents?: unknown } | null)?.agents, found);
		return found;
	} catch {
		const pairs = text.matchAll(/(?:^|[\s{,"'])(?:workspace|agentDir)["']?\s{0,9}:\s{0,9}(?:"([^"\n]{1,4096})"|'([^'\n]{1,4096})')/g);
		return [...pairs].map(([, double, single]) => double ?? single ?? "");
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
	const place = real(path);
	return (isInside(resolve(path), main) && isInside(place, real(main))) || [...others.values()].some((root) => isInside(place, root));
}

function real(path: string): string {
	try {
		return realpathSync(path);
	} catch {
		const parent = dirname(path);
		return parent === path ? path : join(real(parent), basename(path));
	}
}
