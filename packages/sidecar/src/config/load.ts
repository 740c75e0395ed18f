/**
 * Flags > environment > config file > defaults, each value checked by the one table of options.
 *
 * Pure: the environment, the directories and the function that reads the file are parameters. It
 * does not check whether a path exists or a store answers; the users of those values do.
 */
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type ErrorCode, SidecarError } from "../errors.ts";
import {
	CONFIG_FILE_OPTION,
	type Config,
	defaultConfigFile,
	ENV_PREFIX,
	type Environment,
	envOf,
	fileKeyOf,
	flagOf,
	OPTION_LIST,
	type Option,
	type OptionKey,
} from "./options.ts";
import { didYouMean } from "./suggest.ts";
import { type Place, path } from "./values.ts";

export interface ConfigInput {
	/**
	 * By the names commander gives them (`drainTimeout`); names that are not options of the table are
	 * ignored.
	 */
	readonly flags: Readonly<Record<string, unknown>>;
	/**
	 * From a program, by the options' keys: a duration is a number of ms. They override all others.
	 */
	readonly values?: Readonly<Record<string, unknown>>;
	readonly env: Environment;
	/** Absolute. */
	readonly homeDir: string;
	/** Absolute: the base of relative paths in flags and environment. */
	readonly workingDir: string;
	/** The text of a file; undefined if it does not exist. */
	readonly readFile: (path: string) => string | undefined;
}

/**
 * The source of a value, in the words of messages: `flag --x`, `env NAME`, `file PATH key x` or
 * `default of --x`.
 */
export type Source = string;

export interface LoadedConfig {
	readonly config: Config;
	/** For people: names in the environment that look like an option but are not. */
	readonly warnings: readonly string[];
	readonly sources: Readonly<Record<OptionKey, Source>>;
	/** Absolute: the config file, which need not exist unless it was named. */
	readonly configFile: string;
}

interface Given {
	readonly value: unknown;
	readonly source: Source;
	readonly baseDir: string;
	readonly isTyped?: boolean;
}

/**
 * @throws SidecarError USAGE, NAMESPACE_INVALID, STORE_URL_INVALID, STATE_DIR_UNUSABLE: the value,
 * its source and what is accepted.
 */
export function loadConfig(input: ConfigInput): LoadedConfig {
	const configFile = whichConfigFile(input);
	const file = readConfigFile(configFile, input);
	const chosen: Partial<Record<OptionKey, unknown>> = {};
	const sources = {} as Record<OptionKey, Source>;
	for (const [key, option] of OPTION_LIST) {
		const given =
			fromProgram(key, input) ??
			fromCommandLine(option, input) ??
			file.get(fileKeyOf(option)) ??
			fromDefault(option, input);
		if (given !== undefined) chosen[key] = parse(option, given, input.homeDir);
		sources[key] = given?.source ?? `default of ${flagOf(option)}`;
	}
	const loaded: LoadedConfig = {
		config: chosen as Config,
		warnings: unknownVariables(input.env),
		sources,
		configFile: configFile.path,
	};
	checkTogether(loaded.config, loaded.sources);
	return loaded;
}

function fromProgram(
	key: OptionKey,
	{ values, workingDir: baseDir }: ConfigInput,
): Given | undefined {
	const value = values?.[key];
	return value === undefined
		? undefined
		: { value, source: `option ${key}`, baseDir, isTyped: true };
}

/** The command line's value, otherwise the environment's. */
function fromCommandLine(
	option: { readonly name: string },
	{ flags, env, workingDir: baseDir }: ConfigInput,
): Given | undefined {
	const flag = flags[fileKeyOf(option)];
	if (flag !== undefined) return { value: flag, source: `flag ${flagOf(option)}`, baseDir };
	const name = envOf(option);
	const value = env[name];
	if (value === undefined) return undefined;
	// A variable that failed to expand must not silently select another store.
	if (value === "")
		throw wrong("USAGE", "", `env ${name}`, "is empty: unset it or give it a value");
	return { value, source: `env ${name}`, baseDir };
}

function fromDefault(option: Option<unknown>, { env, homeDir }: ConfigInput): Given | undefined {
	const value =
		typeof option.default === "function" ? option.default({ env, homeDir }) : option.default;
	return value === undefined
		? undefined
		: { value, source: `default of ${flagOf(option)}`, baseDir: homeDir };
}

function parse(
	option: Option<unknown>,
	{ value, source, baseDir, isTyped = false }: Given,
	homeDir: string,
): unknown {
	const { kind, code = "USAGE" } = option;
	const result = kind.schema({ homeDir, baseDir, isTyped }).safeParse(value);
	if (result.success) return result.data;
	throw wrong(
		code,
		value,
		source,
		`accepts ${kind.accepts}${didYouMean(String(value), kind.choices ?? [])}`,
	);
}

interface ConfigFile {
	readonly path: string;
	readonly isNamed: boolean;
	readonly source: Source;
}

function whichConfigFile(input: ConfigInput): ConfigFile {
	const named = fromCommandLine(CONFIG_FILE_OPTION, input);
	const place: Place = { homeDir: input.homeDir, baseDir: input.workingDir };
	return {
		path:
			named === undefined ? defaultConfigFile(input.env, input.homeDir) : configPath(named, place),
		isNamed: named !== undefined,
		source: named?.source ?? "the default config file",
	};
}

