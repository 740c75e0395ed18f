/**
 * Finds the places that OpenClaw's own settings name: in openclaw.json, in its included files, in
 * .env and in variables named OPENCLAW_*.
 *
 * A place is recognized by its key (`workspace`, `authDir`), or because its value is an existing
 * absolute path. Does NOT see places that an agent uses without naming them in its settings.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import JSON5 from "json5";
import { statAt } from "./look-at.ts";
import { isSystemPlace } from "./system-places.ts";

export const AGENT_CONFIG = "openclaw.json";
/** The depth to which OpenClaw follows includes. */
const INCLUDES_DEEP = 10;

export interface NamedPlace {
	/** Absolute. */
	readonly path: string;
	/** `agents.defaults.workspace in openclaw.json`, `OPENCLAW_WORKSPACE_DIR`. */
	readonly by: string;
	/** True: it holds state, existing or not. False: it is only a path that exists. */
	readonly isKnown: boolean;
}

/** Keys whose value, or whose list of values, names a place of state. */
const STATE_KEYS: ReadonlySet<string> = new Set([
	"agentDir",
	"authDir",
	"credentialsDir",
	"dbPath",
	"extraDirs",
	"extraPaths",
	"stateDir",
	"store",
	"userDataDir",
	"vault",
	"workspace",
	"workspaceDir",
	"workspaceRoot",
	"workspaceTemplate",
	"worktreeRoot",
]);
const STATE_VARIABLES: ReadonlySet<string> = new Set([
	"OPENCLAW_AGENT_DIR",
	"OPENCLAW_CONFIG_PATH",
	"OPENCLAW_OAUTH_DIR",
	"OPENCLAW_STATE_DIR",
	"OPENCLAW_WORKSPACE_DIR",
]);
/** Variables of the sidecar, of the installation, and for files that are recreated. */
const OTHER_VARIABLES = /^OPENCLAW_(?:SIDECAR|BUNDLED|PACKAGED|LOG|HOME$)|CACHE|_BIN$/;

export interface NamedPlaces {
	readonly places: readonly NamedPlace[];
	/** Files of the configuration that could not be read. */
	readonly unread: readonly string[];
	/** Settings of places that contain a variable without a value here. */
	readonly unresolved: readonly string[];
}

/** Used by OpenClaw in its user's home without a setting; places of state if they exist. */
const IN_HOME: readonly string[] = ["~/.agents/skills", "~/.config/openclaw"];

/**
 * @param main the state directory
 * @param env the agent's
 */
export function namedPlaces(main: string, env: NodeJS.ProcessEnv): NamedPlaces {
	const found: NamedPlace[] = [];
	const unread: string[] = [];
	const unresolved: string[] = [];
	const take = (text: string, by: string, isKnown: boolean) => {
		const isResolved = [...text.matchAll(VARIABLE)].every(
			([, name = ""]) => env[name] !== undefined,
		);
		if (!isResolved) {
			// Another setting with a variable need not be a path at all.
			if (isKnown) unresolved.push(`${by}: ${text}`);
			return;
		}
		const path = placeOf(text, env);
		if (isAbsolute(path) && (isKnown || isThere(path))) found.push({ path, by, isKnown });
	};
	for (const [name, value] of variablesOf(main, env)) take(value, name, STATE_VARIABLES.has(name));
	if (env.OPENCLAW_STATE_DIR === undefined) {
		if (env.OPENCLAW_HOME) take(join(env.OPENCLAW_HOME, ".openclaw"), "OPENCLAW_HOME", true);
		if (env.OPENCLAW_PROFILE && env.OPENCLAW_PROFILE !== "default")
			take(`~/.openclaw-${env.OPENCLAW_PROFILE}`, "OPENCLAW_PROFILE", true);
	}
	readConfig(join(main, AGENT_CONFIG), take, unread);
	for (const place of env.HOME === undefined ? [] : IN_HOME)
		take(place, "OpenClaw uses it without a setting", false);
	return { places: found, unread, unresolved };
}

type Take = (text: string, by: string, isKnown: boolean) => void;

