/** Does the profile fit what lies in the workspace, and does the workspace hold all of the agent? */
import { readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { printable } from "../../errors.ts";
import { statOf } from "../../workspace/stat.ts";
import { type Check, notTested, ok, warning } from "./check.ts";

const AGENT_CONFIG = "openclaw.json";

export const profileFits: Check = {
	name: "profile",
	look: ({ settings, profile }) => {
		const isOpenclaw = statOf(join(settings.workspace, AGENT_CONFIG)) !== undefined;
		if (profile.name === "plain" && isOpenclaw) {
			return warning(
				`the profile is plain, but ${AGENT_CONFIG} is here: caches and locks of OpenClaw are stored, and secrets get no strict modes`,
				"use --profile openclaw",
			);
		}
		if (profile.name !== "openclaw" || isOpenclaw) return ok(`${profile.name} fits`);
		if (statOf(settings.workspace) === undefined) return ok("openclaw; nothing is here yet to fit");
		const remedy = "point --workspace at OpenClaw's state directory, or use --profile plain for another directory";
		return warning(`the profile is openclaw, but there is no ${AGENT_CONFIG} in ${settings.workspace}`, remedy);
	},
};

export const outsideWorkspaces: Check = {
	name: "agents' directories",
	look: ({ settings, profile }) => {
		if (profile.name !== "openclaw") return notTested(`the profile ${profile.name} knows no agents`);
		const file = join(settings.workspace, AGENT_CONFIG);
		let text: string;
		try {
			text = readFileSync(file, "utf8");
		} catch {
			return notTested(`${AGENT_CONFIG} cannot be read`);
		}
		const named = directoriesNamed(text).map((path) => (path.startsWith("~/") ? join(homedir(), path.slice(2)) : path));
		const outside = [...new Set(named)].filter((path) => isAbsolute(path) && !isCovered(path, settings.workspace));
		const included = text.includes("$include") ? "; files it includes were not looked at" : "";
		if (outside.length === 0) return ok(`all directories named in ${AGENT_CONFIG} lie in the workspace${included}`);
		return warning(
			`NOT COVERED, and LOST with this machine: ${outside.map((path) => printable(path)).join(", ")} (named in ${AGENT_CONFIG}, outside ${settings.workspace})${included}`,
			`move them below ${settings.workspace} and correct ${AGENT_CONFIG}`,
		);
	},
};

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

/** A link is stored as a link: what counts is where the path really leads. */
function isCovered(path: string, workspace: string): boolean {
	return isInside(resolve(path), workspace) && isInside(real(path), real(workspace));
}

function isInside(inner: string, outer: string): boolean {
	const way = relative(outer, inner);
	return way !== ".." && !way.startsWith("../");
}

function real(path: string): string {
	try {
		return realpathSync(path);
	} catch {
		const parent = dirname(path);
		return parent === path ? path : join(real(parent), basename(path));
	}
}