/**
 * Entries of the config file by their key; empty if no file was named and the default one does not
 * exist.
 */
function readConfigFile(
	{ path: filePath, isNamed, source }: ConfigFile,
	input: ConfigInput,
): ReadonlyMap<string, Given> {
	let text: string | undefined;
	try {
		text = input.readFile(filePath);
	} catch (cause) {
		throw wrong(
			"USAGE",
			filePath,
			source,
			`cannot be read (${cause instanceof Error ? cause.message : cause})`,
			cause,
		);
	}
	if (text === undefined) {
		if (!isNamed) return new Map();
		throw wrong("USAGE", filePath, source, "names a file that does not exist");
	}
	const known = new Set(OPTION_LIST.map(([, option]) => fileKeyOf(option)));
	const entries = Object.entries(parseObject(text, filePath));
	for (const [key] of entries) {
		if (!known.has(key))
			throw wrong("USAGE", key, `file ${filePath}`, `has no such key${didYouMean(key, known)}`);
	}
	const given = ([key, value]: [string, unknown]) =>
		[key, { value, source: `file ${filePath} key ${key}`, baseDir: dirname(filePath) }] as const;
	return new Map(entries.map(given));
}

function configPath({ value, source }: Given, place: Place): string {
	const result = path("FILE").schema(place).safeParse(value);
	if (result.success) return result.data;
	throw wrong("USAGE", value, source, `accepts ${path("FILE").accepts}`);
}

function parseObject(text: string, filePath: string): Record<string, unknown> {
	let parsed: unknown;
	try {
		parsed = JSON.parse(withoutComments(text));
	} catch (cause) {
		throw wrong(
			"USAGE",
			filePath,
			"the config file",
			`is not JSON (${(cause as Error).message})`,
			cause,
		);
	}
	if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
		return parsed as Record<string, unknown>;
	throw wrong("USAGE", filePath, "the config file", "must hold one JSON object");
}

/** Spaces in place of comments, so that an error names the right line and column. */
function withoutComments(text: string): string {
	return text.replace(/"(?:\\.|[^"\\])*"|\/\/.*|\/\*[\s\S]*?\*\//g, (found) =>
		found.startsWith('"') ? found : found.replace(/[^\r\n]/g, " "),
	);
}

function unknownVariables(env: Environment): string[] {
	const known = new Set(
		[CONFIG_FILE_OPTION, ...OPTION_LIST.map(([, option]) => option)].map(envOf),
	);
	return Object.keys(env)
		.filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name))
		.sort()
		.map((name) => `env ${name} is not an option and has no effect${didYouMean(name, known)}`);
}

/**
 * Checks rules about several values: the three places must not contain each other, and the maximum
 * delay must exceed the quiet period.
 */
function checkTogether(
	{ workspace, store, stateDir, quietMs, maxDelayMs, sse, sseKmsKeyId }: Config,
	sources: LoadedConfig["sources"],
): void {
	const inWorkspace = `is inside the workspace ${workspace} (${sources.workspace}), which would then contain itself`;
	if (isInside(stateDir, workspace))
		throw wrong("STATE_DIR_UNUSABLE", stateDir, sources.stateDir, inWorkspace);
	const storeDir = localDirectory(store, sources.store);
	if (storeDir !== undefined) {
		if (isInside(storeDir, workspace)) throw wrong("USAGE", store, sources.store, inWorkspace);
		if (isInside(workspace, storeDir))
			throw wrong(
				"USAGE",
				workspace,
				sources.workspace,
				`is inside the store ${store} (${sources.store})`,
			);
	}
	if (sseKmsKeyId !== undefined && sse?.startsWith("aws:kms") !== true)
		throw wrong(
			"USAGE",
			sseKmsKeyId,
			sources.sseKmsKeyId,
			"needs --sse aws:kms or --sse aws:kms:dsse",
		);
	if (maxDelayMs < quietMs) {
		throw wrong(
			"USAGE",
			`${maxDelayMs}ms`,
			sources.maxDelayMs,
			`is less than the quiet period of ${quietMs}ms (${sources.quietMs})`,
		);
	}
}

function localDirectory(store: string, source: Source): string | undefined {
	if (!store.startsWith("file:")) return undefined;
	try {
		return resolve(fileURLToPath(store));
	} catch (cause) {
		throw wrong("STORE_URL_INVALID", store, source, (cause as Error).message, cause);
	}
}

/** By the names alone; links are not followed. A directory is inside itself. */
function isInside(inner: string, outer: string): boolean {
	const way = relative(outer, inner);
	return way !== ".." && !way.startsWith("../");
}

/** Passwords and signatures in URLs are not repeated. */
function wrong(
	code: ErrorCode,
	value: unknown,
	source: Source,
	reason: string,
	cause?: unknown,
): SidecarError {
	const shown = (typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)))
		// A key that was given instead of its place.
		.replace(/^(?!env:|file:)\S{16,}$/, (text) => (/model[-_]?key/i.test(source) ? "***" : text))
		.replace(/\/\/[^/]*@/, "//***@")
		.replace(/(\/\/.*\?).*/s, "$1***");
	return new SidecarError(code, {
		value: shown === "" ? '""' : shown,
		reason: `${source} ${reason}`,
		...(cause === undefined ? {} : { cause }),
	});
}