/** Variables of the agent's environment first, then those of the state directory's own `.env`. */
function variablesOf(main: string, env: NodeJS.ProcessEnv): [string, string][] {
	let text = "";
	try {
		text = readFileSync(join(main, ".env"), "utf8");
	} catch {
		// Most have none.
	}
	const own = [...text.matchAll(/^\s*(?:export\s+)?(OPENCLAW_\w+)\s*=\s*["']?([^"'\n]*)/gm)].map(
		([, name = "", value = ""]) => [name, value],
	);
	const all = [...Object.entries(env), ...own] as [string, string | undefined][];
	return all
		.filter(
			([name, value]) =>
				name.startsWith("OPENCLAW_") && !OTHER_VARIABLES.test(name) && isPlace(value?.trim() ?? ""),
		)
		.map(([name, value = ""]) => [name, value.trim()]);
}

function readConfig(file: string, take: Take, unread: string[], deep = 0): void {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch {
		unread.push(file);
		return;
	}
	const isPart = deep > 0;
	const name = isPart ? file : AGENT_CONFIG;
	const includes: string[] = [];
	try {
		walk(JSON5.parse(text), [], (value, keys) => {
			if (keys.includes("$include")) includes.push(value);
			else takeSetting(value, keys, name, isPart, take);
		});
	} catch {
		// OpenClaw refuses it too. It will name the same places once it is fixed, and a needless
		// warning costs less than a lost directory.
		for (const [, key = "", double, single] of text.matchAll(LOOSE_PAIR))
			takeSetting(double ?? single ?? "", [key], name, true, take);
		includes.push(...includesIn(text));
	}
	for (const include of deep < INCLUDES_DEEP ? includes : []) {
		const included = resolve(dirname(file), include);
		take(included, `$include in ${name}`, true);
		readConfig(included, take, unread, deep + 1);
	}
}

const LOOSE_PAIR =
	/(?:^|[\s{,"'])([A-Za-z]\w{0,63})["']?\s{0,9}:\s{0,9}\[?\s{0,9}(?:"([^"\n]{1,4096})"|'([^'\n]{1,4096})')/g;

function includesIn(text: string): string[] {
	const found = text.matchAll(
		/\$include["']?\s{0,9}:\s{0,9}(\[[^\]]{0,65536}\]|"[^"\n]{1,4096}"|'[^'\n]{1,4096}')/g,
	);
	return [...found].flatMap(([, value = ""]) =>
		[...value.matchAll(/"([^"\n]+)"|'([^'\n]+)'/g)].map(([, a, b]) => a ?? b ?? ""),
	);
}

/**
 * OpenClaw resolves an agent's relative `workspace` or `agentDir` against its working directory.
 * Other keys may not be paths at all.
 */
function takeSetting(
	value: string,
	keys: readonly string[],
	file: string,
	isPart: boolean,
	take: Take,
): void {
	const named = keys.filter((key) => !/^\d+$/.test(key));
	const [last = "", before = ""] = named.toReversed();
	const isKnown = STATE_KEYS.has(last) || STATE_KEYS.has(before);
	const isOfAgent =
		!isPart && keys[0] === "agents" && (last === "workspace" || last === "agentDir");
	if (isPlace(value) || isOfAgent) take(value, `${named.join(".")} in ${file}`, isKnown);
}

function walk(
	value: unknown,
	keys: readonly string[],
	visit: (value: string, keys: readonly string[]) => void,
): void {
	if (typeof value === "string") visit(value, keys);
	else if (typeof value === "object" && value !== null)
		for (const [key, inner] of Object.entries(value)) walk(inner, [...keys, key], visit);
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

const isPlace = (text: string) => /^(?:\/.|~(?:$|\/)|\$\{)/.test(text);

/** The path up to the first part that OpenClaw fills in for each agent. */
function placeOf(text: string, env: NodeJS.ProcessEnv): string {
	const filled = text.replaceAll(VARIABLE, (_, variable: string) => env[variable] ?? "");
	const parts = filled.split("/");
	const open = parts.findIndex((part) => /[{}*<>]/.test(part));
	const path = open < 0 ? filled : parts.slice(0, open).join("/");
	if (path === "~" || path.startsWith("~/"))
		return join(env.OPENCLAW_HOME ?? env.HOME ?? homedir(), path.slice(1));
	return path === "" || isAbsolute(path) ? path : resolve(path);
}

/** A directory or a file; a program holds no state. */
function isThere(path: string): boolean {
	if (path === "/" || isSystemPlace(path)) return false;
	const stat = statAt(path);
	return stat?.isDirectory() === true || (stat?.isFile() === true && (stat.mode & 0o111) === 0);
}
