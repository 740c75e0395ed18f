/**
 * Sets a machine up: writes the config file, lists what to leave out in the ignore file, and tries
 * the store.
 *
 * Guarantees: a value of an existing config file is replaced only with `overwrite`; its comments
 * and its other keys stay. Lines of the ignore file are added, never changed. Nothing is written if
 * a value is wrong. Does not guarantee that the store works: `diagnosis` tells.
 */
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import * as jsonc from "jsonc-parser";
import { loadConfig } from "../config/load.ts";
import { type Config, fileKeyOf, OPTION_LIST } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import { readIgnoreFile } from "../workspace/read-ignore-file.ts";
import { replaceIgnoreFile } from "../workspace/replace-ignore-file.ts";
import { type Diagnosis, doctor } from "./doctor.ts";
import { isOneLine } from "./init/proposals.ts";
import { makePrivateDirectory, readText, replaceText } from "./init/text-file.ts";
import type { LogOptions } from "./options.ts";

export {
	type AgentFound,
	findAgents,
	findStores,
	type LargeDirectory,
	largestDirectories,
	type StoreFound,
} from "./init/proposals.ts";

export interface InitOptions extends Pick<LogOptions, "credentials" | "signal"> {
	/** Absolute. */
	readonly configFile: string;
	/** By the keys of the config file, as the file spells them: `{ "drainTimeout": "20s" }`. */
	readonly values: Readonly<Record<string, unknown>>;
	/** Lines for the workspace's ignore file, in the syntax of `.gitignore`. Default: none. */
	readonly exclude?: readonly string[];
	/** Replace values that the file has. Default false. */
	readonly overwrite?: boolean;
}

export interface InitResult {
	readonly configFile: string;
	/** Keys that are new in the file or have another value. */
	readonly written: readonly string[];
	/** Lines that are new in the ignore file. */
	readonly excluded: readonly string[];
	/** The settings of the file. */
	readonly settings: Config;
	readonly diagnosis: Diagnosis;
}

/** The file, with its owner only: it may name buckets, users and keys. */
const CONFIG_MODE = 0o600;
const FORMAT = { formattingOptions: { insertSpaces: true, tabSize: 2, eol: "\n" } };

/**
 * @throws SidecarError USAGE: a wrong value, or one that differs from the file's without
 * `overwrite`; STORE_URL_INVALID, NAMESPACE_INVALID, STATE_DIR_UNUSABLE, IGNORE_FILE_UNUSABLE,
 * SYSTEM_REFUSED
 */
export async function init(options: InitOptions): Promise<InitResult> {
	const { configFile, values, exclude = [], overwrite = false } = options;
	const before = readText(configFile);
	const differing = differingKeys(configFile, values);
	if (differing.length > 0 && !overwrite)
		throw new SidecarError("USAGE", {
			value: configFile,
			reason: `the file has other values for ${differing.join(", ")}`,
			remedy: "use --overwrite to replace them, or --config FILE to write another file",
		});
	const text = withValues(before ?? "{}\n", values);
	const { config: settings } = loadConfig({
		flags: { config: configFile },
		env: pick(process.env, ["XDG_DATA_HOME", "XDG_STATE_HOME"]),
		homeDir: homedir(),
		workingDir: process.cwd(),
		readFile: () => text,
	});
	const unwritable = exclude.find((line) => !isOneLine(line));
	if (unwritable !== undefined)
		throw new SidecarError("USAGE", {
			value: unwritable,
			reason: "the ignore file holds one pattern per line, as UTF-8",
			remedy: "repeat --exclude for several patterns, and use ? in place of such a character",
		});
	const ignored = exclude.length === 0 ? undefined : ignoreLines(settings.workspace, exclude);
	// The person named it just now: this is no mistyped store.
	if (settings.store.startsWith("file:")) makePrivateDirectory(fileURLToPath(settings.store));
	if (text !== before) replaceText(configFile, text, CONFIG_MODE);
	if (ignored !== undefined && ignored.added.length > 0)
		replaceIgnoreFile(settings.workspace, ignored.text);
	return {
		configFile,
		written: changedKeys(before, values),
		excluded: ignored?.added ?? [],
		settings,
		diagnosis: await doctor({
			settings,
			credentials: options.credentials,
			signal: options.signal,
		}),
	};
}

/** Keys that have other values in the config file. @throws SidecarError SYSTEM_REFUSED */
export function differingKeys(
	configFile: string,
	values: Readonly<Record<string, unknown>>,
): string[] {
	const known = objectOf(readText(configFile));
	return Object.keys(values).filter(
		(key) => known[key] !== undefined && !isSame(known[key], values[key]),
	);
}

/** Settings as the config file spells them: a duration with its unit, roots as an object. */
export function asFileValues(
	config: Config,
	isWanted: (key: string) => boolean,
): Record<string, unknown> {
	return Object.fromEntries(
		OPTION_LIST.flatMap(([key, option]) => {
			const value = config[key];
			if (value === undefined || !isWanted(key)) return [];
			const spelt =
				typeof value === "number"
					? value % 1000 === 0
						? `${value / 1000}s`
						: `${value}ms`
					: value instanceof Map
						? Object.fromEntries(value)
						: value;
			return [[fileKeyOf(option), spelt]];
		}),
	);
}

function changedKeys(text: string | undefined, values: Readonly<Record<string, unknown>>) {
	const known = objectOf(text);
	return Object.keys(values).filter((key) => !isSame(known[key], values[key]));
}

function objectOf(text: string | undefined): Readonly<Record<string, unknown>> {
	const parsed: unknown = text === undefined ? {} : jsonc.parse(text);
	return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
}

function isSame(a: unknown, b: unknown): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}

function withValues(text: string, values: Readonly<Record<string, unknown>>): string {
	let next = text;
	for (const key of changedKeys(text, values))
		next = jsonc.applyEdits(next, jsonc.modify(next, [key], values[key], FORMAT));
	return next.endsWith("\n") ? next : `${next}\n`;
}

function ignoreLines(workspace: string, lines: readonly string[]) {
	const text = readIgnoreFile(workspace) ?? "";
	const known = new Set(text.split(/\r?\n/));
	const added = [...new Set(lines)].filter((line) => !known.has(line));
	const start = text === "" || text.endsWith("\n") ? text : `${text}\n`;
	return { added, text: `${start}${added.map((line) => `${line}\n`).join("")}` };
}

function pick(from: NodeJS.ProcessEnv, names: readonly string[]): NodeJS.ProcessEnv {
	return Object.fromEntries(names.map((name) => [name, from[name]]));
}
